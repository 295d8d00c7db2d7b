// The embed's own window: it works for a frame that no loader made, and keeps a signed receipt of the agreement where the
// browser lets it.
import type { Page } from '@playwright/test';
import type { Host } from '../fixtures/host.ts';
import { test } from '../fixtures/site.ts';
import { type OpenTab, expect } from '../fixtures/test.ts';

/** What a site without any script pastes. */
const plain = (relay: string) => `<script>globalThis.said = []; addEventListener('message', ({ data }) => said.push(data));</script>
  <iframe src="${relay}/embed/v1?services=lend,chat&lang=en" title="Donate GPU time" width="320" height="120"
    sandbox="allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox" allow="screen-wake-lock"></iframe>`;

const frame = (page: Page) => page.frameLocator('iframe');

/** The window that a click on the frame opens, where the person has agreed. */
async function agree(page: Page, service: 'lend' | 'chat' = 'lend'): Promise<Page> {
  const popup = page.context().waitForEvent('page');
  await frame(page).getByTestId(`embed-${service}`).click();
  const window = await popup;
  await expect(window.getByTestId('consent-accept')).toHaveAttribute('aria-disabled', 'false');
  await window.getByTestId('consent-accept').click();
  return window;
}

async function visit(openTab: OpenTab, host: Host): Promise<Page> {
  const { page } = await openTab();
  await page.goto(host.origin);
  return page;
}

test('a plain frame lends and stops without a loader, and tells the page around it nothing', async ({ relay, host, openTab }) => {
  host.show(plain(relay.url));
  const page = await visit(openTab, host);
  const main = frame(page).getByTestId('embed');
  await expect(main).toHaveAttribute('data-state', 'idle');
  const window = await agree(page);
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'working');
  await expect(main).toHaveAttribute('data-state', 'working');
  await frame(page).getByTestId('embed-stop').click();
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'stopped');
  expect(await page.evaluate(() => (globalThis as any).said)).toEqual([]);
});

test('each agreement leaves a signed receipt in the browser, which the app lists and does not take for its own', async ({ relay, host, openTab }) => {
  host.show(plain(relay.url));
  const page = await visit(openTab, host);
  for (const service of ['lend', 'chat'] as const) {
    const window = await agree(page, service);
    await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'working');
    await expect(window.getByTestId('embed-receipt')).toHaveAttribute('data-kept', 'true');
    await window.close();
    await expect(frame(page).getByTestId('embed')).toHaveAttribute('data-state', 'idle');
  }
  // The app in the same browser: it reads each receipt with its signature, under Keys.
  const app = await page.context().newPage();
  await app.goto(`${relay.url}/keys`);
  await expect(app.getByTestId('identity-id')).toHaveAttribute('data-state', 'ready');
  const listed = app.getByTestId('receipt');
  await expect(listed).toHaveCount(2);
  // Each window asks anew, and so does the app.
  for (const one of await listed.all()) {
    await expect(one).toHaveAttribute('data-signed', 'true');
    await expect(one).not.toHaveAttribute('data-state', 'counts');
  }
  await app.goto(`${relay.url}/lend`);
  await app.getByTestId('lend-toggle').click();
  await expect(app.getByTestId('consent-dialog')).toBeVisible();
});

test('where the browser keeps nothing, the window says that there is no receipt, and goes on', async ({ relay, host, openTab }) => {
  host.show(plain(relay.url));
  const { page } = await openTab();
  await page.context().addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('refused', 'SecurityError');
    };
  });
  await page.goto(host.origin);
  const window = await agree(page);
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'working');
  await expect(window.getByTestId('embed-receipt')).toHaveAttribute('data-kept', 'false');
  await expect(window.getByTestId('embed-receipt')).toHaveText(/keeps no receipt/);
});

test('a window that is stopped while it loads says that it stopped, and not that it failed', async ({ relay, host, openTab }) => {
  host.show(plain(relay.url));
  const page = await visit(openTab, host);
  let come = () => {};
  const held = new Promise<void>((resolve) => (come = resolve));
  await page.context().route('**/models/**', async (route) => {
    await held;
    await route.continue().catch(() => {});
  });
  const window = await agree(page);
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'loading');
  await window.getByTestId('embed-stop').click();
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'stopped');
  come();
  await window.waitForTimeout(500);
  await expect(window.getByTestId('embed')).toHaveAttribute('data-state', 'stopped');
  await expect(window.getByRole('alert')).toHaveCount(0);
});
