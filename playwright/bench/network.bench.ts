// What a way of so many milliseconds between devices costs each token, with and without guessing ahead.
// The asking device computes the first layers itself; every device's layers together take a fixed time, so that only the way differs.
import type { Page } from '@playwright/test';
import { type Cell, report } from '../fixtures/figures.ts';
import { recitingModel, testModel } from '../fixtures/paths.ts';
import type { Model, Relay } from '../fixtures/relay.ts';
import { passage } from '../fixtures/seeded-model.ts';
import { expect, type OpenTab, relayWith, test as base } from '../fixtures/test.ts';
import { ChatPage, type Cost } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const DELAYS_MS = [0, 5, 20, 50, 150];
/** Computing of one step by all devices together. */
const STEP_MS = 30;
const FREE_TOKENS = 64;
/** One word in so many of the passage is said otherwise in the question. */
const CHANGED = 20;

const test = base.extend<object, { relay: Relay }>({ relay: relayWith(() => [testModel(), recitingModel()]) });

interface Setting {
  devices: number;
  delayMs: number;
  model: Model;
  question: string;
  tokens: number;
}

/** Answers of one setting, one for each of the ways to ask. */
async function measure(openTab: OpenTab, setting: Setting, ways: string[]): Promise<Cost[]> {
  const { devices, delayMs, model, question, tokens } = setting;
  const cut = (part: number) => Math.round((model.layers * part) / devices);
  const line = delayMs === 0 ? {} : { net: `delay:${delayMs}` };
  const stepMs = STEP_MS / devices;
  const pages: Page[] = [];
  for (let at = 1; at < devices; at += 1) {
    const { page } = await openTab({ serviceWorkers: 'block' });
    await new LendPage(page).lend(model.id, cut(at), cut(at + 1), stepMs, 'cpu', line);
    pages.push(page);
  }
  const costs: Cost[] = [];
  for (const speculate of ways) {
    const { page } = await openTab({ serviceWorkers: 'block' });
    const asks = { ...line, speculate, mode: 'swarm', temperature: '0', seed: '1', max_tokens: String(tokens) };
    await new LendPage(page).lend(model.id, 0, cut(1), stepMs, 'cpu', asks);
    // The same app goes on: its node lends and asks.
    await page.locator('a.nav-link[href="/"]').first().click();
    const chat = new ChatPage(page);
    await chat.ask(question);
    await chat.agree();
    await expect(chat.lastAnswer).toHaveAttribute('data-state', 'done', { timeout: 120_000 });
    expect(await chat.hops()).toBe(devices - 1);
    costs.push(await chat.cost());
    await page.context().close();
  }
  for (const page of pages) await page.context().close();
  return costs;
}

test('network', async ({ relay, openTab }) => {
  const models = await relay.models();
  const reciting = models.find(({ name }) => name.startsWith('reciting'))!;
  const free = models.find(({ id }) => id !== reciting.id)!;
  const text = passage();
  const quoted = text.map((piece, at) => (at % CHANGED === CHANGED / 2 ? text[(at + 40) % text.length]! : piece)).join('');
  const rows: (Cell | [number, number])[][] = [];
  for (const devices of [2, 3]) {
    const without = new Map<string, number>();
    for (const delayMs of DELAYS_MS) {
      const tell = (what: string, { tokens, trips, decodeMs }: Cost) => {
        // The first trip ends with the first token: what comes after it is counted.
        const tripMs = decodeMs / (trips - 1);
        const perToken = (tripMs * trips) / tokens;
        if (delayMs === 0) without.set(what, perToken);
        const row: (Cell | [number, number])[] = [
          what, devices, delayMs, [1000 / perToken, 1], [perToken - without.get(what)!, 1], [tokens / trips, 2], [1000 / tripMs, 1],
        ];
        console.log(row.map((cell) => (Array.isArray(cell) ? cell[0].toFixed(cell[1]) : cell)).join('  '));
        rows.push(row);
      };
      const [plain, guessed] = await measure(
        openTab, { devices, delayMs, model: free, question: 'Once upon a time', tokens: FREE_TOKENS }, ['0', '1'],
      );
      tell('no guesses', plain!);
      tell('free text', guessed!);
      const [copied] = await measure(
        openTab, { devices, delayMs, model: reciting, question: quoted, tokens: text.length }, ['1'],
      );
      tell('copied text', copied!);
    }
  }
  rows.sort((a, b) => String(a[0]).localeCompare(String(b[0])) || Number(a[1]) - Number(b[1]));
  report(
    ['text', 'devices', 'ms one way', 'tokens/s', 'added per token, ms', 'tokens per trip', '1 / trip time, per s'],
    rows,
    [
      `The asking device computes the first layers; one step of all devices together takes at least ${STEP_MS} ms. `
        + 'The delay is set in the transport, on every message between two tabs. Added: beside the same text without delay.',
      `Free text: ${free.name}, ${FREE_TOKENS} tokens of a story. Copied text: a seeded model says a passage of the question `
        + `again, ${text.length} tokens, of which the question has one in ${CHANGED} otherwise. Guesses come from what was said `
        + 'already; a free text of a small model repeats little.',
    ],
  );
});
