// Somebody leaves mid-sentence: the answer goes on, and not a token is lost, doubled or changed.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, type OpenTab, test } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 96;
/** Slow enough that a tab can be killed while tokens stream. */
const STEP_MS = 30;

async function lenders(openTab: OpenTab, model: string, ranges: [number, number][]): Promise<LendPage[]> {
  const pages: LendPage[] = [];
  for (const [first, end] of ranges) {
    const page = new LendPage((await openTab()).page);
    await page.lend(model, first, end, STEP_MS);
    pages.push(page);
  }
  return pages;
}

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

for (const [at, lost] of ['first', 'middle', 'last'].entries()) {
  test(`the tab with the ${lost} layers is killed, and its stand-in goes on`, async ({ relay, openTab }) => {
    const model = (await relay.models())[0]!;
    const ranges = thirds(model.layers);
    const others = ranges.filter((_, other) => other !== at);
    await lenders(openTab, model.id, others);
    const twins = await lenders(openTab, model.id, [ranges[at]!, ranges[at]!]);

    const chat = new ChatPage((await openTab()).page);
    await chat.open(model.id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);
    await kill(await working(twins));

    expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
    const stages = await chat.stages();
    expect(stages.length).toBe(4);
  });
}

test('with nobody to stand in the answer waits, says why, and goes on when somebody comes', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  await lenders(openTab, model.id, [[0, half]]);
  const [last] = await lenders(openTab, model.id, [[half, model.layers]]);

  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);
  await kill(last!);

  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'waiting');
  await expect(chat.lastAnswer).toHaveAttribute('data-reason', 'no_route');
  await lenders(openTab, model.id, [[half, model.layers]]);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
});
