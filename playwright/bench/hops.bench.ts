// Tokens per second on this device and over one, two and three others, and how long the first token takes.
// All tabs share the cores of one machine: what more hops cost here is the way between them, not what they could gain.
import type { Page } from '@playwright/test';
import { median, report } from '../fixtures/figures.ts';
import { mainModel } from '../fixtures/paths.ts';
import type { Relay } from '../fixtures/relay.ts';
import { relayWith, test as base } from '../fixtures/test.ts';
import { LendPage } from '../pages/lend.ts';

const TOKENS = 96;
const ROUNDS = 5;
/** For so many answers the browser still compiles the hot parts of each new tab anew, on the cores that should answer. */
const WARM_UP = 8;

const test = base.extend<object, { relay: Relay }>({ relay: relayWith(() => [mainModel()]) });

interface Run {
  firstMs: number;
  tokens: number;
  ms: number;
  /** Per step of a stage, summed over all stages. */
  computeMs: number;
  waitMs: number;
  trips: number;
}

/** One answer; how long to the first token, and how long from there to the last. */
const ask = (page: Page, mode: string): Promise<Run> =>
  page.evaluate(
    async ({ mode, tokens }) => {
      const start = performance.now();
      let first = 0;
      let count = 0;
      let route: any;
      const request = {
        prompt: 'Once upon a time there was', mode, stream: true, temperature: 0, seed: 1, max_tokens: tokens,
      };
      for await (const chunk of await (globalThis as any).node.chat.completions.create(request)) {
        const ids = chunk.x_manyhands?.token_ids?.length ?? 0;
        if (ids > 0 && first === 0) first = performance.now();
        count += ids;
        route = chunk.x_manyhands?.route ?? route;
      }
      const sum = (name: string) => route.hops.reduce((sum: number, hop: any) => sum + hop[name], 0);
      return {
        firstMs: first - start, tokens: count - 1, ms: Number(route.decode_ms), computeMs: sum('ms'), waitMs: sum('wait_ms'),
        trips: route.trips - 1,
      };
    },
    { mode, tokens: TOKENS },
  );

test('hops', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const rows: [string, number, number, number, number, number, number, number][] = [];
  for (const hops of [0, 1, 2, 3]) {
    const lenders: LendPage[] = [];
    for (let at = 0; at < hops; at += 1) {
      const cut = (part: number) => Math.round((model.layers * part) / hops);
      const lender = new LendPage((await openTab()).page);
      await lender.lend(model.id, cut(at), cut(at + 1));
      lenders.push(lender);
    }
    const { page } = await openTab();
    const opened = Date.now();
    await page.goto('/');
    await page.evaluate(async (address) => {
      const { createNode } = await import(address);
      Object.assign(globalThis, { node: await createNode({ storage: 'memory' }) });
    }, '/sdk/manyhands.js');
    const mode = hops === 0 ? 'local' : 'swarm';
    const cold = await ask(page, mode);
    const coldMs = Date.now() - opened - cold.ms;
    for (let round = 0; round < WARM_UP; round += 1) await ask(page, mode);
    const warm: Run[] = [];
    for (let round = 0; round < ROUNDS; round += 1) warm.push(await ask(page, mode));
    const perToken = median(warm.map(({ ms, tokens }) => ms / tokens));
    rows.push([
      hops === 0 ? 'this device' : `${hops} other${hops > 1 ? 's' : ''}`,
      1000 / perToken, perToken, median(warm.map(({ firstMs }) => firstMs)), coldMs,
      median(warm.map(({ computeMs }) => computeMs)), median(warm.map(({ waitMs }) => waitMs)),
      // A trip visits every stage and comes back: one way more than there are stages.
      median(warm.map(({ ms, trips, computeMs, waitMs }) => (ms / trips - computeMs - waitMs) / (hops + 1))),
    ]);
    for (const { page: lender } of lenders) await lender.context().close();
    await page.context().close();
  }
  const alone = rows[0]![2];
  report(
    [
      'computed on', 'tokens/s', 'ms per token', 'added per stage, ms', 'computing, ms per trip', 'waiting for a device, ms per trip',
      'each way between, ms', 'first token, ms', 'page opened to first token, ms',
    ],
    rows.map(([where, rate, ms, first, cold, compute, wait, way], hops) => [
      where, [rate, 1], [ms, 2], hops === 0 ? '' : [(ms - alone) / hops, 2], [compute, 2], [wait, 2], hops === 0 ? '' : [way, 2],
      [first, 0], [cold, 0],
    ]),
    [
      `${model.name}, ${model.layers} layers, ${TOKENS} tokens, greedy, CPU; the median of ${ROUNDS} answers, after ${WARM_UP} during which the browser still optimises the code of new tabs. ` +
        'All tabs run on the same machine. Computing includes reading back, converting and uploading hidden states; a way is '
        + 'everything from one worker to the next: two pages, two threads and the connection.',
    ],
  );
});
