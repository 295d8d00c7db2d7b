// The main job: three tabs lend a third of a model each, and are one machine for whoever asks.
import type { Page, TestInfo } from '@playwright/test';
import { mainModel } from '../fixtures/paths.ts';
import { sideBySide } from '../fixtures/picture.ts';
import type { Relay } from '../fixtures/relay.ts';
import { expect, type OpenTab, relayWith, test as base } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage, lenders } from '../pages/lend.ts';

const PROMPT = 'What is Manyhands?';
const TOKENS = 48;

/** `three` are three browsers that lend a third each: opened once, for every test that asks them. */
const test = base.extend<object, { relay: Relay; three: Page[] }>({
  relay: relayWith(() => [mainModel()]),
  three: [
    async ({ relay, openLasting }, use) => {
      const model = (await relay.models())[0]!;
      await use((await lenders(openLasting, model.id, thirds(model.layers))).map(({ page }) => page));
    },
    { scope: 'worker' },
  ],
});

/** What this device alone says to the question. */
let alone = '';

test('three tabs of one browser are one machine, and the answer is the one of this device', async ({ relay, openTab }, info) => {
  const model = (await relay.models())[0]!;
  const tabs: Page[] = [];
  for (const [first, end] of thirds(model.layers)) {
    // Each is clicked in while it is in front: a browser hardly draws the tabs behind.
    tabs.push((await tabs[0]?.context().newPage()) ?? (await openTab()).page);
    await new LendPage(tabs.at(-1)!).lend(model.id, first, end);
  }
  await expectOneMachine(relay, openTab, tabs, info);
});

test('three browsers are one machine, and the answer is the one of this device', async ({ relay, openTab, three }, info) => {
  await expectOneMachine(relay, openTab, three, info);
});

async function expectOneMachine(relay: Relay, openTab: OpenTab, tabs: Page[], info: TestInfo): Promise<void> {
  const model = (await relay.models())[0]!;
  const chat = new ChatPage((await openTab()).page);
  if (alone === '') {
    await chat.open(model.id, 'local', TOKENS);
    await chat.ask(PROMPT);
    alone = await chat.answer();
    expect(alone.length).toBeGreaterThan(20);
  }
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  expect(await chat.answer()).toBe(alone);

  // The sheet names three devices, what each computed, and how long it took.
  expect(await chat.hops()).toBe(3);
  const stages = await chat.stages();
  expect(stages.map(({ first, last }) => [first, last + 1])).toEqual(thirds(model.layers));
  expect(new Set(stages.map(({ peer }) => peer)).size).toBe(3);
  for (const { ms } of stages) expect(ms).toBeGreaterThan(0);
  for (const tab of tabs) await tab.setViewportSize({ width: 390, height: 720 });
  await sideBySide([chat.page, ...tabs], info, info.title.split(' are ')[0]!.replaceAll(' ', '-'));

  // Once every pair has its own connection, nothing that is computed passes the relay.
  const afterUpgrade = await relay.settledCircuitBytes();
  await chat.ask('Who can read what I write?');
  await chat.answer();
  expect(await relay.circuitBytes()).toBe(afterUpgrade);
}

test('ten chats at once over three tabs all end right', async ({ three, openTab }) => {
  expect(three).toHaveLength(3);
  const { page } = await openTab();
  await page.goto('/');
  const questions = Array.from({ length: 10 }, (_, at) => `What is a layer? ${'Again. '.repeat(at)}`);
  const [together, alone] = await page.evaluate(
    async ({ address, questions, tokens }) => {
      const { createNode } = await import(address);
      const node = await createNode({ storage: 'memory' });
      const answer = async (question: string, mode: string) => {
        let text = '';
        const request = { messages: [{ role: 'user', content: question }], mode, stream: true, temperature: 0, max_tokens: tokens };
        for await (const chunk of await node.chat.completions.create(request)) text += chunk.choices[0].delta.content ?? '';
        return text;
      };
      const together = await Promise.all(questions.map((question) => answer(question, 'swarm')));
      const alone = [];
      for (const question of questions) alone.push(await answer(question, 'local'));
      await node.stop();
      return [together, alone];
    },
    { address: '/sdk/manyhands.js', questions, tokens: 24 },
  );
  expect(together).toEqual(alone);
});

test('drafts from what was said change how fast an answer comes, not what it says', async ({ relay, three, openTab }) => {
  const model = (await relay.models())[0]!;
  expect(three).toHaveLength(3);
  const answers: string[] = [];
  const perTrip: number[] = [];
  for (const speculate of ['0', '1']) {
    const chat = new ChatPage((await openTab()).page);
    await chat.open(model.id, 'swarm', TOKENS, { speculate });
    await chat.ask('Count to ten, and then count to ten again.');
    await chat.agree();
    answers.push(await chat.answer());
    const { tokens, trips } = await chat.cost();
    perTrip.push(tokens / trips);
  }
  console.log(`tokens per trip: ${perTrip.map((figure) => figure.toFixed(2)).join(' without guesses, ')} with`);
  expect(answers[1]).toBe(answers[0]);
  expect(perTrip[0]!).toBeLessThanOrEqual(1);
  expect(perTrip[1]!).toBeGreaterThanOrEqual(perTrip[0]!);
});
