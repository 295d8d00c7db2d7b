// A model of one's own: from the disk, dropped, by address; and the signed catalogue. No relay hears of any of it.
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { largeModel, testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { ModelsPage } from '../pages/models.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 16;

/** A relay that knows another model than the one that is brought, and a second one that plays the other site. */
const outside = test.extend<{ home: Relay; site: Relay }>({
  home: async ({}, use) => {
    const relay = await Relay.start([largeModel()]);
    await use(relay);
    await relay.stop();
  },
  site: async ({}, use) => {
    const relay = await Relay.start([testModel()], { tls: true });
    await use(relay);
    await relay.stop();
  },
});

/** Chats with a model that only this browser has. */
async function chatWithOwn(page: Page, id: string): Promise<void> {
  const query = new URLSearchParams({ model: id, mode: 'local', temperature: '0', seed: '1', max_tokens: String(TOKENS), backend: 'cpu' });
  await page.goto(`/?${query}`);
  const chat = new ChatPage(page);
  await expectListed(page, id);
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
}

/** Brings a model from the disk, and says under which name. */
async function bring(page: Page): Promise<string> {
  const models = new ModelsPage(page);
  await models.open();
  await page.getByTestId('model-file').setInputFiles(testModel());
  const id = await ownId(models);
  await models.expectKept(id, 'whole');
  return id;
}

/** It can be chosen beside the input. */
const expectListed = (page: Page, id: string) => expect(page.getByTestId('model-picker').locator(`option[value="${id}"]`)).toBeAttached();

async function ownId(models: ModelsPage): Promise<string> {
  await expect(models.ownCards).toHaveCount(1);
  return (await models.ownCards.getAttribute('data-model'))!;
}

outside('a file from the disk is kept under its true name and answers; the relay never hears of it', async ({ home, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block' });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  const models = new ModelsPage(page);
  await models.open();
  await page.getByTestId('model-file').setInputFiles(testModel());
  const id = await ownId(models);
  await models.expectKept(id, 'whole');
  await chatWithOwn(page, id);
  expect(asked.filter((url) => url.includes(id) && !url.includes('model='))).toEqual([]);

  await page.goto('/models');
  await models.delete(id);
  await expect(models.ownCards).toHaveCount(0);
});

outside('a dropped file that is no model is refused and leaves nothing behind', async ({ home, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  await models.open();
  const files = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['<!doctype html>'.repeat(100_000)], 'page.gguf'));
    return data;
  });
  await page.getByTestId('model-drop').dispatchEvent('drop', { dataTransfer: files });
  await expect(models.jobs).toHaveAttribute('data-state', 'failed');
  await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-code', 'model_rejected');
  expect(await chunksKept(page)).toBe(0);
  await models.jobs.getByTestId('model-discard').click();
  await expect(models.jobs).toHaveCount(0);

  const whole = (await readFile(testModel())).toString('base64');
  const dropped = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], 'mine.gguf'));
    return data;
  }, whole);
  await page.getByTestId('model-drop').dispatchEvent('drop', { dataTransfer: dropped });
  await models.expectKept(await ownId(models), 'whole');
});

outside('a model by its address is fetched from there, and answers', async ({ home, site, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block', ignoreHTTPSErrors: true });
  const models = new ModelsPage(page);
  await models.open();
  const theirs = (await site.models())[0]!;
  await page.getByTestId('model-url').fill(`${site.url}/models/${theirs.id}`);
  await page.getByTestId('model-open-url').click();
  const id = await ownId(models);
  expect(id, 'the same file has the same name everywhere').toBe(theirs.id);
  await chatWithOwn(page, id);
});

outside('whoever leaves the moment the model is shown finds it in the list again', async ({ home, site, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block', ignoreHTTPSErrors: true });
  // A page that is closed then writes nothing more.
  await page.addInitScript(() => {
    new MutationObserver(() => {
      if (document.querySelector('[data-testid=model-card][data-own=true]') !== null) Storage.prototype.setItem = () => {};
    }).observe(document, { childList: true, subtree: true });
  });
  const models = new ModelsPage(page);
  await models.open();
  await page.getByTestId('model-url').fill(`${site.url}/models/${(await site.models())[0]!.id}`);
  await page.getByTestId('model-open-url').click();
  const id = await ownId(models);
  await page.goto('/');
  await expectListed(page, id);
});

outside('a worker that cannot be loaded at first is asked for the list again', async ({ home, openTab }) => {
  const { page, complaints } = await openTab({ baseURL: home.url, serviceWorkers: 'block' });
  const id = await bring(page);
  let refused = 0;
  await page.route('**/compute_loader.js', (route) => ((refused += 1) <= 2 ? route.abort() : route.continue()));
  await page.goto('/');
  await expectListed(page, id);
  expect(refused).toBeGreaterThan(2);
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/compute_loader\.js/);
});

outside('a model that the address names is looked for on this device', async ({ home, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block' });
  const id = await bring(page);
  // The browser forgets small records, and nothing else.
  await page.evaluate(() => localStorage.clear());
  await page.goto(`/?model=${id}`);
  await expectListed(page, id);
  await page.goto('/');
  await expectListed(page, id);
});

outside('a page that keeps nothing does not hide what the others keep', async ({ home, openTab }) => {
  const { page } = await openTab({ baseURL: home.url, serviceWorkers: 'block' });
  const id = await bring(page);
  await page.goto('/models?storage=memory');
  await expect(page.getByTestId('shelf-used')).toHaveAttribute('data-persistent', 'false');
  await page.goto('/');
  await expectListed(page, id);
});

outside('an address that breaks off goes on where it was, and one that cannot be read says why', async ({ openTab }) => {
  // The page's own relay does not know this model, or it would not be one of the person's own.
  const site = await Relay.start([largeModel()], { tls: true });
  const { page, complaints } = await openTab({ serviceWorkers: 'block', ignoreHTTPSErrors: true });
  const models = new ModelsPage(page);
  await models.open();
  const theirs = (await site.models())[0]!;
  const address = `${site.url}/models/${theirs.id}`;

  // No such file; then a file that the site does not share with other sites.
  for (const [wrong, words] of [[`${site.url}/models/${'0'.repeat(64)}`, /answers 404/], [`${site.url}/icons/none.gguf`, /CORS|404/]] as const) {
    await page.getByTestId('model-url').fill(wrong);
    await page.getByTestId('model-open-url').click();
    await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-code', 'relay_unreachable');
    await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-reason', 'source_unreachable');
    await expect(models.jobs.getByTestId('error')).toContainText('cannot be reached, or does not let this page read its files');
    await models.jobs.locator('summary').click();
    await expect(models.jobs.locator('.fault-detail')).toContainText(words);
    await models.jobs.getByTestId('model-discard').click();
    await expect(models.jobs).toHaveCount(0);
  }

  // Half of the file, then nothing.
  const half = Math.floor(theirs.bytes / 2);
  await page.route(address, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.body()).subarray(0, half);
    await route.fulfill({ response: answer, body, headers: { ...answer.headers(), 'content-length': String(theirs.bytes) } });
  });
  await page.getByTestId('model-url').fill(address);
  await page.getByTestId('model-open-url').click();
  await expect(models.jobs).toHaveAttribute('data-state', 'failed');
  await page.unroute(address);
  const ranges: string[] = [];
  page.on('request', (request) => {
    if (request.url() === address) ranges.push(request.headers()['range'] ?? 'all');
  });
  await models.jobs.getByTestId('model-resume').click();
  await models.expectKept(await ownId(models), 'whole');
  const [range] = ranges;
  const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]);
  expect(half - from, 'less than a chunk is fetched again').toBeLessThan(1 << 20);
  await site.stop();
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/404|CORS|ERR_FAILED|ERR_CONTENT_LENGTH_MISMATCH/);
});

test('what is no address of a model is refused with its reason, before anything is fetched', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await new ModelsPage(page).open();
  const asked: string[] = [];
  // What the page asks of its own relay goes on beside it.
  const relay = new URL(page.url()).origin;
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== relay) asked.push(request.url());
  });
  for (const [text, reason] of [
    ['javascript:alert(1)//m.gguf', 'neither an address'],
    ['http://example.org/m.gguf', 'Only https'],
    ['hf:owner/m.gguf', 'hf:owner/repo/file.gguf'],
    ['https://example.org/m.zip', '.gguf'],
  ] as const) {
    await page.getByTestId('model-url').fill(text);
    await page.getByTestId('model-open-url').click();
    await expect(page.getByTestId('model-url-error')).toContainText(reason);
  }
  expect(asked).toEqual([]);
});

test('the signed catalogue lists real models with their sources, and one that cannot be reached says so', async ({ openTab }) => {
  const { page, complaints } = await openTab({ serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  await models.open();
  const items = page.getByTestId('catalogue-item');
  await expect(items).toHaveCount(8);
  await expect(items.first()).toContainText('huggingface.co');
  await expect(items.first()).toContainText('Apache-2.0');
  // Nothing outside is asked for before a click, and in a test nothing outside answers after it.
  await page.route('https://huggingface.co/**', (route) => route.abort('connectionrefused'));
  await items.first().getByTestId('catalogue-get').click();
  await expect(models.jobs.getByTestId('error')).toHaveAttribute('data-reason', 'source_unreachable');
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/ERR_CONNECTION_REFUSED/);
});

test('a catalogue that somebody changed is not shown', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.route('**/catalogue.json', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replace('SmolLM2-135M-Instruct-GGUF', 'Another-GGUF') });
  });
  await page.goto('/models');
  await expect(page.getByTestId('error')).toHaveAttribute('data-code', 'model_rejected');
  await expect(page.getByTestId('catalogue-item')).toHaveCount(0);
});

async function chunksKept(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const ours = await root.getDirectoryHandle('manyhands-models', { create: true });
    const chunks = await ours.getDirectoryHandle('chunks', { create: true });
    let count = 0;
    for await (const _ of (chunks as any).keys()) count += 1;
    return count;
  });
}
