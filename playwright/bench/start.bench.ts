// How long a person waits from opening the page to the first word of an answer, the first time and the next.
// Model and page come from the same machine: a network adds its own time.
import type { Page } from '@playwright/test';
import { median, report } from '../fixtures/figures.ts';
import { type FirstLoad, firstLoad, inWords } from '../fixtures/first-load.ts';
import { mainModel } from '../fixtures/paths.ts';
import type { Relay } from '../fixtures/relay.ts';
import { relayWith, test as base } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const ROUNDS = 5;

const test = base.extend<object, { relay: Relay }>({ relay: relayWith(() => [mainModel()]) });

/** Milliseconds from the navigation to the first text of an answer, by the page's own clock. */
async function firstWord(page: Page, model: string, mode: 'local' | 'swarm', question: string): Promise<number> {
  const query = new URLSearchParams({ model, mode, temperature: '0', max_tokens: '8', backend: 'cpu', storage: 'persistent' });
  await page.goto(`/?${query}`, { waitUntil: 'commit' });
  const word = page.waitForFunction((question) => {
    const messages = [...document.querySelectorAll<HTMLElement>('[data-testid=message]')];
    const asked = messages.findIndex((message) => message.dataset['role'] === 'user' && message.textContent?.includes(question));
    const answer = asked < 0 ? undefined : messages[asked + 1]?.querySelector('.prose')?.textContent;
    return answer?.trim() ? performance.now() : 0;
  }, question, { polling: 'raf' });
  const chat = new ChatPage(page);
  await page.getByTestId('chat-input').fill(question);
  await page.getByTestId('chat-send').click();
  const dialog = page.getByTestId('consent-dialog');
  const answer = page.locator('[data-testid=message][data-role=assistant]').last();
  await dialog.or(answer).first().waitFor();
  if (await dialog.isVisible()) await chat.agree();
  return (await word).jsonValue() as Promise<number>;
}

test('start', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  await new LendPage((await openTab()).page).lend(model.id, 0, half);
  await new LendPage((await openTab()).page).lend(model.id, half, model.layers);
  const rows: [string, [number, number], [number, number]][] = [];
  for (const [where, mode] of [['on this device', 'local'], ['on two others', 'swarm']] as const) {
    const cold: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { page } = await openTab();
      cold.push(await firstWord(page, model.id, mode, 'What is Manyhands?'));
      // What the first visit keeps, it keeps beside the answer: a person comes back later than that.
      await page.waitForTimeout(1000);
      const again = await page.context().newPage();
      await page.close();
      // Another question, so that no answer of the first visit is taken for this one.
      warm.push(await firstWord(again, model.id, mode, 'What is a layer?'));
      await again.context().close();
    }
    rows.push([where, [median(cold), 0], [median(warm), 0]]);
  }
  const loads: FirstLoad[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { page } = await openTab({ serviceWorkers: 'block' });
    loads.push(await firstLoad(page, `${relay.url}/`));
    await page.context().close();
  }
  loads.sort((a, b) => a.ms - b.ms);
  report(
    ['computed', 'first visit, ms', 'next visit, ms'],
    rows,
    [
      `From opening the page to the first word of an answer, medians of ${ROUNDS}; the question is typed as soon as there is a place `
        + `for it. ${model.name}, ${(model.bytes / 1e6).toFixed(1)} MB, in the browser's storage from the first visit on.`,
      `Over a fast 4G network (9 Mbit/s, 60 ms, as Chromium's tools make it) an empty browser takes a question after ${inWords(loads[Math.floor(ROUNDS / 2)]!)} `
        + `(the median of ${ROUNDS}; the goal is 2,500 ms).`,
    ],
  );
});
