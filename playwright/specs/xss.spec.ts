// Text from outside in every place where it is shown: nothing of it ever runs, loads anything or becomes an element that could.
import type { Page } from '@playwright/test';
import { writeFileSync } from 'node:fs';
import { archive } from '../fixtures/archive.ts';
import { writeSeededModel } from '../fixtures/seeded-model.ts';
import { expect, type OpenTab, test } from '../fixtures/test.ts';
import { corpus } from '../fixtures/xss.ts';
import { KeysPage } from '../pages/keys.ts';
import { ModelsPage } from '../pages/models.ts';
import { SettingsPage } from '../pages/settings.ts';
import { walk } from '../pages/walk.ts';

const PAYLOADS = corpus();

/** A page that counts executions, and what it asks of anybody but the relay. */
async function watched(openTab: OpenTab): Promise<{ page: Page; outside: string[] }> {
  const { page } = await openTab({ serviceWorkers: 'block' });
  const outside: string[] = [];
  page.on('request', (request) => {
    const { protocol, pathname } = new URL(request.url());
    if (!protocol.startsWith('http') && protocol !== 'blob:') outside.push(request.url());
    if (/evil|^\/x$/.test(request.url()) || pathname === '/x') outside.push(request.url());
  });
  await page.addInitScript(() => {
    const hits: unknown[] = [];
    Object.assign(globalThis, { __hits: hits, __xss: (n: unknown) => hits.push(n), alert: (n: unknown) => hits.push(n) });
  });
  return { page, outside };
}

/** Nothing ran, and no element is there that could. */
async function expectHarmless(page: Page): Promise<void> {
  // What waits for the pointer or the focus gets both.
  const left = await page.evaluate(() => {
    for (const element of document.querySelectorAll('main *')) {
      for (const type of ['mouseover', 'pointerenter', 'focus', 'animationstart', 'toggle', 'error', 'load']) element.dispatchEvent(new Event(type));
    }
    const wrong: string[] = [];
    for (const element of document.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith('on')) wrong.push(`${element.tagName} ${name}`);
        if (/^(href|src|action|formaction|xlink:href|data)$/.test(name) && !/^(https?:\/\/|mailto:|\/|#|blob:|\.)/.test(value)) wrong.push(`${element.tagName} ${name}=${value}`);
        if (name === 'href' && element.tagName === 'A' && element.closest('.prose') !== null && value.startsWith('/')) wrong.push(`relative ${value}`);
      }
    }
    const never = 'main :is(script, iframe, object, embed, base, link, style, meta, math, marquee, template, video, audio, img[src="x"])';
    return { hits: (globalThis as any).__hits, wrong, elements: document.querySelectorAll(never).length };
  });
  expect(left).toEqual({ hits: [], wrong: [], elements: 0 });
}

test(`${PAYLOADS.length} texts that would run, as answers and as questions, run nowhere`, async ({ openTab }) => {
  test.setTimeout(240_000);
  expect(PAYLOADS.length).toBeGreaterThanOrEqual(500);
  expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
  const { page, outside } = await watched(openTab);
  const HALF = 125;
  const talks = [];
  for (let at = 0; at < PAYLOADS.length; at += HALF) {
    const part = PAYLOADS.slice(at, at + HALF);
    const messages = part.flatMap((text) => [{ role: 'user' as const, text }, { role: 'assistant' as const, text }]);
    talks.push({ id: `t${at}`, title: part[0]!, messages });
  }
  await new SettingsPage(page).import(archive(...talks), String(talks.length));
  await walk(page, '/');
  const list = page.locator('.history-open');
  await expect(page.locator('.history-list li')).toHaveCount(talks.length);
  let seen = 0;
  for (const [at] of talks.entries()) {
    await list.nth(at).click();
    await expect(page.getByTestId('message').first()).toBeVisible();
    seen += await page.getByTestId('message').count();
    for (const fold of await page.locator('details.reasoning:not([open]) > summary').all()) await fold.click();
    await expectHarmless(page);
  }
  expect(seen).toBe(2 * PAYLOADS.length);
  expect(outside).toEqual([]);
});

test('the same texts as names: of models, of the swarm, of devices, of files and of what went wrong', async ({ relay, openTab }) => {
  test.setTimeout(240_000);
  const { page, outside } = await watched(openTab);
  const real = await (await fetch(`${relay.url}/api/v1/swarm`)).json() as any;
  await page.route('**/api/v1/swarm', (route) => route.fulfill({
    json: {
      ...real,
      swarm: { ...real.swarm, name: PAYLOADS[0] },
      models: PAYLOADS.slice(0, 200).map((text, at) => ({
        id: at.toString(16).padStart(64, '0'), name: text, architecture: PAYLOADS[at + 200], layers: 5, bytes: 1000, license: PAYLOADS[at + 300],
      })),
    },
  }));
  await page.goto('/keys');
  await expect(page.locator('.top-swarm')).toHaveText(PAYLOADS[0]!);
  for (const path of ['/models', '/', '/swarm', '/lend']) {
    await walk(page, path);
    await expectHarmless(page);
  }
  const hops = PAYLOADS.map((text) => ({ peer: text, first: 0, end: 1, backend: text, ms: 1 }));
  await new SettingsPage(page).import(archive({
    id: 'a', title: 'Peers', messages: [{ role: 'user', text: 'x' }, { role: 'assistant', text: 'y', model: PAYLOADS[1]!, route: { hops, replays: 0, bytes: 0 } }],
  }), '1');
  await walk(page, '/');
  await page.locator('.history-list').getByText('Peers').click();
  await page.getByTestId('message-route').locator('summary').click();
  await expect(page.locator('.hop')).toHaveCount(PAYLOADS.length);
  await expectHarmless(page);
  expect(outside).toEqual([]);
});

test('the same texts as titles of conversations, as what a model is called, and as words of errors', async ({ openTab }) => {
  test.setTimeout(240_000);
  const { page, outside } = await watched(openTab);
  const titles = PAYLOADS.map((text, at) => ({ id: `t${at}`, title: text, messages: [{ role: 'user' as const, text: 'x' }] }));
  const faulty = PAYLOADS.flatMap((text) => [
    { role: 'user' as const, text: 'x' },
    { role: 'assistant' as const, text: 'y', model: text, fault: { code: text, detail: text, why: text }, route: { hops: [], replays: 0, bytes: 0 } },
  ]);
  await new SettingsPage(page).import(archive(...titles, { id: 'faulty', title: 'Faulty', messages: faulty }), String(PAYLOADS.length + 1));
  await walk(page, '/');
  await expect(page.locator('.history-list li')).toHaveCount(PAYLOADS.length + 1);
  await expectHarmless(page);
  await page.locator('.history-open').filter({ hasText: /^Faulty$/ }).click();
  await expect(page.getByTestId('error')).toHaveCount(PAYLOADS.length);
  await expect(page.locator('.route-facts')).toHaveCount(PAYLOADS.length);
  await expectHarmless(page);
  expect(outside).toEqual([]);
});

test('the same texts as names of swarms, and in the address', async ({ openTab }) => {
  const { page, outside } = await watched(openTab);
  const keys = new KeysPage(page);
  await keys.open();
  const names = [...PAYLOADS.slice(0, 8), ...PAYLOADS.slice(-2)].map((text) => text.slice(0, 60));
  for (const [at, name] of names.entries()) {
    await page.getByTestId('swarm-name').fill(name);
    await page.getByTestId('swarm-create').click();
    await expect(page.getByTestId('swarm')).toHaveCount(at + 1);
  }
  await page.getByTestId('swarm-use').last().click();
  await expectHarmless(page);
  for (const route of ['/lend', '/swarm', '/']) {
    await walk(page, route);
    await expectHarmless(page);
  }
  for (const text of PAYLOADS.slice(0, 40)) {
    const each = encodeURIComponent(text);
    await page.goto(`/?model=${each}&layers=${each}&backend=${each}&mode=${each}&storage=memory&net=${each}&wire=${each}#${each}`);
    await expect(page.getByTestId('chat-input')).toBeVisible();
    await expectHarmless(page);
  }
  expect(outside).toEqual([]);
});

test('the same texts as what a person types, as a broken file, and as the name inside a model', async ({ openTab }, info) => {
  const { page, outside } = await watched(openTab);
  const settings = new SettingsPage(page);
  for (const text of [...PAYLOADS.slice(0, 12), ...PAYLOADS.slice(-4)]) {
    // Its words are repeated in the notice that it was refused.
    await settings.import(JSON.stringify({ format: text, version: 1, conversations: [] }), 'not imported');
    await page.locator('textarea.field').fill(text);
    await page.keyboard.press('Tab');
    await expectHarmless(page);
  }
  await walk(page, '/');
  for (const text of PAYLOADS.slice(0, 40)) {
    await page.locator('#history-search').fill(text);
    await page.getByTestId('chat-input').fill(text);
  }
  await expectHarmless(page);

  const name = '<img src=x onerror=__xss(7)>';
  const path = info.outputPath('named.gguf');
  writeSeededModel(path, { name, layers: 1, width: 64, ffn: 64 });
  const models = new ModelsPage(page);
  await models.open();
  await page.getByTestId('model-file').setInputFiles({ name: `${name}.gguf`, mimeType: '', buffer: (await import('node:fs')).readFileSync(path) });
  await expect(models.ownCards.locator('h2')).toHaveText(name);
  await page.getByTestId('model-url').fill('https://example.org/"><img src=x onerror=__xss(8)>.gguf');
  await page.getByTestId('model-open-url').click();
  await expectHarmless(page);
  expect(outside).toEqual([]);
  writeFileSync(path, '');
});
