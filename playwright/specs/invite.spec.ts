// The QR code on the lend page, read from a picture of the screen, brings a phone to the page that lends.
import type { Page } from '@playwright/test';
import { testModel } from '../fixtures/paths.ts';
import { decodeQr } from '../fixtures/qr.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { thirds } from '../fixtures/thirds.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const PROMPT = 'Once upon a time';
const TOKENS = 32;

/** What a camera reads off the screen. */
async function scan(desk: Page): Promise<string> {
  const qr = desk.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
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
  await phone.goto(link.href);
  await phone.getByTestId('lend-toggle').tap();
  await phone.locator('[data-testid=consent-dialog][data-for=lend]').getByTestId('consent-accept').tap();
  await expect(phone.getByTestId('lend-status')).toHaveAttribute('data-state', /^(ready|working)$/);

  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  const stages = await chat.stages();
  expect(stages.map(({ first, last }) => [first, last + 1])).toEqual([first, second, last]);
  expect(new Set(stages.map(({ peer }) => peer)).size).toBe(3);
});
