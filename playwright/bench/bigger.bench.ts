// A model that no tab holds: more than a billion parameters over three tabs, and what they say is what one process says.
// `cargo xtask bench bigger` makes the model; it has learnt nothing, and is gone afterwards.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { report } from '../fixtures/figures.ts';
import { generateProgram } from '../fixtures/paths.ts';
import type { Relay } from '../fixtures/relay.ts';
import { expect, relayWith, test as base } from '../fixtures/test.ts';
import { LendPage } from '../pages/lend.ts';

const TOKENS = 32;
const PROMPT = 'bada bede kilo';
/** So long may a tab fetch its layers. */
const LOAD_MS = 300_000;
const MIB = 1024 * 1024;

const model = (): string => {
  const path = process.env['MANYHANDS_BIG_MODEL'];
  if (path === undefined) throw new Error('MANYHANDS_BIG_MODEL is not set: run `cargo xtask bench bigger`');
  return path;
};

const test = base.extend<object, { relay: Relay }>({ relay: relayWith(() => [model()], { patienceMs: 120_000 }) });

/** What the page and its worker hold, as the browser counts it. */
const memory = (page: Page): Promise<number> =>
  page.evaluate(async () => (await (performance as any).measureUserAgentSpecificMemory()).bytes);

test('bigger', async ({ relay, openTab }) => {
  const published = (await relay.models())[0]!;
  const cut = (part: number) => Math.round((published.layers * part) / 3);
  const lenders: { lender: LendPage; layers: string; loadMs: number; served: number }[] = [];
  for (let at = 0; at < 3; at += 1) {
    const lender = new LendPage((await openTab({ serviceWorkers: 'block' })).page);
    const before = await relay.metric('manyhands_model_bytes_total');
    const start = Date.now();
    await lender.lend(published.id, cut(at), cut(at + 1), 0, 'cpu', {}, LOAD_MS);
    lenders.push({
      lender, layers: `${cut(at)} to ${cut(at + 1) - 1}`, loadMs: Date.now() - start,
      served: (await relay.metric('manyhands_model_bytes_total')) - before,
    });
  }
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.goto('/');
  const { ids, decodeMs, layers } = await page.evaluate(
    async ({ address, prompt, tokens }) => {
      const { createNode } = await import(address);
      const node = await createNode({ storage: 'memory' });
      const request = { prompt, mode: 'swarm', stream: true, temperature: 0, seed: 1, max_tokens: tokens };
      const ids: number[] = [];
      let route: any;
      for await (const chunk of await node.chat.completions.create(request)) {
        ids.push(...(chunk.x_manyhands?.token_ids ?? []));
        route = chunk.x_manyhands?.route ?? route;
      }
      await node.stop();
      return { ids, decodeMs: Number(route.decode_ms), layers: route.hops.map((hop: any) => hop.layers) };
    },
    { address: '/sdk/manyhands.js', prompt: PROMPT, tokens: TOKENS },
  );
  expect(ids.length).toBe(TOKENS);
  expect(layers).toEqual([0, 1, 2].map((at) => [cut(at), cut(at + 1)]));

  const folder = await mkdtemp(join(tmpdir(), 'manyhands-forced-'));
  let native: { agreed: number; of: number };
  try {
    const file = join(folder, 'ids.json');
    await writeFile(file, JSON.stringify(ids));
    const options = ['--model', model(), '--prompt', PROMPT, '--backend', 'cpu', '--forced', file];
    native = JSON.parse((await promisify(execFile)(generateProgram(), options)).stdout) as typeof native;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  expect(native.of).toBe(TOKENS);
  expect(native.agreed).toBe(TOKENS);

  const rows = [];
  for (const { lender, layers, loadMs, served } of lenders) {
    expect(served).toBeLessThan(published.bytes / 2);
    rows.push([
      `layers ${layers}`, [served / MIB, 0], [(100 * served) / published.bytes, 0], [(await memory(lender.page)) / MIB, 0], [loadMs / 1000, 1],
    ] as (string | [number, number])[]);
  }
  report(
    ['tab', 'weights, MiB', 'of the model, %', 'memory of the tab, MiB', 'loaded in, s'],
    rows,
    [
      `A seeded model of ${(published.bytes / MIB).toFixed(0)} MiB in Q4_0, ${published.layers} layers, over three tabs on the CPU of one `
        + `machine: ${((1000 * (TOKENS - 1)) / decodeMs).toFixed(2)} tokens/s. Forced decoding of ${native.of} tokens in one native `
        + `process agrees on ${native.agreed}.`,
    ],
  );
});
