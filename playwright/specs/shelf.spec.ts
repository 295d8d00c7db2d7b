// Models on this device: fetched whole, paused, gone on with after a reload, checked, deleted, used without a network;
// and what happens where storage is full, cleared, damaged or refused.
import type { Page, Request } from '@playwright/test';
import { holdModels } from '../fixtures/held-line.ts';
import { largeModel, testModel, twinModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { ModelsPage } from '../pages/models.ts';
import { online } from '../pages/shown.ts';

const MIB = 1 << 20;
const PROMPT = 'Once upon a time';
const TOKENS = 16;

/** A relay of its own with a model of many chunks. */
const large = test.extend<{ own: Relay }>({
  own: async ({}, use) => {
    const relay = await Relay.start([testModel(), largeModel()]);
    await use(relay);
    await relay.stop();
  },
});

/** The chunks that a page asks a relay for, as they are asked. */
function chunkRequests(page: Page): string[] {
  const asked: string[] = [];
  page.on('request', (request: Request) => {
    const range = request.headers()['range'];
    if (range !== undefined && new URL(request.url()).pathname.startsWith('/models/')) asked.push(range);
  });
  return asked;
}

large('a download shows its way, pauses, goes on after a reload without a chunk fetched twice, and is deleted', async ({ own, openTab }) => {
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  const asked = chunkRequests(page);
  await holdModels(page, Math.ceil(model.bytes / MIB / 2), 250);
  await models.open();
  await models.expectKept(model.id, 'none');
  await models.card(model.id).getByTestId('model-download').click();
  const bar = models.card(model.id).getByTestId('model-progress');
  await expect.poll(async () => Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThan(30);
  await expect(models.jobs).toContainText(/\d [kM]B\/s/);
  await models.card(model.id).getByTestId('model-pause').click();
  await expect(models.jobs).toHaveAttribute('data-state', 'paused');
  await models.expectKept(model.id, 'part');
  const before = await models.held(model.id);
  expect(before).toBeGreaterThan(MIB);
  expect(before).toBeLessThan(model.bytes);

  await page.unroute(/\/models\/[0-9a-f]{64}$/);
  await page.reload();
  await models.expectKept(model.id, 'part');
  expect(await models.held(model.id), 'a reload loses nothing').toBeGreaterThanOrEqual(before);
  const already = await models.held(model.id);
  asked.length = 0;
  await models.download(model.id);
  expect(await models.held(model.id)).toBe(model.bytes);
  const fetched = new Set(asked);
  expect(fetched.size, 'no chunk is asked for twice').toBe(asked.length);
  expect(asked.length).toBe(Math.ceil(model.bytes / MIB) - Math.floor(already / MIB));

  await models.card(model.id).getByTestId('model-verify').click();
  await expect(models.jobs).toHaveAttribute('data-state', 'verified');
  await models.delete(model.id);
  await models.expectKept(model.id, 'none');
  await expect(page.getByTestId('shelf-used')).toHaveAttribute('data-held', '0');
});

large('a network that fails at half of a download costs no more than was on its way', async ({ own, openTab }) => {
  const IN_FLIGHT = 4;
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page, complaints } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  const asked = chunkRequests(page);
  const arrived = new Set<string>();
  page.on('requestfinished', (request) => arrived.add(request.headers()['range'] ?? ''));
  // A little more than half comes through; what is asked for then is on its way when the network fails.
  const line = await holdModels(page, Math.ceil(model.bytes / MIB / 2) + 1);
  await models.open();
  await models.card(model.id).getByTestId('model-download').click();
  const bar = models.card(model.id).getByTestId('model-progress');
  await expect.poll(async () => Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThanOrEqual(50);
  await own.kill();
  line.allow(Infinity);
  await expect(models.jobs).toHaveAttribute('data-state', 'failed');
  await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-code', 'relay_unreachable');
  await expect.poll(() => models.held(model.id)).toBeGreaterThanOrEqual(model.bytes / 2 - IN_FLIGHT * MIB);
  const held = await models.held(model.id);
  const before = new Set(arrived);
  asked.length = 0;

  await page.unroute(/\/models\/[0-9a-f]{64}$/);
  await own.startAgain();
  await models.jobs.getByTestId('model-resume').click();
  await models.expectKept(model.id, 'whole');
  const again = asked.filter((range) => before.has(range)).length;
  console.log(`figure: a download cut at ${((100 * held) / model.bytes).toFixed(0)} %: ${again} of ${before.size} chunks that had arrived fetched again`);
  expect(again, 'beside the one that failed').toBeLessThan(IN_FLIGHT);
  expect(asked.length, 'what is kept is not asked for').toBe(Math.ceil(model.bytes / MIB) - Math.floor(held / MIB));
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/ERR_(?:CONNECTION|EMPTY|FAILED)|WebSocket|Failed to fetch/);
});

test('a reload without network or relay still has history and a model that answers', async ({ openTab }) => {
  const relay = await Relay.start([testModel()]);
  const model = (await relay.models())[0]!;
  const { page, complaints } = await openTab({ baseURL: relay.url });
  const chat = new ChatPage(page);
  const query = new URLSearchParams({
    model: model.id, mode: 'local', temperature: '0', seed: '1', max_tokens: String(TOKENS), backend: 'cpu',
  });
  await page.goto(`/?${query}`);
  await online(page);
  await chat.ask(PROMPT);
  const expected = words(await greedyText(testModel(), PROMPT, TOKENS));
  expect(words(await chat.answer())).toBe(expected);
  // The page and the engine are kept in the background.
  await expect.poll(() => page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    const names = (await (await caches.open('manyhands-app-1')).keys()).map(({ url }) => new URL(url).pathname);
    return names.includes('/') && names.some((name) => /^\/compute-.*_bg\.wasm$/.test(name));
  })).toBe(true);

  await relay.stop();
  await page.context().setOffline(true);
  await page.reload();
  await expect(page.getByTestId('connection')).not.toHaveAttribute('data-state', 'online');
  await page.locator('.history-open').first().click();
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'done');
  await page.getByRole('button', { name: 'New chat' }).click();
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(expected);
  expect(await chat.hops()).toBe(0);
  const models = new ModelsPage(page);
  await models.open();
  await models.expectKept(model.id, 'whole');
  // What it asked for in vain while the line was down, and nothing else.
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_REFUSED|ERR_FAILED|Failed to fetch/);
});

large('a chunk that is damaged on the disk is thrown away and fetched again', async ({ own, openTab }) => {
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  await models.open();
  await models.download(model.id);
  await damageOneChunk(page);
  await models.card(model.id).getByTestId('model-verify').click();
  await expect(models.jobs).toHaveAttribute('data-state', 'verified');
  await models.expectKept(model.id, 'part');
  expect(model.bytes - (await models.held(model.id))).toBeLessThanOrEqual(MIB);
  const asked = chunkRequests(page);
  await models.download(model.id);
  expect(asked).toHaveLength(1);
});

large('a model that the browser cleared away is fetched again when it is used', async ({ own, openTab }) => {
  const model = (await own.models())[0]!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  await models.open();
  await models.download(model.id);
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', { origin: own.url, storageTypes: 'file_systems' });
  await page.reload();
  await models.expectKept(model.id, 'none');
  await models.download(model.id);
});

large('without room the download says so and keeps what it has; with room it goes on', async ({ own, openTab }) => {
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  await models.open();
  const session = await page.context().newCDPSession(page);
  const { usage } = await session.send('Storage.getUsageAndQuota', { origin: own.url });
  await session.send('Storage.overrideQuotaForOrigin', { origin: own.url, quotaSize: usage + 6 * MIB });
  await models.card(model.id).getByTestId('model-download').click();
  await expect(models.jobs).toHaveAttribute('data-state', 'failed');
  await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-code', 'storage_full');
  await session.send('Storage.overrideQuotaForOrigin', { origin: own.url });
  await models.jobs.getByTestId('model-resume').click();
  await models.expectKept(model.id, 'whole');
});

test('where the browser refuses private files the page says so, and a model is used all the same', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.route('**/compute_loader.js', async (route) => {
    // With the relay's own headers: a worker without them is not started at all.
    const response = await route.fetch();
    const refusal = "navigator.storage.getDirectory = () => Promise.reject(new DOMException('refused', 'SecurityError'));\n";
    await route.fulfill({ response, body: refusal + (await response.text()) });
  });
  await page.goto('/models');
  await expect(page.getByTestId('shelf-used')).toHaveAttribute('data-persistent', 'false');
  const query = new URLSearchParams({ model: model.id, mode: 'local', temperature: '0', max_tokens: '8', backend: 'cpu' });
  await page.goto(`/?${query}`);
  const chat = new ChatPage(page);
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, 8)));
});

large('two tabs that fetch the same model end with one whole copy', async ({ own, openTab }) => {
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const other = await page.context().newPage();
  const [one, two] = [new ModelsPage(page), new ModelsPage(other)];
  await one.open();
  await two.open();
  await Promise.all([one, two].map((models) => models.card(model.id).getByTestId('model-download').click()));
  await one.expectKept(model.id, 'whole');
  await two.expectKept(model.id, 'whole');
  await one.card(model.id).getByTestId('model-verify').click();
  await expect(one.jobs).toHaveAttribute('data-state', 'verified');
  await one.expectKept(model.id, 'whole');
});

test('what cannot be read is not taken for gone: deleting a model leaves the chunks of another alone', async ({ openTab }) => {
  const relay = await Relay.start([largeModel(), twinModel()]);
  const listed = await relay.models();
  const [gone, stays] = ['large seeded', 'large twined'].map((name) => listed.find((model) => model.name === name)!);
  const { page } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  await page.route(/\/compute-[0-9a-f]+\.js$/, async (route) => {
    const worker = await route.fetch();
    await route.fulfill({ response: worker, body: `${UNREADABLE}${await worker.text()}` });
  });
  const models = new ModelsPage(page);
  /** What the page knows when it is opened, not what it remembers. */
  const heldAnew = async (model: string) => {
    await models.open();
    await expect(models.card(stays!.id).getByTestId('model-kept')).not.toHaveAttribute('data-state', 'none');
    return models.held(model);
  };
  await models.open();
  await models.download(gone!.id);
  await models.download(stays!.id);

  const [worker] = page.workers();
  await worker!.evaluate(() => Object.assign(globalThis, { unreadable: true }));
  await models.delete(gone!.id);
  await expect(models.card(gone!.id).getByTestId('model-job')).toHaveAttribute('data-state', 'failed');
  expect(await heldAnew(stays!.id)).toBe(stays!.bytes);
  expect(await models.held(gone!.id), 'all or nothing').toBe(gone!.bytes);

  await models.delete(gone!.id);
  await models.expectKept(gone!.id, 'none');
  expect(await heldAnew(stays!.id)).toBe(stays!.bytes);
  await expect(page.getByTestId('shelf-used'), 'and nothing else is left').toHaveAttribute('data-held', String(stays!.bytes));
  await relay.stop();
});

/** A worker in which the list of what is kept cannot be read while `unreadable` is set. */
const UNREADABLE = `{
  const { keys } = FileSystemDirectoryHandle.prototype;
  FileSystemDirectoryHandle.prototype.keys = function () {
    if (globalThis.unreadable && this.name === 'manifests') throw new DOMException('cannot be read', 'NotReadableError');
    return keys.call(this);
  };
}
`;

/** Turns a bit of one kept chunk. */
async function damageOneChunk(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const chunks = await (await root.getDirectoryHandle('manyhands-models')).getDirectoryHandle('chunks');
    for await (const handle of (chunks as any).values()) {
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      bytes[bytes.length >> 1]! ^= 1;
      const file = await handle.createWritable();
      await file.write(bytes);
      await file.close();
      return;
    }
    throw new Error('no chunk is kept');
  });
}
