// Swarms of one's own over the mesh: what is granted in one browser is seen in another, "my devices" are the members'
// devices and nobody else's, a role that is taken away ends the work, and a key alone brings its swarms back.
import type { Locator, Page } from '@playwright/test';
import { type OpenTab, expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { KeysPage } from '../pages/keys.ts';
import { LendPage } from '../pages/lend.ts';
import { lent, online } from '../pages/shown.ts';
import { walk } from '../pages/walk.ts';

const PASSPHRASE = 'seven horses and a lamp';
const TOKENS = 16;

const member = (swarm: Locator, role: string) => swarm.locator(`[data-testid=member][data-role=${role}]`);

/** A browser of its own that has founded a swarm. */
async function owner(openTab: OpenTab, name: string): Promise<{ keys: KeysPage; swarm: Locator }> {
  const keys = new KeysPage((await openTab()).page);
  await keys.open();
  return { keys, swarm: await keys.createSwarm(name) };
}

/** Another browser, which takes up an invite of the swarm as a Worker. */
async function worker(openTab: OpenTab, swarm: Locator): Promise<KeysPage> {
  await swarm.getByTestId('invite-role').selectOption('worker');
  await swarm.getByTestId('invite-make').click();
  const invite = await swarm.getByTestId('invite-token').innerText();
  const keys = new KeysPage((await openTab()).page);
  await keys.page.goto(invite);
  await online(keys.page);
  await keys.page.getByTestId('swarm-join').click();
  await expect(keys.page.getByTestId('swarm')).toHaveAttribute('data-role', 'worker');
  return keys;
}

test('a grant in one browser is seen in another within seconds, and in every tab of both', async ({ openTab }) => {
  const { keys, swarm } = await owner(openTab, 'Orchard');
  const guest = await worker(openTab, swarm);
  // The invite was taken up elsewhere: its register comes back over the mesh, by nobody's hand.
  await expect(member(swarm, 'worker')).toHaveCount(1, { timeout: 15_000 });

  const stranger = new KeysPage((await openTab()).page);
  await stranger.open();
  await stranger.create();
  const second = new KeysPage(await guest.page.context().newPage());
  await second.open();
  await second.page.getByTestId('swarm').locator('.disclosure').click();
  await swarm.getByTestId('grant-key').fill(await stranger.page.getByTestId('identity-public').innerText());
  await swarm.getByTestId('grant-role').selectOption('admin');
  await swarm.getByTestId('grant').click();
  for (const page of [guest.page, second.page]) {
    await expect(page.locator('[data-testid=member][data-offered=admin]')).toHaveCount(1, { timeout: 15_000 });
  }
  // And it is kept there.
  await guest.page.reload();
  await guest.page.getByTestId('swarm').locator('.disclosure').click();
  await expect(guest.page.locator('[data-testid=member][data-offered=admin]')).toHaveCount(1);
  await keys.page.close();
});

test('my devices are those of my swarm, no stranger has them, and a revoked one is mine no more', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { keys, swarm } = await owner(openTab, 'Workshop');
  const guest = await worker(openTab, swarm);
  await expect(member(swarm, 'worker')).toHaveCount(1, { timeout: 15_000 });
  const id = (await swarm.getAttribute('data-swarm'))!;
  const register = await share(swarm);

  // The guest lends to the swarm, not to everybody.
  const lend = new LendPage(guest.page);
  await lend.lendTo(id, model.id, 0, model.layers);
  await expect(guest.page.getByTestId('lent-to')).toContainText('Workshop');

  const chat = new ChatPage(await keys.page.context().newPage());
  await chat.openMine(model.id, TOKENS);
  await chat.ask('Once upon a time');
  expect(await chat.answer()).not.toBe('');
  expect(await chat.hops()).toBe(1);
  const [hop] = await chat.stages();
  expect(hop!.peer).toBe(await lend.peer());

  // Everybody's swarm does not see the device.
  const outside = new ChatPage((await openTab()).page);
  await outside.page.goto('/swarm');
  await online(outside.page);
  await expect(outside.page.locator('[data-testid=coverage][data-covered="0"]').first()).toBeVisible();
  await expect(outside.page.getByTestId('peer-row')).toHaveCount(0);
  // Whoever has the register, and no role in it, sees the device and may not use it.
  const stranger = new KeysPage(outside.page);
  await stranger.open();
  await stranger.page.getByTestId('swarm-token').fill(register);
  await stranger.page.getByTestId('swarm-join').click();
  await stranger.page.getByTestId('swarm-use').click();
  // Within the app: a page that is left at once may not have written down which swarm is in use.
  await walk(stranger.page, '/swarm');
  await expect(stranger.page.getByTestId('peer-row')).toHaveCount(1, { timeout: 20_000 });
  await outside.page.goto(`/?model=${model.id}&mode=swarm&backend=cpu&max_tokens=${TOKENS}`);
  await outside.ask('May I?');
  // Its members are asked about, not strangers.
  await expect(outside.page.locator('[data-testid=consent-dialog][data-for=swarm] [data-among]')).toHaveAttribute('data-among', 'members');
  await outside.agree();
  await expect(outside.lastAnswer).toHaveAttribute('data-state', 'error', { timeout: 20_000 });
  await expect(outside.lastAnswer).toHaveAttribute('data-reason', 'not_allowed');
  await expect(outside.lastAnswer.locator('.fault-detail')).toContainText('do not work for strangers');
  await expect(outside.lastAnswer.getByTestId('error')).toHaveAttribute('data-reason', 'barred_stranger');

  // The role is taken away: the device stops and says why, and is nobody's way to an answer any more.
  await member(swarm, 'worker').getByTestId('member-revoke').click();
  await expect(guest.page.getByTestId('lend-toggle')).toHaveAttribute('aria-pressed', 'false', { timeout: 15_000 });
  await expect(guest.page.locator('[data-testid=error][data-reason=no_role]')).toBeVisible();
  await chat.ask('And now?');
  await expect(chat.lastAnswer).toHaveAttribute('data-state', /waiting|error/);
  await expect(chat.lastAnswer).toHaveAttribute('data-reason', /no_route|not_allowed/);
  // Nor does it get in again by trying.
  await guest.page.getByTestId('lend-toggle').click();
  await expect(guest.page.getByTestId('lend-status')).toHaveAttribute('data-state', 'error');
  await expect(guest.page.getByTestId('lend-status')).toHaveAttribute('data-reason', 'not_allowed');
});

test('other terms hold for what is lent already, from the page that lends and from another tab', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { keys, swarm } = await owner(openTab, 'Mill');
  const guest = await worker(openTab, swarm);
  await expect(member(swarm, 'worker')).toHaveCount(1, { timeout: 15_000 });
  const lend = new LendPage(guest.page);
  await lend.lendTo((await swarm.getAttribute('data-swarm'))!, model.id, 0, model.layers);
  const peer = await lend.peer();

  const chat = new ChatPage(await keys.page.context().newPage());
  await chat.openMine(model.id, TOKENS);
  await chat.ask('Once upon a time');
  expect(await chat.answer()).not.toBe('');

  // The lender takes nobody's text any more but their own: without a word to the running loan but this.
  await guest.page.locator('.side a[href="/keys"]').click();
  await setPrivacy(guest.page, 'mine');
  await chat.ask('And now?');
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'error', { timeout: 30_000 });
  await expect(chat.lastAnswer).toHaveAttribute('data-reason', /not_allowed|no_route/);

  // And back, in another tab of the same browser.
  const second = new KeysPage(await guest.page.context().newPage());
  await second.open();
  await setPrivacy(second.page, 'members');
  await expect(async () => {
    await chat.ask('Once more');
    await expect(chat.lastAnswer).toHaveAttribute('data-state', 'done', { timeout: 10_000 });
  }).toPass({ timeout: 60_000 });
  const [hop] = await chat.stages();
  expect(hop!.peer, 'the loan was never ended').toBe(peer);
  await guest.page.locator('.side a[href="/lend"]').click();
  await lent(guest.page);
});

test('a browser with nothing but the sealed key finds the swarms of the key again', async ({ openTab }) => {
  const { keys, swarm } = await owner(openTab, 'Harbour');
  const file = await keys.export(PASSPHRASE);
  const id = (await swarm.getAttribute('data-swarm'))!;
  await swarm.getByTestId('invite-make').click();
  await expect(swarm.getByTestId('invite-token')).toBeVisible();
  await expect(swarm.getByTestId('register-published')).toHaveAttribute('data-sequence', '1', { timeout: 20_000 });
  // Nobody is there to ask: only the relay is.
  await keys.page.context().close();

  const again = new KeysPage((await openTab()).page);
  await again.open();
  await again.import(file, PASSPHRASE);
  await expect(again.identity).toHaveAttribute('data-state', 'ready');
  const found = again.page.locator(`[data-testid=swarm][data-swarm="${id}"]`);
  await expect(found).toHaveAttribute('data-role', 'owner', { timeout: 25_000 });
  await found.locator('.disclosure').click();
  await expect(found.locator('[data-testid=member][data-offered=worker]')).toHaveCount(1);
  // It is kept, and ruled from here on.
  await again.page.reload();
  await found.locator('.disclosure').click();
  await found.getByTestId('swarm-halt').click();
  await expect(found.getByTestId('swarm-lift')).toBeVisible();
});

/** Sets whose text this device sees in the one swarm that is there. */
async function setPrivacy(page: Page, privacy: 'mine' | 'members'): Promise<void> {
  const swarm = page.getByTestId('swarm');
  const form = swarm.getByTestId('policy');
  if (!(await form.isVisible())) await swarm.locator('.disclosure').click();
  await form.locator('summary').click();
  await swarm.getByTestId('policy-privacy').selectOption(privacy);
  await swarm.getByTestId('policy-save').click();
  await expect(form.locator('[role=status]')).not.toBeEmpty();
}

async function share(swarm: Locator): Promise<string> {
  await swarm.getByTestId('register-share').click();
  await expect(swarm.getByTestId('invite-token')).toBeVisible();
  return swarm.getByTestId('invite-token').innerText();
}
