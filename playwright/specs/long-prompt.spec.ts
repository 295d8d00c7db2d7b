// Long questions and repeated text over three tabs: pieces that flow through the stages, and several tokens from one trip.
import type { Page } from '@playwright/test';
import { recitingModel, roomyModel } from '../fixtures/paths.ts';
import { words } from '../fixtures/reference.ts';
import type { Model, Relay } from '../fixtures/relay.ts';
import { passage } from '../fixtures/seeded-model.ts';
import { expect, type OpenTab, relayWith, test as base } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { lenders } from '../pages/lend.ts';

/** Letters, each a token of the seeded models. */
const QUESTION = Array.from({ length: 512 }, (_, at) => String.fromCharCode(97 + ((at * at * 7 + at * 3) % 26))).join('');
/** No more positions than this travel in one step. */
const MAX_PIECE = 128;
const TOKENS = 24;

/** `roomy` is the model with room, of which three browsers lend a third each as long as there are tests that ask it. */
const test = base.extend<object, { relay: Relay; roomy: Model }>({
  relay: relayWith(() => [roomyModel(), recitingModel()]),
  roomy: [
    async ({ relay, openLasting }, use) => {
      const model = (await relay.models()).find(({ name }) => name.startsWith('roomy'))!;
      await lenders(openLasting, model.id, thirds(model.layers));
      await use(model);
    },
    { scope: 'worker' },
  ],
});

/** A page whose node is `node`. */
async function withNode(openTab: OpenTab): Promise<Page> {
  const { page } = await openTab();
  await page.goto('/');
  await page.evaluate(async (address) => {
    const { createNode } = await import(address);
    Object.assign(globalThis, { node: await createNode({ storage: 'memory' }) });
  }, '/sdk/manyhands.js');
  return page;
}

interface Answer {
  ids: number[];
  questionTokens: number;
  steps: number[];
  trips: number;
}

const ask = (page: Page, model: string, mode: string, tokens = TOKENS): Promise<Answer> =>
  page.evaluate(
    async ({ model, mode, prompt, tokens }) => {
      const request = {
        model, mode, prompt, stream: true, stream_options: { include_usage: true }, temperature: 0, seed: 1, max_tokens: tokens,
      };
      const ids = [];
      let route: any;
      let questionTokens = 0;
      for await (const chunk of await (globalThis as any).node.chat.completions.create(request)) {
        ids.push(...(chunk.x_manyhands?.token_ids ?? []));
        route = chunk.x_manyhands?.route ?? route;
        questionTokens = chunk.usage?.prompt_tokens ?? questionTokens;
      }
      return { ids, questionTokens, steps: route.hops.map((hop: { steps: number }) => hop.steps), trips: route.trips };
    },
    { model, mode, prompt: QUESTION, tokens },
  );

test('a question of 512 tokens goes through three tabs in pieces, and is answered as on this device', async ({ roomy: model, openTab }) => {
  const page = await withNode(openTab);
  const alone = await ask(page, model.id, 'local');
  const together = await ask(page, model.id, 'swarm');
  expect(together.questionTokens).toBeGreaterThanOrEqual(512);
  expect(together.ids.length).toBe(TOKENS);
  expect(together.ids).toEqual(alone.ids);
  // The last piece is the first trip.
  const pieces = Math.ceil(together.questionTokens / MAX_PIECE);
  expect(pieces).toBeGreaterThan(4);
  // What a stage says of its last step may come after the answer's end.
  const steps = pieces - 1 + together.trips;
  expect(together.steps).toHaveLength(3);
  for (const told of together.steps) expect([steps - 1, steps]).toContain(told);
});

test('an answer of a thousand tokens adds nothing to what went through the relay', async ({ relay, roomy: model, openTab }) => {
  test.slow();
  const page = await withNode(openTab);
  await ask(page, model.id, 'swarm', 2);
  const afterUpgrade = await relay.settledCircuitBytes();
  expect(afterUpgrade).toBeGreaterThan(0);
  const { ids } = await ask(page, model.id, 'swarm', 1_000);
  expect(ids.length).toBe(1_000);
  expect(await relay.circuitBytes()).toBe(afterUpgrade);
});

test('what the question says already comes back several tokens a trip, with and without guesses the same', async ({ relay, openTab }) => {
  const model = (await relay.models()).find(({ name }) => name.startsWith('reciting'))!;
  await lenders(openTab, model.id, thirds(model.layers));
  const text = passage();
  // One word in twenty-six is said otherwise than it will be repeated.
  const question = text.map((piece, at) => (at % 26 === 13 ? text[(at + 40) % text.length]! : piece)).join('');
  const answers: string[] = [];
  const perTrip: number[] = [];
  for (const speculate of ['0', '1']) {
    const chat = new ChatPage((await openTab()).page);
    await chat.open(model.id, 'swarm', 2 * text.length, { speculate });
    await chat.ask(question);
    await chat.agree();
    answers.push(await chat.answer());
    const { tokens, trips } = await chat.cost();
    expect(tokens).toBe(2 * text.length);
    perTrip.push(tokens / trips);
  }
  console.log(`text that is copied, tokens per trip: ${perTrip.map((figure) => figure.toFixed(2)).join(' without guesses, ')} with`);
  expect(answers[1]).toBe(answers[0]);
  expect(words(answers[0]!)).toBe(words(text.join('').repeat(2)));
  expect(perTrip[0]).toBe(1);
  expect(perTrip[1]!).toBeGreaterThan(6);
});
