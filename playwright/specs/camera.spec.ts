// The camera in a browser that reads no codes itself: the reader comes when it is opened, reads invitations only, and nobody's camera stays on.
import { type BrowserContext, type Page, chromium } from '@playwright/test';
import { type Scene, camera, marks, picture, wall } from '../fixtures/camera.ts';
import { expect, test as base } from '../fixtures/test.ts';
import { minted } from '../pages/shown.ts';

type Film = (scene: Scene) => Promise<Page>;

/** `film` opens a phone whose camera sees a scene. */
const test = base.extend<{ film: Film }>({
  film: async ({ relay }, use, testInfo) => {
    const contexts: BrowserContext[] = [];
    await use(async (scene) => {
      const options = testInfo.project.use.launchOptions ?? {};
      const flags = camera(scene, testInfo.outputPath(`camera-${contexts.length}.y4m`));
      const browser = await chromium.launch({ ...options, args: [...(options.args ?? []), ...flags] });
      const context = await browser.newContext({
        baseURL: relay.url, permissions: ['camera'], viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true,
      });
      contexts.push(context);
      await context.addInitScript(() => {
        delete (globalThis as any).BarcodeDetector;
        const tracks: MediaStreamTrack[] = [];
        Object.assign(globalThis, { cameraTracks: tracks });
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await open(wanted);
          tracks.push(...stream.getTracks());
          return stream;
        };
      });
      return context.newPage();
    });
    await Promise.all(contexts.map((context) => context.browser()!.close()));
  },
});

const tracks = (page: Page) =>
  page.evaluate(() => ((globalThis as any).cameraTracks as MediaStreamTrack[]).map(({ readyState }) => readyState));

/** Opens the camera and waits until the reader of codes has been started. */
async function look(page: Page): Promise<void> {
  const reader = page.waitForEvent('worker');
  await page.getByTestId('scan').tap();
  await reader;
  await expect.poll(() => tracks(page)).toEqual(['live']);
}

test('a phone reads the code of another screen, with a reader that is fetched then, and lands on the page that lends', async ({ openTab, film }) => {
  const { page: desk } = await openTab();
  await desk.goto('/lend');
  const qr = desk.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
  const link = await minted(desk);
  const phone = await film(picture(await qr.screenshot()));

  const fetched: string[] = [];
  phone.on('request', (request) => fetched.push(new URL(request.url()).pathname));
  await phone.goto('/lend');
  await expect(phone.getByTestId('scan')).toBeVisible();
  expect(fetched.filter((path) => path.startsWith('/compute'))).toEqual([]);

  await phone.getByTestId('scan').tap();
  await expect(phone.getByTestId('scan-link')).toHaveAttribute('href', link);
  expect(fetched.filter((path) => path.startsWith('/compute')).length).toBeGreaterThan(0);
  // Nothing opens by itself, and nothing goes on.
  expect(new URL(phone.url()).pathname).toBe('/lend');
  await expect(phone.locator('video')).toHaveCount(0);
  expect(await tracks(phone)).toEqual(['ended']);
  await expect.poll(() => phone.workers().length).toBe(0);

  await phone.getByTestId('scan-link').tap();
  // What the code holds is not left in the address.
  await expect(phone).toHaveURL(link.split('#')[0]!);
  await expect(phone.getByTestId('lend-toggle')).toBeVisible();
});

test('the camera goes off by the button, by another page, and when nobody looks', async ({ film }) => {
  const phone = await film(wall);
  const leave: [string, () => Promise<void>][] = [
    ['the button', () => phone.getByTestId('scan').tap()],
    ['another page', () => phone.locator('.tabs a[href="/swarm"]').tap()],
    ['a hidden page', () => phone.evaluate(() => void Object.defineProperty(document, 'hidden', { configurable: true, value: true }))],
  ];
  for (const [how, go] of leave) {
    await test.step(how, async () => {
      await phone.goto('/lend');
      await look(phone);
      await go();
      await expect.poll(() => tracks(phone)).toEqual(['ended']);
      await expect.poll(() => phone.workers().length).toBe(0);
      await expect(phone.locator('video')).toHaveCount(0);
      await expect(phone.getByTestId('scan-refused')).toHaveCount(0);
    });
  }
});

test('a picture made to hold up the reader holds up nobody else', async ({ film }) => {
  const phone = await film(marks);
  await phone.goto('/lend');
  await look(phone);
  // The reader is at it; the page answers, and turns it off.
  expect(await phone.evaluate(() => new Promise((done) => setTimeout(done, 500, 'here')))).toBe('here');
  await phone.getByTestId('scan').tap();
  await expect.poll(() => tracks(phone), { timeout: 3_000 }).toEqual(['ended']);
  await expect.poll(() => phone.workers().length, { timeout: 3_000 }).toBe(0);
});

test('what is no invitation is told, and is no link', async ({ openTab }) => {
  for (const text of ['https://hands.example/pay', 'https://hands.example@evil.example/join', 'javascript:alert(1)', 'WIFI:S:home;P:x;;']) {
    const { page: phone } = await openTab();
    await phone.addInitScript((rawValue) => {
      navigator.mediaDevices.getUserMedia = async () => {
        const canvas = document.createElement('canvas');
        const pen = canvas.getContext('2d')!;
        setInterval(() => pen.fillRect(0, 0, 9, 9), 50);
        return canvas.captureStream(20);
      };
      Object.assign(globalThis, { BarcodeDetector: class { detect = async () => [{ rawValue }]; } });
    }, text);
    await phone.goto('/lend');
    await phone.getByTestId('scan').click();
    await expect(phone.getByTestId('scan-other')).toBeVisible();
    await expect(phone.getByTestId('scan-link')).toHaveCount(0);
  }
});
