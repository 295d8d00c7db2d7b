// From one screen of the app to another as a link leads there: the page is not loaded anew.
// It opens nothing: the app must be there already.
import type { Page } from '@playwright/test';

/** What a screen reads of storage and network is on it once it has not changed for so long. */
const STILL_MS = 100;
/** A screen that never stands still has shown what it shows. */
const LONGEST_MS = 2_000;

/** Goes to `route`, and waits until its screen is there and stands still. */
export async function walk(page: Page, route: string): Promise<void> {
  await page.evaluate(async ([route, still, longest]) => {
    const main = document.getElementById('main')!;
    const link = document.createElement('a');
    link.href = route;
    document.body.append(link);
    if (link.pathname !== location.pathname) link.click();
    link.remove();
    while (link.pathname !== location.pathname) await new Promise(requestAnimationFrame);
    await new Promise<void>((resolve) => {
      let timer = 0;
      const rest = () => {
        clearTimeout(timer);
        timer = window.setTimeout(end, still);
      };
      const observer = new MutationObserver(rest);
      const end = () => {
        observer.disconnect();
        resolve();
      };
      observer.observe(main, { attributes: true, childList: true, characterData: true, subtree: true });
      setTimeout(end, longest);
      rest();
    });
  }, [route, STILL_MS, LONGEST_MS] as const);
}
