// The relay's own links: the claim that makes an owner, the invite that gives a role, and the one that any page shows.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from '@playwright/test';
import { testModel } from '../fixtures/paths.ts';
import { decodeQr } from '../fixtures/qr.ts';
import { Relay } from '../fixtures/relay.ts';
import { type Tab, test as base, expect } from '../fixtures/test.ts';
import { KeysPage } from '../pages/keys.ts';
import { minted } from '../pages/shown.ts';

/** A relay that no other test has claimed. */
const test = base.extend<{ own: Relay; other: Relay }>({
  own: ({}, use) => withRelay(use),
  other: ({}, use) => withRelay(use),
});

async function withRelay(use: (relay: Relay) => Promise<void>): Promise<void> {
  const relay = await Relay.start([testModel()]);
  await use(relay);
  await relay.stop();
}

const refusal = (within: Page | Locator, reason: string) => within.locator(`[data-testid="error"][data-reason="${reason}"]`);

/** The browser writes down each answer that says no: what it said of the invites is expected, and nothing else. */
function expectRefusals(tab: Tab): void {
  const said = tab.complaints.splice(0);
  expect(said.length).toBeGreaterThan(0);
  for (const complaint of said) expect(complaint).toMatch(/status of 40[34].*\/api\/v1\/invite/);
}

async function expectBareAddress(page: Page, path: string): Promise<void> {
  await expect.poll(() => page.evaluate(() => location.pathname + location.search + location.hash)).toBe(path);
}

test('the claim link makes the person the owner, once, and says why it no longer does', async ({ own, other, openTab }) => {
  const link = await own.claimLink();
  expect(link).toMatch(new RegExp(`^${own.url}/keys#claim\\.v1\\.[\\w-]{22}$`));
  const { page } = await openTab();
  await page.goto(link);
  const claim = page.getByTestId('claim');
  await expect(claim).toHaveAttribute('data-state', 'offered');
  await expectBareAddress(page, '/keys');
  const keys = new KeysPage(page);
  await expect(keys.identity, 'no key before a yes').toHaveAttribute('data-state', 'none');

  await claim.getByTestId('claim-accept').click();
  await expect(claim).toHaveAttribute('data-state', 'done');
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  const { owner } = (await (await fetch(`${own.url}/api/v1/claim`)).json()) as { owner: string };
  expect(owner).toBe(await keys.id());
  const swarm = page.getByTestId('swarm');
  await expect(swarm).toHaveAttribute('data-role', 'owner');
  await swarm.locator('.disclosure').click();
  await expect(page.getByTestId('member'), 'the founder is gone').toHaveCount(1);

  // The owner once more: nothing changes.
  await page.goto('about:blank');
  await page.goto(link);
  await expect(claim).toHaveAttribute('data-state', 'mine');
  await claim.getByTestId('claim-accept').click();
  await expect(claim).toHaveAttribute('data-state', 'done');
  await expect(swarm).toHaveCount(1);
  await expect(swarm).toHaveAttribute('data-role', 'owner');

  // Somebody else is refused, and gets no key.
  const late = new KeysPage((await openTab()).page);
  await late.page.goto(link);
  await expect(refusal(late.page, 'claimed')).toBeVisible();
  await expect(late.page.getByTestId('claim-accept')).toHaveCount(0);
  await expect(late.identity).toHaveAttribute('data-state', 'none');
  await expectBareAddress(late.page, '/keys');
  expect(() => own.invite('worker'), 'roles are the owner\'s to give now').toThrow(/has an owner/);

  // Another relay is not even told the secret.
  const strange = (await openTab()).page;
  const told: string[] = [];
  strange.on('request', (request) => told.push(request.postData() ?? ''));
  await strange.goto(link.replace(own.url, other.url));
  await expect(refusal(strange, 'claim_secret')).toBeVisible();
  expect(told.filter((each) => each.includes(link.split('.v1.')[1]!))).toEqual([]);
  await expect(strange.getByTestId('claim-accept')).toHaveCount(0);
});

test('a claim link opened without the relay can be tried again', async ({ own, openTab }) => {
  const tab = await openTab();
  await tab.page.route('**/api/v1/claim', (route) => route.abort());
  await tab.page.goto(await own.claimLink());
  const claim = tab.page.getByTestId('claim');
  await expect(claim.getByTestId('error')).toHaveAttribute('data-code', 'relay_unreachable');
  await tab.page.unroute('**/api/v1/claim');
  await claim.getByRole('button', { name: 'Try again' }).click();
  await expect(claim).toHaveAttribute('data-state', 'offered');
  expect(tab.complaints.splice(0).every((complaint) => complaint.includes('/api/v1/claim'))).toBe(true);
});

test('a worker who claims the swarm becomes its owner', async ({ own, openTab }) => {
  const { page } = await openTab();
  await page.goto(own.invite('worker'));
  await page.getByTestId('invited-accept').click();
  await expect(page.getByTestId('invited')).toHaveAttribute('data-state', /^(done|joined)$/);
  await page.goto(await own.claimLink());
  await page.getByTestId('claim-accept').click();
  await expect(page.getByTestId('claim')).toHaveAttribute('data-state', 'done');
  await expect(page.getByTestId('swarm')).toHaveCount(1);
  await expect(page.getByTestId('swarm')).toHaveAttribute('data-role', 'owner');
});

for (const role of ['coordinator', 'Worker']) {
  test(`whoever opens an invite from the command line first is a ${role.toLowerCase()}, and nobody else`, async ({ own, openTab }) => {
    const link = own.invite(role);
    expect(link).toMatch(new RegExp(`^${own.url}/join#v1\\.[\\w-]{22}$`));
    const { page } = await openTab();
    await page.goto(link);
    const invited = page.getByTestId('invited');
    await expect(invited).toHaveAttribute('data-state', /^(offered|read)$/);
    await expect(invited).toHaveAttribute('data-role', role.toLowerCase());
    await expectBareAddress(page, '/join');
    await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online');

    await invited.getByTestId('invited-accept').click();
    await expect(invited).toHaveAttribute('data-state', /^(done|joined)$/);
    await page.goto(`${own.url}/keys`);
    await expect(page.getByTestId('swarm')).toHaveAttribute('data-role', role.toLowerCase());
    await expect(page.getByTestId('identity-id')).toHaveAttribute('data-state', 'ready');
    await page.reload();
    await expect(page.getByTestId('swarm')).toHaveAttribute('data-role', role.toLowerCase());

    const late = await openTab();
    await late.page.goto(link);
    await late.page.getByTestId('invited-accept').click();
    await expect(refusal(late.page, 'used')).toBeVisible();
    expectRefusals(late);
    await late.page.goto(`${own.url}/keys`);
    await expect(late.page.getByTestId('identity-id')).toBeVisible();
    await expect(late.page.getByTestId('swarm')).toHaveCount(0);
  });
}

test('an invite that ended, was made up or is another relay\'s says so and leaves nothing', async ({ own, other, openTab }) => {
  const ended = own.invite('worker');
  const folder = join(own.data, 'invites');
  for (const name of readdirSync(folder)) {
    const invite = JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
    writeFileSync(join(folder, name), JSON.stringify({ ...invite, expires_unix_s: 1 }));
  }
  const cases = [
    [ended, 'invite_expired'],
    [`${own.url}/join#v1.${'A'.repeat(22)}`, 'invite_unknown'],
    [other.invite('worker').replace(other.url, own.url), 'invite_unknown'],
  ] as const;
  for (const [link, reason] of cases) {
    const tab = await openTab();
    await tab.page.goto(link);
    await expect(refusal(tab.page, reason)).toBeVisible();
    await expectBareAddress(tab.page, '/join');
    await expect(tab.page.getByTestId('invited-accept')).toHaveCount(0);
    await expect(tab.page.getByTestId('lend-toggle')).toBeVisible();
    expectRefusals(tab);
    await tab.page.goto(`${own.url}/keys`);
    await expect(tab.page.getByTestId('identity-id')).toHaveAttribute('data-state', 'none');
    await expect(tab.page.getByTestId('swarm')).toHaveCount(0);
  }
});

test('the page shows an invite of its own, which a phone reads off the screen', async ({ own, openTab }) => {
  const desk = (await openTab()).page;
  await desk.goto(`${own.url}/lend`);
  const qr = desk.getByTestId('invite-qr');
  await qr.scrollIntoViewIfNeeded();
  const link = await minted(desk);
  expect(link).toMatch(new RegExp(`^${own.url}/join#v1\\.[\\w-]{22}$`));
  expect(decodeQr(await qr.screenshot())).toBe(link);
  // Version 6 has 41 modules on a side, and 4 of white around them.
  const side = Number((await qr.getAttribute('viewBox'))!.split(' ')[2]);
  expect(side).toBeLessThanOrEqual(41 + 8);

  const { page } = await openTab({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await page.goto(link!);
  const invited = page.getByTestId('invited');
  await expect(invited).toHaveAttribute('data-state', /^(offered|read)$/);
  await expect(invited).toHaveAttribute('data-role', '');
  await expectBareAddress(page, '/join');
  const { swarm } = (await (await fetch(`${own.url}/api/v1/swarm`)).json()) as { swarm: { id: string } };
  await expect(invited).toContainText(swarm.id);
  await expect(page.getByTestId('invited-accept')).toHaveCount(0);
  await expect(page.getByTestId('lend-toggle')).toBeVisible();

  // A link of the same relay that is followed on the page works like one that was opened.
  await page.evaluate((to) => { location.hash = new URL(to).hash; }, own.invite('worker'));
  await expect(invited).toHaveAttribute('data-role', 'worker');
  await expectBareAddress(page, '/join');
});

test('where the relay makes no invites the page shows its plain address', async ({ own, openTab }) => {
  const { page, complaints } = await openTab();
  await page.route('**/api/v1/invite/mint', (route) => route.fulfill({ status: 405 }));
  await page.goto(`${own.url}/lend`);
  await expect(page.getByTestId('invite-link')).toHaveAttribute('href', `${own.url}/join`);
  await expect(page.getByTestId('invite-qr')).toBeVisible();
  expect(complaints.splice(0).every((complaint) => complaint.includes('/api/v1/invite/mint'))).toBe(true);
});
