// The QR code on the lend page, read from a picture of the screen, brings a phone to the page that lends.
import { decodeQr } from '../fixtures/qr.ts';
import { expect, test } from '../fixtures/test.ts';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

test('a phone that scans the QR code can lend', async ({ openTab }) => {
  const desk = await openTab();
  await desk.page.goto('/lend');
  const qr = desk.page.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
  const link = decodeQr(await qr.screenshot());
  expect(await desk.page.getByTestId('invite-link').getAttribute('href')).toBe(link);

  const phone = await openTab(PHONE);
  await phone.page.goto(link);
  await expect(phone.page.getByTestId('lend-toggle')).toBeVisible();
  await expect(phone.page.getByTestId('lend-status')).toHaveAttribute('data-state', 'off');
});
