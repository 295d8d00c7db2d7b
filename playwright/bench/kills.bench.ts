// How long an answer stands still when a tab that computes it dies, each of three in turn, twenty times.
// A stand-in for every third lends beside it; nobody says goodbye, and nobody does anything.
import type { Page } from '@playwright/test';
import { median, percentile, report } from '../fixtures/figures.ts';
import { expect, test } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { LendPage } from '../pages/lend.ts';

const KILLS = 20;
const TOKENS = 64;
/** Slow enough that a tab can be killed while tokens stream. */
const STEP_MS = 20;
/** The first tokens of an answer are not the middle of it. */
const BEFORE = 12;
/** Each kill comes a little later than the last, somewhere within a step. */
const LATER_MS = 37;

interface Answer {
  ids: number[];
  stallMs: number;
  replays: number;
}

/** Starts an answer; `globalThis.said` counts its tokens while it comes. */
const begin = (page: Page): Promise<void> =>
  page.evaluate((tokens) => {
    const state: any = globalThis;
    state.said = 0;
    state.answer = (async () => {
      const request = { prompt: 'Once upon a time', mode: 'swarm', stream: true, temperature: 0, seed: 1, max_tokens: tokens };
      const ids: number[] = [];
      let route: any;
      for await (const chunk of await state.node.chat.completions.create(request)) {
        ids.push(...(chunk.x_manyhands?.token_ids ?? []));
        state.said = ids.length;
        route = chunk.x_manyhands?.route ?? route;
      }
      return { ids, stallMs: Number(route.longest_stall_ms), replays: route.replays };
    })();
  }, TOKENS);

const end = (page: Page): Promise<Answer> => page.evaluate(() => (globalThis as any).answer);

/** The one of these tabs that computes just now. */
async function working(pages: LendPage[]): Promise<number> {
  for (;;) {
    for (const [at, page] of pages.entries()) if (await page.works()) return at;
  }
}

/** The process behind the page dies, with all that it held. */
async function kill({ page }: LendPage): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const gone = page.waitForEvent('crash');
  session.send('Page.crash').catch(() => undefined);
  await gone;
  await page.context().close();
}

test('kills', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const ranges = thirds(model.layers);
  const lend = async ([first, last]: [number, number]) => {
    const lender = new LendPage((await openTab()).page);
    await lender.lend(model.id, first, last, STEP_MS);
    return lender;
  };
  const lenders: LendPage[][] = [];
  for (const range of ranges) lenders.push([await lend(range), await lend(range)]);
  const { page } = await openTab();
  await page.goto('/');
  await page.evaluate(async (address) => {
    const { createNode } = await import(address);
    Object.assign(globalThis, { node: await createNode({ storage: 'memory' }) });
  }, '/sdk/manyhands.js');
  await begin(page);
  const undisturbed = await end(page);
  expect(undisturbed.ids.length).toBe(TOKENS);

  const stalls: number[][] = [[], [], []];
  for (let round = 0; round < KILLS; round += 1) {
    const at = round % 3;
    await begin(page);
    await page.waitForFunction((before) => (globalThis as any).said >= before, BEFORE);
    const victim = await working(lenders[at]!);
    await page.waitForTimeout((round * LATER_MS) % 200);
    await kill(lenders[at]![victim]!);
    const { ids, stallMs, replays } = await end(page);
    console.log(`kill ${round + 1}: layers ${ranges[at]!.join('-')}, stalled ${stallMs} ms, route changed ${replays} times`);
    expect(ids).toEqual(undisturbed.ids);
    // A tab that was done already is killed to no effect.
    expect(replays).toBeGreaterThan(0);
    stalls[at]!.push(stallMs);
    lenders[at]![victim] = await lend(ranges[at]!);
  }
  const names = ['first', 'middle', 'last', 'any'];
  report(
    ['killed', 'times', 'same tokens', 'stall, median ms', '95 % within, ms', 'longest, ms'],
    [...stalls, stalls.flat()].map((of, at) => [
      names[at]!, of.length, of.length, [median(of), 0], [percentile(of, 0.95), 0], [Math.max(...of), 0],
    ]),
    [
      `${model.name}, ${model.layers} layers over three tabs with a stand-in each, ${TOKENS} tokens, steps of at least `
        + `${STEP_MS} ms. The tab's process is killed, so that its peers hear nothing more; the stall is the time between the `
        + 'last token before the change of route and the first after it. All tabs run on the same machine.',
    ],
  );
});
