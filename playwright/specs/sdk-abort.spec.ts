// The SDK under a signal: whoever aborts is heard while something is awaited, before it begins and at any time after, and
// the work ends with it.
import type { Page } from '@playwright/test';
import type { Relay } from '../fixtures/relay.ts';
import { type OpenTab, expect, test } from '../fixtures/test.ts';
import { LendPage } from '../pages/lend.ts';

/** What an aborted call ends with, as plain data. */
const ABORTED = { name: 'AbortError', code: 'aborted', inner: 'aborted', type: 'manyhands_error', isError: true };

/** A page with the SDK as `sdk`, a node of it as `sdkNode`, and `failure` to describe what a call ends with. */
async function nodePage(openTab: OpenTab): Promise<Page> {
  const { page } = await openTab({ serviceWorkers: 'block' });
  // A page of the relay's on which no node of the app's own runs.
  await page.goto('/embed/v1');
  await page.evaluate(async (address) => {
    const sdk = await import(address);
    const failure = (promise: Promise<unknown>) => promise.then(
      (value) => ({ value }),
      (error) => ({ name: error?.name, code: error?.code, inner: error?.error?.code, type: error?.error?.type, isError: error instanceof Error }),
    );
    Object.assign(globalThis, { sdk, failure, sdkNode: await sdk.createNode({ storage: 'memory' }) });
  }, '/sdk/manyhands.js');
  return page;
}

/** An answer that would take a minute and more of a lender that takes its time. */
const STEP_MS = 300;
const SLOW = { prompt: 'Once upon a time', mode: 'swarm', temperature: 0, seed: 1, max_tokens: 200 };
/** An answer of this device. */
const QUICK = { prompt: 'Once upon a time', mode: 'local', temperature: 0, seed: 1, max_tokens: 2 };

/** A tab that lends all of the model, slowly. */
async function slowLender(relay: Relay, openTab: OpenTab): Promise<LendPage> {
  const model = (await relay.models())[0]!;
  const lender = new LendPage((await openTab()).page);
  await lender.lend(model.id, 0, model.layers, STEP_MS);
  return lender;
}

test('a signal stops an answer while its next chunk is awaited, and the work of others with it', async ({ relay, openTab }) => {
  const lender = await slowLender(relay, openTab);
  const page = await nodePage(openTab);
  const told = await page.evaluate(async (request) => {
    const { sdkNode, failure } = globalThis as any;
    const stop = new AbortController();
    let abortedAt = 0;
    let chunksAfter = 0;
    const end = await failure((async () => {
      for await (const chunk of await sdkNode.chat.completions.create({ ...request, stream: true, signal: stop.signal })) {
        if (abortedAt !== 0) chunksAfter += 1;
        // From a timer, so that the loop waits for the next chunk by then.
        if (chunk.choices[0].delta.content) setTimeout(() => {
          abortedAt ||= performance.now();
          stop.abort();
        }, 20);
      }
    })());
    return { end, chunksAfter, ms: performance.now() - abortedAt };
  }, SLOW);
  expect(told).toEqual({ end: ABORTED, chunksAfter: 0, ms: expect.any(Number) });
  expect(told.ms).toBeLessThan(1000);
  await expect.poll(() => lender.works(), { timeout: 10_000 }).toBe(false);
});

test('a signal stops a request that waits for its whole answer', async ({ relay, openTab }) => {
  const lender = await slowLender(relay, openTab);
  const page = await nodePage(openTab);
  await page.evaluate((request) => {
    const { sdkNode, failure } = globalThis as any;
    const stop = new AbortController();
    Object.assign(globalThis, { stop, end: failure(sdkNode.chat.completions.create({ ...request, signal: stop.signal })) });
  }, SLOW);
  await expect.poll(() => lender.works()).toBe(true);
  const told = await page.evaluate(async () => {
    const begun = performance.now();
    (globalThis as any).stop.abort();
    return { end: await (globalThis as any).end, ms: performance.now() - begun };
  });
  expect(told).toEqual({ end: ABORTED, ms: expect.any(Number) });
  expect(told.ms).toBeLessThan(1000);
  await expect.poll(() => lender.works(), { timeout: 10_000 }).toBe(false);
});

test('what is aborted before it begins does not begin', async ({ openTab }) => {
  const page = await nodePage(openTab);
  const ends = await page.evaluate(async (request) => {
    const { sdk, sdkNode, failure } = globalThis as any;
    const signal = AbortSignal.abort();
    return {
      stream: await failure(sdkNode.chat.completions.create({ ...request, stream: true, signal })),
      whole: await failure(sdkNode.chat.completions.create({ ...request, signal })),
      lend: await failure(sdkNode.lend({ backend: 'cpu', signal })),
      createNode: await failure(sdk.createNode({ storage: 'memory', signal })),
      timeout: await failure(sdkNode.chat.completions.create({ ...request, mode: 'swarm', signal: AbortSignal.timeout(50) })),
      noSignal: await failure(sdkNode.chat.completions.create({ ...request, signal: 'stop' })),
      lent: sdkNode.status().lend.state,
    };
  }, SLOW);
  expect(ends).toEqual({
    stream: ABORTED, whole: ABORTED, lend: ABORTED, createNode: ABORTED,
    timeout: { ...ABORTED, name: 'TimeoutError' },
    noSignal: { ...ABORTED, name: 'Error', code: 'bad_request', inner: 'bad_request' },
    lent: 'off',
  });
});

test('a signal stops an answer whose model is not known yet, and nothing is computed for it later', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  let answer = () => {};
  const held = new Promise<void>((resolve) => (answer = resolve));
  await page.route('**/api/v1/swarm', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto('/embed/v1');
  const end = await page.evaluate(async ({ address, request }) => {
    const { createNode } = await import(address);
    const sdkNode = await createNode({ storage: 'memory' });
    Object.assign(globalThis, { sdkNode });
    const stop = new AbortController();
    const end = sdkNode.chat.completions.create({ ...request, signal: stop.signal }).catch((error: any) => error.error.code);
    setTimeout(() => stop.abort(), 100);
    return end;
  }, { address: '/sdk/manyhands.js', request: QUICK });
  expect(end).toBe('aborted');
  const fetched: string[] = [];
  page.context().on('request', (request) => request.url().includes('/models/') && fetched.push(request.url()));
  answer();
  await expect.poll(() => page.evaluate(() => (globalThis as any).sdkNode.status().models.length)).toBeGreaterThan(0);
  await page.waitForTimeout(1000);
  expect(fetched).toEqual([]);
  // The node goes on, and answers whoever asks next.
  const usage = await page.evaluate(async (request) => (await (globalThis as any).sdkNode.chat.completions.create(request)).usage, QUICK);
  expect(usage.completion_tokens).toBe(QUICK.max_tokens);
  expect(fetched, 'what would have come for the other').not.toEqual([]);
});

test('a signal stops what is lent while it loads, and afterwards', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const page = await nodePage(openTab);
  // The weights do not come: who lends waits for them.
  let weigh = () => {};
  const held = new Promise<void>((resolve) => (weigh = resolve));
  await page.context().route(`**/models/${model.id}*`, async (route) => {
    await held;
    await route.continue().catch(() => {});
  });
  const end = await page.evaluate(async (layers) => {
    const { sdkNode, failure } = globalThis as any;
    const stop = new AbortController();
    const end = failure(sdkNode.lend({ layers, backend: 'cpu', signal: stop.signal }));
    setTimeout(() => stop.abort(), 500);
    return end;
  }, [0, 1]);
  expect(end).toEqual(ABORTED);
  weigh();
  const state = () => page.evaluate(() => (globalThis as any).sdkNode.status().lend.state);
  await expect.poll(state).toBe('off');
  // Nothing that was under way lends after all.
  await page.waitForTimeout(1500);
  expect(await state()).toBe('off');

  await page.evaluate(async (layers) => {
    const stop = new AbortController();
    Object.assign(globalThis, { stop });
    await (globalThis as any).sdkNode.lend({ layers, backend: 'cpu', signal: stop.signal });
  }, [0, 1]);
  expect(['ready', 'working']).toContain(await state());
  await page.evaluate(() => (globalThis as any).stop.abort());
  await expect.poll(state).toBe('off');
});

test('a signal stops a node while it is loaded, and afterwards', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  let load = () => {};
  const held = new Promise<void>((resolve) => (load = resolve));
  await page.route('**/sdk/*.wasm', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto('/embed/v1');
  const end = await page.evaluate(async (address) => {
    const { createNode } = await import(address);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    return createNode({ storage: 'memory', signal: stop.signal }).then(() => 'made', (error: any) => error.error.code);
  }, '/sdk/manyhands.js');
  expect(end).toBe('aborted');
  load();

  const pending = await page.evaluate(async ({ address, request }) => {
    const { createNode } = await import(address);
    const stop = new AbortController();
    const node = await createNode({ storage: 'memory', signal: stop.signal });
    const ends = [
      node.chat.completions.create(request),
      node.lend({ layers: [0, 1], backend: 'cpu' }),
    ].map((promise: Promise<unknown>) => promise.then(() => 'done', (error: any) => error.error.code));
    stop.abort();
    return Promise.all(ends);
  }, { address: '/sdk/manyhands.js', request: QUICK });
  expect(pending, 'nobody waits for a node that has ended').toEqual(['aborted', 'aborted']);
});

test('the status is plain data, a chunk names the model that answers, and a bad address is refused like all else', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const page = await nodePage(openTab);
  const told = await page.evaluate(async (request) => {
    const { sdk, sdkNode, failure } = globalThis as any;
    const chunks: any[] = [];
    for await (const chunk of await sdkNode.chat.completions.create({ ...request, stream: true })) chunks.push(chunk);
    const whole = await sdkNode.chat.completions.create(request);
    const odd: string[] = [];
    const walk = (value: any, path: string) => {
      if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return;
      const prototype = Object.getPrototypeOf(value);
      if (typeof value !== 'object' || (prototype !== Object.prototype && prototype !== Array.prototype)) odd.push(path);
      else for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`);
    };
    const status = sdkNode.status();
    walk(status, 'status');
    const bad = { name: 'Error', code: 'bad_request', inner: 'bad_request', type: 'manyhands_error', isError: true };
    const refused = [];
    for (const relay of ['nonsense', 'ftp://example.org', 'data:,x', 7, {}]) refused.push(await failure(sdk.createNode({ relay })));
    refused.push(await failure(sdkNode.chat.completions.create()), await failure(sdkNode.chat.completions.create(null)));
    return {
      models: [...new Set(chunks.map((chunk) => chunk.model)), whole.model],
      odd,
      published: status.published,
      same: JSON.stringify(JSON.parse(JSON.stringify(status))) === JSON.stringify(status),
      refused: refused.filter((one) => JSON.stringify(one) !== JSON.stringify(bad)),
    };
  }, QUICK);
  expect(told).toEqual({ models: [model.id, model.id], odd: [], published: {}, same: true, refused: [] });
});
