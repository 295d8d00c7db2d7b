// What lending owes the person who lends: a key that is not lost, a question before work in hand is dropped, a device that stays cool.
import type { Page } from '@playwright/test';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { consent } from '../pages/consent.ts';
import { LendPage } from '../pages/lend.ts';

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';

async function lend(page: Page): Promise<void> {
  await page.goto('/lend?backend=cpu');
  await expect(page.getByTestId('lend-toggle')).toBeVisible();
  await expect(page.getByTestId('keeping')).toHaveCount(0);
  await page.getByTestId('lend-toggle').click();
  await consent(page, 'lend');
  await expect(page.getByTestId('keeping')).toBeVisible();
}

test('before anything is earned the home screen and a backup are offered, once', async ({ openTab }) => {
  const { page } = await openTab();
  // The browser's offer comes before the app runs.
  await page.addInitScript(() => {
    addEventListener('DOMContentLoaded', () => {
      const offer = Object.assign(new Event('beforeinstallprompt', { cancelable: true }), {
        prompt: async () => Object.assign(globalThis, { asked: ((globalThis as any).asked ?? 0) + 1 }),
      });
      Object.assign(globalThis, { shownByBrowser: dispatchEvent(offer) });
    });
  });
  await lend(page);
  const given = page.locator('section[aria-labelledby=gave-title] dd').first();
  await expect(given).toHaveText('0');
  expect(await page.evaluate(() => (globalThis as any).shownByBrowser), 'the browser’s own banner').toBe(false);
  await page.getByTestId('keeping-install').click();
  await expect(page.getByTestId('keeping-install')).toHaveCount(0);
  expect(await page.evaluate(() => (globalThis as any).asked)).toBe(1);

  await page.getByTestId('keeping-backup').click();
  await expect(page.getByTestId('identity-export')).toBeEnabled();
  await page.locator('a[href="/lend"]').first().click();
  await expect(page.getByTestId('keeping')).toBeVisible();
  await page.getByTestId('keeping-close').click();
  await expect(page.getByTestId('keeping')).toHaveCount(0);
  await page.reload();
  await page.getByTestId('lend-toggle').click();
  await expect(page.getByTestId('lend-toggle')).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByTestId('keeping')).toHaveCount(0);
});

test('where the browser has no offer of its own, an iPhone is told the way, in its language', async ({ openTab }) => {
  for (const [locale, words] of [['en', 'Add to Home Screen'], ['es', 'Añadir a pantalla de inicio'], ['ar', 'إضافة إلى الشاشة الرئيسية']] as const) {
    const { page } = await openTab({ userAgent: IPHONE, locale });
    await lend(page);
    await expect(page.getByTestId('keeping-share')).toContainText(words);
    await expect(page.getByTestId('keeping-install')).toHaveCount(0);
  }
});

test('the browser asks before the page goes only while a token is computed for somebody', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const lender = new LendPage((await openTab()).page);
  // Each token takes long enough to leave in the middle of one.
  await lender.lend(model.id, 0, model.layers, 3_000);
  const asked: string[] = [];
  lender.page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', 16);
  await chat.ask('Once upon a time');
  await chat.agree();
  await expect.poll(() => lender.works()).toBe(true);
  await lender.page.close({ runBeforeUnload: true });
  await expect.poll(() => asked).toEqual(['beforeunload']);
  expect(lender.page.isClosed()).toBe(false);

  // Nobody waits any more: it goes without a word.
  await chat.page.context().close();
  await expect(lender.page.getByTestId('lend-status')).toHaveAttribute('data-state', 'ready', { timeout: 60_000 });
  const closed = lender.page.waitForEvent('close');
  await lender.page.close({ runBeforeUnload: true });
  await closed;
  expect(asked).toEqual(['beforeunload']);
});

/** Has each measurement in passing take `kernelMs`, and twenty seconds go by in one. */
async function heatable(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const heat = { kernelMs: 10, measured: 0 };
    Object.assign(globalThis, { heat });
    const [now, start] = [Date.now.bind(Date), Date.now()];
    Date.now = () => start + (now() - start) * 20;
    const measurements = new Set<number>();
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, message: any, ...rest: any[]) {
      if (message?.ask?.Measure) measurements.add(Number(message.id));
      return (post as any).call(this, message, ...rest);
    };
    const { set } = Object.getOwnPropertyDescriptor(Worker.prototype, 'onmessage')!;
    Object.defineProperty(Worker.prototype, 'onmessage', {
      set(this: Worker, hear: ((event: MessageEvent) => void) | null) {
        set!.call(this, hear && ((event: MessageEvent) => {
          const stepped = event.data?.update?.Done?.Stepped;
          if (stepped && measurements.delete(Number(event.data.id))) {
            stepped.compute_ms = heat.kernelMs;
            heat.measured += 1;
          }
          hear.call(this, event);
        }));
      },
    });
  });
}

test('a device that becomes slower is let down step by step, says why, and comes back', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab();
  await heatable(page);
  const lender = new LendPage(page);
  await lender.lend(model.id, 0, model.layers, 100);
  const status = page.getByTestId('lend-status');
  const measured = () => page.evaluate(() => (globalThis as any).heat.measured as number);
  const heat = (ms: number) => page.evaluate((ms) => Object.assign((globalThis as any).heat, { kernelMs: ms }), ms);
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', 400);
  await chat.ask('Once upon a time');
  await chat.agree();
  await expect.poll(measured).toBeGreaterThanOrEqual(5);
  await expect(status).not.toHaveAttribute('data-reason');

  await heat(14);
  await expect(status).toHaveAttribute('data-reason', 'warm');
  await expect(status).toContainText(/75\s?%/);
  await expect(status).toContainText(/50\s?%/);
  await heat(10);
  await expect(status).not.toHaveAttribute('data-reason');
  await expect(status.getByTestId('lend-whole')).toHaveCount(0);

  await heat(14);
  await expect(status).toHaveAttribute('data-reason', 'warm');
  await status.getByTestId('lend-whole').click();
  await expect(page.getByTestId('lend-cool')).not.toBeChecked();
  await expect(status).not.toHaveAttribute('data-reason');
  // What was under way then may still end.
  const more = async () => {
    const then = await measured();
    await page.waitForTimeout(1_500);
    return (await measured()) - then;
  };
  await expect.poll(more, 'nothing is measured for a guard that is off').toBe(0);
  expect(await more(), 'nor later').toBe(0);
});
