// The SDK on a page that is not ours, under a strict policy of that page: it computes and asks there, and lends only
// after the person said so in a window of our own.
import type { Page } from '@playwright/test';
import { Host } from '../fixtures/host.ts';
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { type OpenTab, expect, test as base } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 24;

const test = base.extend<{ host: Host }>({
  host: async ({ relay }, use) => {
    const host = await Host.start();
    // On this machine alone the relay names its own address, and not its name.
    const socket = `ws://127.0.0.1:${new URL(relay.url).port}`;
    // What the contract says that such a page needs, and nothing else.
    host.show('<h1>somebody else</h1><button id="lend">lend</button>', {
      'content-security-policy': `default-src 'none'; script-src ${relay.url} 'wasm-unsafe-eval'; worker-src blob:; connect-src ${relay.url} ${socket}; img-src data:`,
    });
    await use(host);
    await host.stop();
  },
});

/** A page of the host with a node as `sdkNode`. */
async function nodePage(openTab: OpenTab, host: Host, relay: string): Promise<Page> {
  const { page } = await openTab();
  await page.goto(host.origin);
  await page.evaluate(async (address) => {
    const { createNode } = await import(address);
    Object.assign(globalThis, { sdkNode: await createNode({ storage: 'memory' }) });
  }, `${relay}/sdk/manyhands.js`);
  return page;
}

const ask = (page: Page, request: object): Promise<any[]> =>
  page.evaluate(async (request) => {
    const chunks = [];
    for await (const chunk of await (globalThis as any).sdkNode.chat.completions.create(request)) {
      // Counters are 64 bits wide, which JSON is not.
      chunks.push(JSON.parse(JSON.stringify(chunk, (_, value) => (typeof value === 'bigint' ? Number(value) : value))));
    }
    return chunks;
  }, request);

/** What is wrong with a chunk by OpenAI's description of `chat.completion.chunk`; nothing else may stand beside it. */
function faults(chunk: any): string[] {
  const wrong: string[] = [];
  const check = (ok: boolean, what: string) => ok || wrong.push(`${what}: ${JSON.stringify(chunk)}`);
  const only = (value: object, names: string[], what: string) =>
    check(Object.keys(value).every((name) => names.includes(name)), `${what} has other fields`);
  only(chunk, ['id', 'object', 'created', 'model', 'choices', 'usage', 'x_manyhands'], 'chunk');
  check(typeof chunk.id === 'string' && chunk.id !== '', 'id');
  check(chunk.object === 'chat.completion.chunk', 'object');
  check(Number.isInteger(chunk.created), 'created');
  check(typeof chunk.model === 'string', 'model');
  check(Array.isArray(chunk.choices) && chunk.choices.length <= 1, 'choices');
  for (const choice of chunk.choices) {
    only(choice, ['index', 'delta', 'finish_reason', 'logprobs'], 'choice');
    only(choice.delta, ['role', 'content'], 'delta');
    check(choice.index === 0, 'index');
    check(choice.delta.role === undefined || choice.delta.role === 'assistant', 'role');
    check(choice.delta.content === undefined || typeof choice.delta.content === 'string', 'content');
    check([null, 'stop', 'length'].includes(choice.finish_reason), 'finish_reason');
    check(choice.logprobs === null, 'logprobs');
  }
  if (chunk.usage) {
    const { prompt_tokens, completion_tokens, total_tokens } = chunk.usage;
    only(chunk.usage, ['prompt_tokens', 'completion_tokens', 'total_tokens'], 'usage');
    check([prompt_tokens, completion_tokens, total_tokens].every(Number.isInteger), 'usage');
    check(prompt_tokens + completion_tokens === total_tokens, 'the sum');
    check(chunk.choices.length === 0, 'usage stands alone');
  }
  return wrong;
}

test('a page that is not ours computes an answer in its own tab, in chunks as OpenAI describes them', async ({ relay, host, openTab }) => {
  const page = await nodePage(openTab, host, relay.url);
  const request = { prompt: PROMPT, mode: 'local', stream: true, stream_options: { include_usage: true }, temperature: 0, seed: 1, max_tokens: TOKENS };
  const chunks = await ask(page, request);
  expect(chunks.flatMap(faults)).toEqual([]);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(chunks[0].choices[0].delta.role).toBe('assistant');
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
  expect(words(text)).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect(chunks.at(-2).choices[0].finish_reason).toBe('length');
  expect(chunks.at(-1).usage.completion_tokens).toBe(TOKENS);

  const whole = await page.evaluate(async (request) => {
    const { usage, choices } = await (globalThis as any).sdkNode.chat.completions.create(request);
    return { usage, content: choices[0].message.content };
  }, { prompt: PROMPT, mode: 'local', temperature: 0, seed: 1, max_tokens: TOKENS });
  expect(words(whole.content)).toBe(words(text));
  expect(whole.usage.completion_tokens).toBe(TOKENS);
});

test('such a page lends only from a click and only after our own window was answered', async ({ relay, host, openTab }) => {
  const model = (await relay.models())[0]!;
  const page = await nodePage(openTab, host, relay.url);
  // What this test itself runs in the page counts as a person's gesture there, for some seconds.
  const unasked = await page.evaluate(async () => {
    while (navigator.userActivation.isActive) await new Promise((resolve) => setTimeout(resolve, 100));
    return (globalThis as any).sdkNode.lend({ backend: 'cpu', maxDuty: 0.5 }).then(() => 'served', (error: any) => error.code);
  });
  expect(unasked).toBe('not_allowed');

  await page.evaluate(() => {
    document.getElementById('lend')!.addEventListener('click', () => {
      (globalThis as any).lent = (globalThis as any).sdkNode.lend({ backend: 'cpu', maxDuty: 0.5 }).then(() => 'served', (error: any) => error.code);
    });
  });
  const answer = async (testid: string) => {
    const popup = page.context().waitForEvent('page');
    await page.locator('#lend').click();
    const window = await popup;
    expect(new URL(window.url()).origin).toBe(relay.url);
    await expect(window.locator('body')).toContainText(host.origin);
    await expect(window.getByTestId('consent-accept')).toHaveAttribute('aria-disabled', 'false');
    // The answer closes the window, now and then before Playwright hears that its click arrived.
    const closed = window.waitForEvent('close', { timeout: 10_000 });
    await window.getByTestId(testid).click().catch((error) => closed.catch(() => { throw error; }));
    await closed;
    return page.evaluate(() => (globalThis as any).lent);
  };
  expect(await answer('consent-decline')).toBe('not_allowed');
  expect(await page.evaluate(() => (globalThis as any).sdkNode.status().lend.state)).toBe('off');
  expect(await answer('consent-accept')).toBe('served');

  const asking = await nodePage(openTab, host, relay.url);
  const chunks = await ask(asking, { model: model.id, prompt: PROMPT, mode: 'swarm', stream: true, temperature: 0, seed: 1, max_tokens: 8 });
  expect(chunks.at(-1).x_manyhands.route.hops).toHaveLength(1);
});

test('a page that is not ours asks three tabs, and hears what one device would say', async ({ relay, host, openTab }) => {
  const model = (await relay.models())[0]!;
  const ranges = thirds(model.layers);
  for (const [first, end] of ranges) await new LendPage((await openTab()).page).lend(model.id, first, end);
  const page = await nodePage(openTab, host, relay.url);
  const chunks = await ask(page, { prompt: PROMPT, mode: 'swarm', stream: true, temperature: 0, seed: 1, max_tokens: TOKENS });
  expect(chunks.flatMap(faults)).toEqual([]);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
  expect(words(text)).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));

  const { route } = chunks.at(-1).x_manyhands;
  expect(route.hops.map(({ layers }: { layers: number[] }) => layers)).toEqual(ranges);
  expect(new Set(route.hops.map(({ peer }: { peer: string }) => peer)).size).toBe(3);
  // A short question is one step, and each trip another. What the others say of their last one takes its own way, and
  // may come after the token that ended the answer, which came from the last of them.
  const steps = route.hops.map((hop: { steps: number }) => hop.steps);
  for (const told of steps) expect([route.trips - 1, route.trips]).toContain(told);
  const afterUpgrade = await relay.settledCircuitBytes();
  await ask(page, { prompt: 'and then', mode: 'swarm', stream: true, max_tokens: TOKENS });
  expect(await relay.circuitBytes()).toBe(afterUpgrade);
});
