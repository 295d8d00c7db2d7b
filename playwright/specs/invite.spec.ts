// The QR code on the lend page, read from a picture of the screen, brings a phone to the page that lends.
import type { Page } from '@playwright/test';
import { testModel } from '../fixtures/paths.ts';
import { decodeQr } from '../fixtures/qr.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';
import { lent, minted } from '../pages/shown.ts';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const PROMPT = 'Once upon a time';
const TOKENS = 32;
/** A phone's line away from home ("Fast 4G"): how long it takes there and back, and how much it carries. */
const LINE = { tripMs: 170, bytesPerMs: 1_100 };
/** From the code to lending, without the model's bytes; a third is left to connecting and computing. */
const MOST_ON_THE_LINE_MS = 10_000;

/** What a camera reads off the screen. */
async function scan(desk: Page): Promise<string> {
  const qr = desk.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
  await minted(desk);
  return decodeQr(await qr.screenshot());
}

test('a phone that scans the QR code can lend', async ({ openTab }) => {
  const desk = await openTab();
  await desk.page.goto('/lend');
  const link = await scan(desk.page);
  expect(await desk.page.getByTestId('invite-link').getAttribute('href')).toBe(link);

  const phone = await openTab(PHONE);
  await phone.page.goto(link);
  await expect(phone.page.getByTestId('lend-toggle')).toBeVisible();
  await expect(phone.page.getByTestId('lend-status')).toHaveAttribute('data-state', 'off');
});

test('the camera in the app reads the code of another screen, shows where it leads, and turns itself off', async ({ openTab }) => {
  const desk = await openTab();
  await desk.page.goto('/lend');
  const qr = desk.page.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
  const picture = (await qr.screenshot()).toString('base64');
  const link = await scan(desk.page);

  const { page: phone } = await openTab(PHONE);
  // A camera that sees the picture, and a reader as browsers on phones have one.
  await phone.exposeFunction('readPicture', (png: string) => {
    try {
      return decodeQr(Buffer.from(png, 'base64'));
    } catch {
      return null;
    }
  });
  await phone.addInitScript((picture) => {
    const tracks: MediaStreamTrack[] = [];
    Object.assign(globalThis, { cameraTracks: tracks });
    navigator.mediaDevices.getUserMedia = async () => {
      const seen = new Image();
      seen.src = `data:image/png;base64,${picture}`;
      await seen.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [seen.width, seen.height];
      setInterval(() => canvas.getContext('2d')!.drawImage(seen, 0, 0), 50);
      const stream = canvas.captureStream(20);
      tracks.push(...stream.getTracks());
      return stream;
    };
    Object.assign(globalThis, {
      BarcodeDetector: class {
        async detect(video: HTMLVideoElement) {
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
          if (canvas.width === 0) return [];
          canvas.getContext('2d')!.drawImage(video, 0, 0);
          const rawValue = await (globalThis as any).readPicture(canvas.toDataURL('image/png').split(',')[1]);
          return rawValue === null ? [] : [{ rawValue }];
        }
      },
    });
  }, picture);
  await phone.goto('/lend');
  await phone.getByTestId('scan').tap();
  await expect(phone.getByTestId('scan-link')).toHaveAttribute('href', link);
  await expect(phone.locator('video')).toHaveCount(0);
  expect(await phone.evaluate(() => ((globalThis as any).cameraTracks as MediaStreamTrack[]).map(({ readyState }) => readyState))).toEqual(['ended']);
  // Nothing opens by itself.
  expect(new URL(phone.url()).pathname).toBe('/lend');
});

test('a phone that scans the QR code lends after two taps, and computes a third of the next answer', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const [first, second, last] = thirds(model.layers);
  const desk = new LendPage((await openTab()).page);
  await desk.lend(model.id, ...first);
  await new LendPage((await openTab()).page).lend(model.id, ...second);

  // Which layers is for the tests to say; a phone would choose those that are lent least.
  const link = new URL(await scan(desk.page));
  link.search = new URLSearchParams({ layers: last.join('-'), backend: 'cpu', storage: 'memory' }).toString();
  const { page: phone } = await openTab(PHONE);
  const transfers: Promise<{ path: string; bytes: number }>[] = [];
  phone.on('requestfinished', (request) => {
    const path = new URL(request.url()).pathname;
    transfers.push(request.sizes().then(({ responseBodySize, responseHeadersSize }) => ({ path, bytes: responseBodySize + responseHeadersSize })));
  });
  await phone.goto(link.href);
  await phone.getByTestId('lend-toggle').tap();
  await phone.locator('[data-testid=consent-dialog][data-for=lend]').getByTestId('consent-accept').tap();
  const agreed = Date.now();
  await lent(phone);
  console.log(`figure: a phone is ready: ${Date.now() - agreed} ms after it agreed`);
  const asked = await Promise.all(transfers);
  const bytes = asked.filter(({ path }) => !path.startsWith('/models/')).reduce((sum, transfer) => sum + transfer.bytes, 0);
  // As if each waited for the one before.
  const onTheLine = asked.length * LINE.tripMs + bytes / LINE.bytesPerMs;
  console.log(`figure: from the code to lending on a phone's line: ${asked.length} trips and ${bytes} bytes, ${Math.round(onTheLine)} ms at most`);
  expect(bytes, 'the app itself is counted').toBeGreaterThan(1_000_000);
  expect(onTheLine).toBeLessThan(MOST_ON_THE_LINE_MS);

  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  const stages = await chat.stages();
  expect(stages.map(({ first, last }) => [first, last + 1])).toEqual([first, second, last]);
  expect(new Set(stages.map(({ peer }) => peer)).size).toBe(3);
  expect(Date.now() - agreed, 'a job within a minute').toBeLessThan(60_000);
});
