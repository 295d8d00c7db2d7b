// What the Models page says that a model needs, against what its process then takes from the system.
import { readFileSync } from 'node:fs';
import { largeModel, testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { ModelsPage } from '../pages/models.ts';
import { online } from '../pages/shown.ts';

const LOOK_EVERY_MS = 20;

test.skip(process.platform !== 'linux', 'what a process takes is read from /proc');

test('the memory that a model needs is foretold within 15 percent', async ({ browser, openTab }) => {
  const relay = await Relay.start([testModel(), largeModel()]);
  const model = (await relay.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  await page.goto('/models');
  const need = new ModelsPage(page).card(model.id).locator('dl > div').filter({ hasText: 'Memory needed' }).locator('dd');
  const foretold = Number(/^([\d.]+) MB$/.exec(await need.innerText())![1]);

  const query = new URLSearchParams({ model: model.id, mode: 'local', temperature: '0', max_tokens: '16', backend: 'cpu' });
  await page.goto(`/?${query}`);
  await online(page);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo' as any)) as unknown as { processInfo: { type: string; id: number }[] };
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  let most = 0;
  const looking = setInterval(() => (most = Math.max(most, ...renderers.map(megabytes))), LOOK_EVERY_MS);
  const chat = new ChatPage(page);
  await chat.ask('Once upon a time');
  await chat.answer();
  clearInterval(looking);
  console.log(`figure: memory for ${(model.bytes / 1e6).toFixed(0)} MB of weights: foretold ${foretold} MB, taken ${most.toFixed(0)} MB`);
  expect(Math.abs(foretold / most - 1)).toBeLessThanOrEqual(0.15);
  await session.detach();
  await page.context().close();
  await relay.stop();
});

/** What a process has for itself alone, programs and files not counted. */
function megabytes(pid: number): number {
  const kilobytes = [...readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^Rss(?:Anon|Shmem):\s*(\d+) kB$/gm)];
  return kilobytes.reduce((sum, [, figure]) => sum + Number(figure), 0) * 1.024e-3;
}
