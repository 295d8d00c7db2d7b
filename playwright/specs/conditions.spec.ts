// Lending on one's own conditions: how hard, when, and why it rests; every pause has a reason and a button.
import type { Page } from '@playwright/test';
import { type OpenTab, expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { consent } from '../pages/consent.ts';

const status = (page: Page) => page.getByTestId('lend-status');

async function lending(openTab: OpenTab, query = '', prepare?: (page: Page) => Promise<void>): Promise<Page> {
  const { page } = await openTab();
  await prepare?.(page);
  await page.goto(`/lend?backend=cpu${query}`);
  await page.getByTestId('lend-toggle').click();
  await consent(page, 'lend');
  return page;
}

test('each condition pauses with its reason, and its button goes on', async ({ openTab }) => {
  const page = await lending(openTab, '', async (page) => {
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'getBattery', { value: async () => ({ charging: false }) });
      Object.defineProperty(navigator, 'connection', { value: { type: 'cellular', saveData: false } });
    });
  });
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  for (const [box, reason] of [['lend-charging', 'battery'], ['lend-wifi', 'metered'], ['lend-idle', 'busy']] as const) {
    await page.getByTestId(box).check();
    await expect(status(page)).toHaveAttribute('data-state', 'paused');
    await expect(status(page)).toHaveAttribute('data-reason', reason);
    await status(page).getByRole('button').click();
    await expect(page.getByTestId(box)).not.toBeChecked();
    await expect(status(page)).toHaveAttribute('data-state', 'ready');
  }
});

test('outside the hours of the week lending waits', async ({ openTab }) => {
  const page = await lending(openTab);
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  await page.getByTestId('lend-schedule').check();
  const hour = new Date().getHours();
  const clock = (hours: number) => `${String((hour + hours) % 24).padStart(2, '0')}:00`;
  await page.getByTestId('schedule-from').fill(clock(2));
  await page.getByTestId('schedule-to').fill(clock(3));
  await expect(status(page)).toHaveAttribute('data-reason', 'schedule');
  await page.getByTestId('schedule-from').fill(clock(23));
  await page.getByTestId('schedule-to').fill(clock(2));
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  for (let day = 0; day < 7; day += 1) await page.getByTestId(`schedule-day-${day}`).uncheck();
  await expect(status(page)).toHaveAttribute('data-reason', 'schedule');
  await page.reload();
  await expect(page.getByTestId('schedule-from')).toHaveValue(clock(23));
});

test('at a quarter of the power each step is followed by three times its length of rest, and what was given adds up', { tag: '@timed' }, async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  // Notes when steps are posted to the compute worker, when they end, and how long they took by the worker's own word.
  const page = await lending(openTab, `&storage=memory&model=${model.id}&layers=0-${model.layers}`, async (page) => {
    await page.addInitScript(() => {
      const steps: { posted: number; ended: number; computeMs: number }[] = [];
      Object.defineProperty(globalThis, '__steps', { value: steps });
      const open = new Map<number, number>();
      globalThis.Worker = class extends Worker {
        constructor(...about: ConstructorParameters<typeof Worker>) {
          super(...about);
          // Heard before the node hears it, which does much in answer before anybody else does.
          this.addEventListener('message', ({ data }: MessageEvent) => {
            const posted = open.get(Number(data.id));
            const stepped = data.update?.Done?.Stepped;
            if (posted !== undefined && stepped) steps.push({ posted, ended: Date.now(), computeMs: stepped.compute_ms });
          });
        }

        override postMessage(message: any, ...rest: any[]) {
          if (message?.ask?.Step) open.set(Number(message.id), Date.now());
          return (super.postMessage as any)(message, ...rest);
        }
      };
    });
  });
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  await page.getByTestId('lend-power-25').check();
  await expect(page.getByTestId('lend-power')).toHaveAttribute('data-power', '25');
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', 96);
  await chat.ask('Once upon a time');
  await chat.agree();
  await chat.answer();

  const steps: { posted: number; ended: number; computeMs: number }[] = await page.evaluate(() => (globalThis as any).__steps);
  expect(steps.length).toBeGreaterThanOrEqual(48);
  const short = steps.slice(1).filter((step, at) => step.posted - steps[at]!.ended < 3 * steps[at]!.computeMs - 2);
  expect(short).toEqual([]);

  // They are drawn a few times a second, not with every token.
  await expect(async () => {
    const figures = await page.locator('section[aria-labelledby=gave-title] dd').allInnerTexts();
    const [jobs, tokens] = figures.map((text) => Number(text.replace(/[^\d]/g, '')));
    expect(jobs).toBeGreaterThanOrEqual(1);
    expect(tokens).toBeGreaterThanOrEqual(96);
    expect(figures[2]).toMatch(/^[1-9]/);
  }).toPass({ timeout: 10_000 });
  await expect(page.getByTestId('gave-energy')).toHaveText(/Wh$/);
});

test('a phone lends a small range, keeps its screen on for as long, and says how to scan', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({
    viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, serviceWorkers: 'block', permissions: ['screen-wake-lock'],
    userAgent: 'Mozilla/5.0 (Linux; Android 14) Chrome/130 Mobile',
  });
  // To this phone two of its layers are as much as it bears.
  await page.route('**/api/v1/swarm', async (route) => {
    const answer = await route.fetch();
    const swarm = await answer.json();
    for (const each of swarm.models) each.bytes = each.layers * (60 << 20);
    await route.fulfill({ response: answer, json: swarm });
  });
  await page.addInitScript(() => {
    const screens: WakeLockSentinel[] = [];
    const request = navigator.wakeLock.request.bind(navigator.wakeLock);
    navigator.wakeLock.request = async (...what) => {
      screens.push(await request(...what));
      return screens[screens.length - 1]!;
    };
    Object.assign(globalThis, { __screens: screens });
  });
  const held = () => page.evaluate(() => ((globalThis as any).__screens as WakeLockSentinel[]).filter(({ released }) => !released).length);
  await page.goto('/join?backend=cpu&storage=memory');
  await expect(page.getByTestId('lend-awake')).toBeChecked();
  await expect(page.getByTestId('scan').or(page.getByTestId('scan-none'))).toBeVisible();
  await expect(page.getByTestId('invite-note')).toHaveAttribute('data-reason', 'local');
  expect(await held()).toBe(0);
  await page.getByTestId('lend-toggle').tap();
  await consent(page, 'lend');
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  const [first, last] = await Promise.all(['first', 'last'].map((end) => page.getByTestId('lend-layers').getAttribute(`data-${end}`)));
  expect(Number(last) - Number(first) + 1, `of ${model.layers}`).toBe(2);
  await expect.poll(held).toBe(1);
  // As the browser does when something else is on the screen for a moment.
  await page.evaluate(() => (globalThis as any).__screens[0].release());
  await expect.poll(held).toBe(1);
  await page.getByTestId('lend-toggle').tap();
  await expect(status(page)).toHaveAttribute('data-state', 'off');
  await expect.poll(held).toBe(0);
});

test('a tab that lends holds a Web Lock, plays a tone only where that was asked for, and gives both back', async ({ openTab }) => {
  const page = await lending(openTab, '', async (page) => {
    await page.addInitScript(() => {
      const tones: AudioContext[] = [];
      const Inner = globalThis.AudioContext;
      Object.assign(globalThis, {
        __tones: tones,
        AudioContext: class extends Inner {
          constructor() {
            super();
            tones.push(this);
          }
        },
      });
    });
  });
  const locks = () => page.evaluate(async () => (await navigator.locks.query()).held?.filter(({ name }) => name === 'manyhands-lending').length);
  const tones = () => page.evaluate(() => ((globalThis as any).__tones as AudioContext[]).map(({ state }) => state));
  await expect(status(page)).toHaveAttribute('data-state', 'ready');
  await expect(page.locator('section[aria-labelledby=conditions-title]')).toContainText('hidden the browser may slow it down');
  expect(await locks()).toBe(1);
  expect(await tones()).toEqual([]);
  await page.getByTestId('lend-tone').check();
  await expect.poll(tones).toEqual(['running']);
  await page.getByTestId('lend-toggle').click();
  await expect(status(page)).toHaveAttribute('data-state', 'off');
  await expect.poll(tones).toEqual(['closed']);
  await expect.poll(locks).toBe(0);
});
