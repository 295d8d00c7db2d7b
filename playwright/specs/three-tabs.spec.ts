// The main job: three tabs lend a third of a model each, and are one machine for whoever asks.
import type { Page } from '@playwright/test';
import { mainModel } from '../fixtures/paths.ts';
import { sideBySide } from '../fixtures/picture.ts';
import type { Relay } from '../fixtures/relay.ts';
import { expect, type OpenTab, relayWith, test as base } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'What is Manyhands?';
const TOKENS = 48;

const test = base.extend<object, { relay: Relay }>({ relay: relayWith(() => [mainModel()]) });

const ways: Record<string, (openTab: OpenTab) => Promise<Page[]>> = {
  'three tabs of one browser': async (openTab) => {
    const { page } = await openTab();
    return [page, await page.context().newPage(), await page.context().newPage()];
  },
  'three browsers': async (openTab) => [(await openTab()).page, (await openTab()).page, (await openTab()).page],
};

for (const [name, open] of Object.entries(ways)) {
  test(`${name} are one machine, and the answer is the one of this device`, async ({ relay, openTab }, info) => {
    const model = (await relay.models())[0]!;
    const chat = new ChatPage((await openTab()).page);
    await chat.open(model.id, 'local', TOKENS);
    await chat.ask(PROMPT);
    const alone = await chat.answer();
    expect(alone.length).toBeGreaterThan(20);

    const ranges = thirds(model.layers);
    const lenders = await open(openTab);
    for (const [at, [first, end]] of ranges.entries()) await new LendPage(lenders[at]!).lend(model.id, first, end);
    await chat.open(model.id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    expect(await chat.answer()).toBe(alone);

    // The sheet names three devices, what each computed, and how long it took.
    expect(await chat.hops()).toBe(3);
    const stages = await chat.stages();
    expect(stages.map(({ first, last }) => [first, last + 1])).toEqual(ranges);
    expect(new Set(stages.map(({ peer }) => peer)).size).toBe(3);
    for (const { ms } of stages) expect(ms).toBeGreaterThan(0);
    for (const lender of lenders) await lender.setViewportSize({ width: 390, height: 720 });
    await sideBySide([chat.page, ...lenders], info, name.replaceAll(' ', '-'));

    // Once every pair has its own connection, nothing that is computed passes the relay.
    const afterUpgrade = await relay.settledCircuitBytes();
    await chat.ask('Who can read what I write?');
    await chat.answer();
    expect(await relay.circuitBytes()).toBe(afterUpgrade);
  });
}

test('ten chats at once over three tabs all end right', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  for (const [first, end] of thirds(model.layers)) {
    await new LendPage((await openTab()).page).lend(model.id, first, end);
  }
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

test('drafts from what was said change how fast an answer comes, not what it says', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  for (const [first, end] of thirds(model.layers)) {
    await new LendPage((await openTab()).page).lend(model.id, first, end);
  }
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
