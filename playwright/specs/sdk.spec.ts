// The SDK: two pages lend by it, a third asks by it, in the shape of OpenAI's chunks.
import type { Page } from '@playwright/test';
import { isChunk } from '../fixtures/openai.ts';
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, type OpenTab, test } from '../fixtures/test.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 24;

/** A page with a node of the SDK's own as `sdkNode`. */
async function nodePage(openTab: OpenTab): Promise<Page> {
  const { page } = await openTab();
  await page.goto('/');
  await page.evaluate(async (address) => {
    const { createNode } = await import(address);
    Object.assign(globalThis, { sdkNode: await createNode({ storage: 'memory' }) });
  }, '/sdk/manyhands.js');
  return page;
}

const lend = (page: Page, layers: [number, number]) =>
  page.evaluate((range) => (globalThis as any).sdkNode.lend({ layers: range }), layers);

test('pages lend and ask by the SDK, and chunks are as OpenAI clients expect them', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  await lend(await nodePage(openTab), [0, half]);
  await lend(await nodePage(openTab), [half, model.layers]);

  const asking = await nodePage(openTab);
  const chunks: any[] = await asking.evaluate(async (request) => {
    const chunks = [];
    for await (const chunk of await (globalThis as any).sdkNode.chat.completions.create(request)) {
      // Counters are 64 bits wide, which JSON is not.
      chunks.push(JSON.parse(JSON.stringify(chunk, (_, value) => (typeof value === 'bigint' ? Number(value) : value))));
    }
    return chunks;
  }, { prompt: PROMPT, mode: 'swarm', stream: true, temperature: 0, seed: 1, max_tokens: TOKENS });

  expect(chunks.filter((chunk) => !isChunk(chunk))).toEqual([]);
  for (const chunk of chunks) {
    expect(chunk.id).toBe(chunks[0].id);
    expect(chunk.choices).toHaveLength(1);
    expect(chunk.choices[0].index).toBe(0);
  }
  // What is no chunk is told from one.
  const [first] = chunks;
  for (const wrong of [
    { ...first, object: 'chat.completion' }, { ...first, created: 1.5 }, { ...first, extra: 1 }, { ...first, choices: [{ delta: {}, index: 0 }] },
    { ...first, choices: [{ ...first.choices[0], finish_reason: 'done' }] }, { ...first, usage: { prompt_tokens: 1 } },
  ]) expect(isChunk(wrong), JSON.stringify(wrong)).toBe(false);
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
  expect(words(text)).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  const last = chunks.at(-1);
  expect(last.choices[0].finish_reason).toBe('length');
  expect(last.x_manyhands.route.hops.map((hop: any) => hop.layers)).toEqual([[0, half], [half, model.layers]]);
});

test('two nodes that are made at once answer each', async ({ openTab }) => {
  const { page } = await openTab();
  await page.goto('/embed/v1');
  const answers = await page.evaluate(async ({ address, request }) => {
    const { createNode } = await import(address);
    const nodes = await Promise.all([createNode({ storage: 'memory' }), createNode({ storage: 'memory' })]);
    const answers = await Promise.all(nodes.map((node) => node.chat.completions.create(request)));
    return { texts: answers.map((answer) => answer.choices[0].message.content), peers: nodes.map((node) => node.status().peer_id) };
  }, { address: '/sdk/manyhands.js', request: { prompt: PROMPT, mode: 'local', temperature: 0, seed: 1, max_tokens: TOKENS } });
  const expected = words(await greedyText(testModel(), PROMPT, TOKENS));
  expect(answers.texts.map(words)).toEqual([expected, expected]);
  expect(answers.peers[0]).not.toBe(answers.peers[1]);
});

test('what cannot be honoured is refused, not ignored', async ({ openTab }) => {
  const page = await nodePage(openTab);
  const codes = await page.evaluate(async () => {
    const codes = [];
    for (const request of [{ n: 2, prompt: 'x' }, { logit_bias: {}, prompt: 'x' }, { messages: [] }, { prompt: 'x', mode: 'moon' }]) {
      try {
        await (globalThis as any).sdkNode.chat.completions.create({ stream: true, ...request });
        codes.push('accepted');
      } catch (error: any) {
        codes.push(error.error.code);
      }
    }
    return codes;
  });
  expect(codes).toEqual(['bad_request', 'bad_request', 'bad_request', 'bad_request']);
});
