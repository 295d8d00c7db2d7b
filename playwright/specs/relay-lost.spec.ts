// The relay goes away: what tabs do for each other goes on, and they find it, or another one, again.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 96;
/** Slow enough that the relay can be killed while tokens stream. */
const STEP_MS = 30;
/** How soon a tab is back after its relay is. */
const BACK_MS = 40_000;

/** A browser says so when what it was connected to goes; nothing else may be wrong. */
function forgive(complaints: string[]): void {
  const others = complaints.filter((each) => !/WebSocket connection to|ERR_CONNECTION_REFUSED/.test(each));
  expect(others).toEqual([]);
  complaints.length = 0;
}

test('the relay is killed and comes back while an answer streams: the answer goes on, and everybody is back', async ({ openTab }) => {
  const relay = await Relay.start([testModel()]);
  try {
    const model = (await relay.models())[0]!;
    const half = Math.ceil(model.layers / 2);
    const tabs = [await openTab({ baseURL: relay.url }), await openTab({ baseURL: relay.url }), await openTab({ baseURL: relay.url })];
    await new LendPage(tabs[0]!.page).lend(model.id, 0, half, STEP_MS);
    await new LendPage(tabs[1]!.page).lend(model.id, half, model.layers, STEP_MS);
    const chat = new ChatPage(tabs[2]!.page);
    await chat.open(model.id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);

    await relay.kill();
    for (const { page } of tabs) {
      await expect(page.getByTestId('connection')).not.toHaveAttribute('data-state', 'online');
    }
    await expect(chat.lastAnswer).toHaveAttribute('data-state', 'streaming');
    await relay.startAgain();
    const restarted = Date.now();
    const back = restarted + BACK_MS;
    for (const { page } of tabs) {
      const left = Math.max(1, back - Date.now());
      await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online', { timeout: left });
    }
    console.log(`back at the relay ${Date.now() - restarted} ms after it was`);
    expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
    tabs.forEach(({ complaints }) => forgive(complaints));
  } finally {
    await relay.stop();
  }
});
