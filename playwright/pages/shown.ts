// Waiting for what a page shows, told by the page at once: who asks from outside now and then hears of it half a second late.
// It judges nothing but the waiting: what must be true then is for the tests to say.
import { type Page, expect } from '@playwright/test';

const PATIENCE_MS = 30_000;

/** Waits until an element that matches `css` is there. */
export async function shown(page: Page, css: string, patienceMs = PATIENCE_MS): Promise<void> {
  const end = Date.now() + patienceMs;
  const look = page.evaluate(([css, patience]) => new Promise<void>((resolve) => {
    const end = () => {
      observer.disconnect();
      resolve();
    };
    const observer = new MutationObserver(() => document.querySelector(css) && end());
    observer.observe(document, { attributes: true, childList: true, characterData: true, subtree: true });
    setTimeout(end, patience);
    if (document.querySelector(css)) end();
  }), [css, patienceMs] as const);
  // Another page may take its place meanwhile, which ends the look, not the waiting.
  await look.catch(() => {});
  await expect(page.locator(css)).not.toHaveCount(0, { timeout: Math.max(1, end - Date.now()) });
}

/** Waits until the page has found its relay. */
export async function online(page: Page): Promise<void> {
  await shown(page, '[data-testid=connection][data-state=online]');
}

/** Waits until what the page lends is served. */
export async function lent(page: Page, patienceMs?: number): Promise<void> {
  await shown(page, '[data-testid=lend-status]:is([data-state=ready], [data-state=working])', patienceMs);
}

/** Waits until the page shows an invite that the relay has minted, and answers it: until then the link is the plain address. */
export async function minted(page: Page): Promise<string> {
  const link = page.getByTestId('invite-link');
  await expect(link).toHaveAttribute('href', /\/join#v1\./);
  return (await link.getAttribute('href'))!;
}
