// The embed on other people's pages: nothing before a click of our own, no way round the question, and what was given
// is counted for the site.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Page } from '@playwright/test';
import { NOTHING, activity, countActivity } from '../fixtures/activity.ts';
import { seriousFaults } from '../fixtures/axe.ts';
import { Host } from '../fixtures/host.ts';
import { test } from '../fixtures/site.ts';
import { type OpenTab, expect } from '../fixtures/test.ts';

interface Tag {
  site?: string;
  services?: string;
  mode?: string;
}

const tag = (relay: string, { site = 'k_unknown', services = 'lend,chat', mode = 'popup' }: Tag = {}) =>
  `<script async src="${relay}/embed/v1.js" data-site="${site}" data-services="${services}" data-mode="${mode}" data-lang="en"></script>`;

/** A page of the host in a fresh browser, where everything is counted. */
async function visit(openTab: OpenTab, host: Host): Promise<Page> {
  const { page } = await openTab();
  await countActivity(page.context());
  await page.goto(host.origin);
  return page;
}

const frame = (page: Page) => page.frameLocator('iframe[title="Manyhands"]');

test('nothing happens before a click inside the frame, whatever the host page does', async ({ relay, host, site, openTab }) => {
  const allowed = /^\/(?:embed\/[\w.-]+|icons\/icon\.svg)$/;
  for (const options of [{}, { site }, { site, mode: 'inline' }, { site, mode: 'inline', services: 'chat' }]) {
    host.show(tag(relay.url, options));
    const { page } = await openTab();
    await countActivity(page.context());
    const fetched: string[] = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin === relay.url) fetched.push(url.pathname);
    });
    await page.goto(host.origin);
    await expect(frame(page).getByTestId('embed')).toHaveAttribute('data-state', 'idle');
    // A host that does its worst: guesses at every message, in every shape, and the loader's own controls.
    await page.evaluate(() => {
      const inner = document.querySelector('iframe')!.contentWindow!;
      const types = ['start', 'consent', 'agree', 'lend', 'begin', 'ready', 'state', 'hello', 'allow', 'duty'];
      for (let round = 0; round < 1000; round += 1) {
        const type = types[round % types.length];
        const token = round % 3 ? '0'.repeat(32) : 'x'.repeat(round % 9);
        inner.postMessage({ gpu: { v: 1, type, token, service: 'lend', agreed: true } }, '*');
        inner.postMessage({ twin: { type, agreed: true } }, '*');
        inner.postMessage({ manyhands: { v: 1, type: 'consent', agreed: true } }, '*');
      }
      const { gpu } = document.querySelector('script[data-site]') as any;
      gpu.setConfig({ theme: 'dark', lang: 'es', maxDuty: 10 });
      gpu.setConfig({ maxDuty: 1e9, start: true });
    });
    await page.waitForTimeout(500);
    expect(await activity(page)).toEqual(NOTHING);
    expect(fetched.filter((path) => !allowed.test(path))).toEqual([]);
    const kept = await page.frames()[1]!.evaluate(async () => ({
      databases: (await indexedDB.databases()).length,
      local: localStorage.length,
      session: sessionStorage.length,
      caches: (await caches.keys()).length,
      cookies: document.cookie,
    }));
    expect(kept).toEqual({ databases: 0, local: 0, session: 0, caches: 0, cookies: '' });
    await page.context().close();
  }
});

test('a visitor lends in a window of our own, the host hears of it and may stop it, and the site has its count', async ({ relay, host, site, openTab }) => {
  host.show(`${tag(relay.url, { site })}<script>
    globalThis.heard = [];
    for (const type of ['ready', 'state', 'stats', 'error']) addEventListener('gpu:' + type, ({ detail }) => heard.push([type, detail]));
  </script>`);
  const page = await visit(openTab, host);
  const popup = page.context().waitForEvent('page');
  await frame(page).getByTestId('embed-lend').click();
  const window = await popup;
  expect(await activity(window)).toEqual(NOTHING);
  await expect(window.getByTestId('consent-accept')).toHaveAttribute('aria-disabled', 'false');
  await window.getByTestId('consent-accept').click();
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'working');
  await expect(frame(page).getByTestId('embed')).toHaveAttribute('data-state', 'working');
  const states = () => page.evaluate(() => (globalThis as any).heard.filter(([type]: [string]) => type === 'state').map(([, { state }]: any) => state));
  await expect.poll(states).toEqual(expect.arrayContaining(['asking', 'loading', 'working']));

  await page.evaluate(() => (document.querySelector('script[data-site]') as any).gpu.stop());
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'stopped');
  const counts = async () => (await (await fetch(`${relay.url}/api/v1/sites/${site}/counts`)).json()) as { visits: number };
  await expect.poll(async () => (await counts()).visits).toBe(1);
});

test('a click on a question that is covered, faded, moved or too small agrees to nothing', async ({ relay, host, site, openTab }) => {
  const tricks: Record<string, string> = {
    'transparent frame': 'iframe { opacity: 0 !important }',
    'nearly transparent frame': 'iframe { opacity: 0.02 !important }',
    'transparent parent': 'body { opacity: 0.01 }',
    'a picture over it that lets clicks through': '#over { position: fixed; inset: 0; background: #fff; pointer-events: none; z-index: 9 }',
    'a picture over half of it': '#over { position: fixed; inset: 0 50% 0 0; background: #fff; pointer-events: none; z-index: 9 }',
    'scaled down': 'iframe { transform: scale(0.4); transform-origin: 0 0 }',
    'turned': 'iframe { transform: rotate(180deg) }',
    'filtered': 'iframe { filter: brightness(50) }',
    'clipped': 'iframe { clip-path: inset(40% 0 0 0) }',
    'masked': 'iframe { mask-image: linear-gradient(#000 60%, transparent 60%) }',
    'masked away': 'iframe { mask-image: linear-gradient(transparent, transparent) }',
    'blended': 'iframe { mix-blend-mode: difference } body { background: #fff }',
    'half outside the screen': 'iframe { position: absolute; inset-block-start: -60px }',
  };
  const { page } = await openTab();
  await countActivity(page.context());
  for (const [name, style] of Object.entries(tricks)) {
    host.show(`<style>${style}</style>${tag(relay.url, { site, mode: 'inline', services: 'lend' })}<div id="over"></div>`);
    await page.goto(host.origin);
    const main = frame(page).getByTestId('embed');
    const further = frame(page).getByTestId('embed-window');
    // The host gets the visitor as far as the words of the question, which ask for nothing yet.
    await frame(page).getByTestId('embed-lend').evaluate((button) => (button as HTMLElement).click());
    await further.waitFor({ state: 'attached' });
    await expect(frame(page).getByTestId('consent-accept'), name).toHaveCount(0);
    const opened = page.context().waitForEvent('page', { timeout: 5000 });
    // A click of the visitor's own where the button lies, and where that hits nothing one of a script. Either comes to
    // no more than the question in a window of our own, where it waits.
    const box = await further.boundingBox();
    if (box !== null) await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    if (await further.count()) await further.evaluate((button) => (button as HTMLElement).click());
    const window = await opened;
    await expect(main, name).toHaveAttribute('data-state', 'asking');
    await expect(window.getByTestId('consent-accept'), name).toBeAttached();
    const { workers, sockets, peers, adapters } = await activity(page);
    expect({ workers, sockets, peers, adapters }, name).toEqual({ workers: 0, sockets: 0, peers: 0, adapters: 0 });
    expect(await activity(window), name).toEqual(NOTHING);
    await window.close();
  }
});

test('a question that the frame itself shows is answered in a window of our own, and the frame stops what runs there', async ({ relay, host, site, openTab }) => {
  host.show(tag(relay.url, { site, mode: 'inline', services: 'lend' }));
  const page = await visit(openTab, host);
  await frame(page).getByTestId('embed-lend').click();
  await expect(frame(page).getByTestId('consent-dialog')).toBeVisible();
  const popup = page.context().waitForEvent('page');
  await frame(page).getByTestId('embed-window').click();
  const window = await popup;
  await expect(window.getByTestId('consent-accept')).toHaveAttribute('aria-disabled', 'false');
  await window.getByTestId('consent-accept').click();
  await expect(frame(page).getByTestId('embed')).toHaveAttribute('data-state', 'working');
  await frame(page).getByTestId('embed-stop').click();
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'stopped');
});

test('the frame and the window have no serious fault that axe knows, light and dark, in two languages', async ({ relay, host, site, openTab }) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const locale of ['en', 'ar']) {
      host.show(`<title>Host</title><main><h1>Host</h1>${tag(relay.url, { site }).replace('data-lang="en"', 'data-lang="auto"')}</main>`);
      const { page } = await openTab({ colorScheme, locale });
      await page.goto(host.origin);
      await expect(frame(page).getByTestId('embed')).toHaveAttribute('data-state', 'idle');
      expect((await seriousFaults(page)).filter((fault) => !fault.startsWith('html-has-lang')), `frame ${colorScheme} ${locale}`).toEqual([]);
      // Only now: axe opens a page of its own.
      const popup = page.context().waitForEvent('page');
      await frame(page).getByTestId('embed-lend').click();
      const window = await popup;
      await expect(window.getByTestId('consent-accept')).toBeVisible();
      expect(await seriousFaults(window), `window ${colorScheme} ${locale}`).toEqual([]);
      await page.context().close();
    }
  }
});

test('a site key works on the pages that it names and on no other', async ({ relay, host, site, openTab }) => {
  const other = await Host.start();
  other.show(tag(relay.url, { site }));
  const tab = await openTab();
  await tab.page.goto(other.origin);
  await expect(tab.page.locator('iframe')).toBeAttached();
  await expect.poll(() => tab.complaints.join('\n')).toMatch(/frame-ancestors/);
  expect(tab.page.frames()[1]?.url() ?? '').not.toContain('/embed/v1');
  await other.stop();
  host.show(tag(relay.url, { site }));
  await tab.page.goto(host.origin);
  await expect(frame(tab.page).getByTestId('embed')).toBeVisible();
  for (const complaint of tab.complaints.splice(0)) expect(complaint).toMatch(/frame-ancestors/);
});

test('the loader is small, its versions have published hashes, and it mounts once under the policy that we publish', async ({ relay, host, site, openTab }) => {
  const list = (await (await fetch(`${relay.url}/embed/v1.json`)).json()) as { newest: string; versions: { file: string; integrity: string }[] };
  for (const { file, integrity } of list.versions) {
    const answer = await fetch(`${relay.url}/embed/${file}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(`sha384-${createHash('sha384').update(bytes).digest('base64')}`).toBe(integrity);
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect(gzipSync(bytes).length).toBeLessThanOrEqual(5 * 1024);
  }
  const moving = Buffer.from(await (await fetch(`${relay.url}/embed/v1.js`)).arrayBuffer());
  const newest = Buffer.from(await (await fetch(`${relay.url}/embed/${list.newest}`)).arrayBuffer());
  expect(moving.equals(newest)).toBe(true);

  const { integrity } = list.versions.find(({ file }) => file === list.newest)!;
  const pinned = `<script async src="${relay.url}/embed/${list.newest}" data-site="${site}" integrity="${integrity}" crossorigin="anonymous"></script>`;
  host.show(pinned + tag(relay.url, { site }), { 'content-security-policy': `default-src 'none'; script-src ${relay.url}; frame-src ${relay.url}; img-src data:` });
  const page = await visit(openTab, host);
  await expect(page.locator('iframe')).toHaveCount(2);
  await page.waitForTimeout(300);
  await expect(page.locator('iframe')).toHaveCount(2);

  const isolated = { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-opener-policy': 'same-origin' };
  host.show(`<script async src="${relay.url}/embed/v1.js" crossorigin="anonymous" data-site="${site}"></script>`, isolated);
  await page.goto(host.origin);
  await expect(frame(page).getByTestId('embed')).toBeVisible();
});
