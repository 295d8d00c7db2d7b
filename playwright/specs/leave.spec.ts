// Somebody leaves mid-sentence: the answer goes on, and not a token is lost, doubled or changed.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { type LendPage, lenders } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 96;
/** Slow enough that a tab can be killed while tokens stream. */
const STEP_MS = 30;

/** The one of these tabs that computes for the answer that is being given. */
async function working(pages: LendPage[]): Promise<LendPage> {
  let found: LendPage | undefined;
  await expect
    .poll(async () => {
      for (const page of pages) if (await page.works()) found = page;
      return found !== undefined;
    })
    .toBe(true);
  return found!;
}

/** The whole browser context goes at once: no goodbye is said. */
const kill = (page: LendPage) => page.page.context().close();

test('the tab with the first, the middle or the last layers is killed, and its stand-in goes on', async ({ relay, openTab }) => {
  test.slow();
  const model = (await relay.models())[0]!;
  const ranges = thirds(model.layers);
  const swarm = await lenders(openTab, model.id, ranges, STEP_MS);
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  for (const [at, lost] of ['first', 'middle', 'last'].entries()) {
    await test.step(`the ${lost} layers`, async () => {
      const twins = [swarm[at]!, ...(await lenders(openTab, model.id, [ranges[at]!], STEP_MS))];
      // Each time in a chat of its own: the question is the same.
      await chat.page.getByRole('button', { name: 'New chat' }).click();
      await chat.ask(PROMPT);
      if (at === 0) await chat.agree();
      await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);
      await kill(await working(twins));

      expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
      const stages = await chat.stages();
      expect(stages.length).toBe(4);
    });
  }
});

test('with nobody to stand in the answer waits, says why, and goes on when somebody comes', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  const [, last] = await lenders(openTab, model.id, [[0, half], [half, model.layers]], STEP_MS);

  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);
  await kill(last!);

  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'waiting');
  await expect(chat.lastAnswer).toHaveAttribute('data-reason', 'no_route');
  await lenders(openTab, model.id, [[half, model.layers]], STEP_MS);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
});
