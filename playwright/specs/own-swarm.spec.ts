// A swarm of one's own: founded, joined by an invite with a role, ruled by the register, which says why it says no.
import type { Locator } from '@playwright/test';
import { expect, test } from '../fixtures/test.ts';
import { KeysPage } from '../pages/keys.ts';

const member = (swarm: Locator, role: string) => swarm.locator(`[data-testid=member][data-role=${role}]`);
const refusal = (swarm: Locator, reason: string) => swarm.locator(`[data-testid=error][data-reason=${reason}]`);

test('a swarm is founded and kept, and its last Owner stays', async ({ openTab }) => {
  const keys = new KeysPage((await openTab()).page);
  await keys.open();
  const swarm = await keys.createSwarm('Home');
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  await expect(swarm).toHaveAttribute('data-role', 'owner');
  await expect(member(swarm, 'owner')).toHaveCount(1);
  for (const button of ['swarm-resign', 'member-kick', 'member-revoke']) {
    await swarm.getByTestId(button).click();
    await expect(swarm.getByTestId('error')).toHaveAttribute('data-reason', /^(last_owner|on_oneself)$/);
  }
  await swarm.getByTestId('member-role').selectOption('worker');
  await expect(swarm.getByTestId('error')).toHaveAttribute('data-reason', /^(last_owner|on_oneself)$/);

  await swarm.getByTestId('swarm-halt').click();
  await expect(swarm.getByTestId('swarm-lift')).toBeVisible();
  await keys.page.reload();
  await swarm.locator('.disclosure').click();
  await swarm.getByTestId('swarm-lift').click();
  await expect(swarm.getByTestId('swarm-halt')).toBeVisible();
});

test('an invite gives its role once, the register travels, and roles rule what is below them', async ({ openTab }) => {
  const owner = new KeysPage((await openTab()).page);
  await owner.open();
  const ours = await owner.createSwarm('Garden');
  await ours.getByTestId('invite-role').selectOption('coordinator');
  await ours.getByTestId('invite-make').click();
  const invite = await ours.getByTestId('invite-token').innerText();

  // The link alone fills the field; the role is taken up by the button.
  const guest = new KeysPage((await openTab()).page);
  await guest.page.goto(invite);
  await expect(guest.page.getByTestId('swarm-token')).toHaveValue(/^s1\./);
  expect(guest.page.url()).not.toContain('#');
  await expect(guest.identity).toHaveAttribute('data-state', 'none');
  await guest.page.getByTestId('swarm-join').click();
  const theirs = guest.page.getByTestId('swarm').filter({ hasText: 'Garden' });
  await expect(theirs).toHaveAttribute('data-role', 'coordinator');

  // A Coordinator gives and takes Workers' roles and no others.
  const stranger = new KeysPage((await openTab()).page);
  await stranger.open();
  await stranger.create();
  const key = await stranger.page.getByTestId('identity-public').innerText();
  await theirs.getByTestId('grant-key').fill(key);
  await theirs.getByTestId('grant-role').selectOption('admin');
  await theirs.getByTestId('grant').click();
  await expect(refusal(theirs, 'rank')).toBeVisible();
  await theirs.getByTestId('grant-key').fill('p_nonsense');
  await theirs.getByTestId('grant').click();
  await expect(theirs.getByTestId('error')).toHaveAttribute('data-code', 'bad_request');
  await theirs.getByTestId('grant-key').fill(key);
  await theirs.getByTestId('grant-role').selectOption('worker');
  await theirs.getByTestId('grant').click();
  await expect(theirs.getByTestId('member')).toHaveCount(3);
  await member(theirs, 'owner').getByTestId('member-kick').click();
  await expect(refusal(theirs, 'rank')).toBeVisible();

  // The register goes back to the Owner, who then sees everybody, and on to the stranger, who accepts.
  await theirs.getByTestId('register-share').click();
  const register = await theirs.getByTestId('invite-token').innerText();
  await owner.page.getByTestId('swarm-token').fill(register);
  await owner.page.getByTestId('swarm-join').click();
  await expect(member(ours, 'coordinator')).toHaveCount(1);
  await stranger.page.getByTestId('swarm-token').fill(register);
  await stranger.page.getByTestId('swarm-join').click();
  const third = stranger.page.getByTestId('swarm').filter({ hasText: 'Garden' });
  await third.getByTestId('role-accept').click();
  await expect(third).toHaveAttribute('data-role', 'worker');

  // Once is once.
  const late = new KeysPage((await openTab()).page);
  await late.open();
  await late.page.getByTestId('swarm-token').fill(invite);
  await late.page.getByTestId('swarm-join').click();
  const copied = late.page.getByTestId('swarm').filter({ hasText: 'Garden' });
  await expect(copied).toHaveAttribute('data-role', 'coordinator');
  await late.page.getByTestId('swarm-token').fill(register);
  await late.page.getByTestId('swarm-join').click();
  // Two took the same invite up: every register that sees both keeps one of them.
  await expect(member(copied, 'coordinator')).toHaveCount(1);

  await member(ours, 'coordinator').getByTestId('member-block').click();
  await expect(member(ours, 'coordinator')).toHaveCount(0);
  await ours.getByTestId('invite-role').selectOption('owner');
  await ours.getByTestId('invite-make').click();
  await expect(ours.getByTestId('invite-token')).toContainText('#s1.');
});

test('terms of work are kept, and the floor cannot be removed', async ({ openTab }) => {
  const keys = new KeysPage((await openTab()).page);
  await keys.open();
  const swarm = await keys.createSwarm('Terms');
  await swarm.getByTestId('policy').locator('summary').click();
  await swarm.getByTestId('policy-who').selectOption('members');
  await swarm.getByTestId('policy-reserved').fill('0');
  await swarm.getByTestId('policy-reserved').blur();
  await swarm.getByTestId('policy-save').click();
  await expect(refusal(swarm, 'floor')).toBeVisible();
  await swarm.getByTestId('policy-reserved').fill('10');
  await swarm.getByTestId('policy-reserved').blur();
  await swarm.getByTestId('policy-save').click();
  await expect(swarm.getByTestId('error')).toHaveCount(0);
  await keys.page.reload();
  await swarm.locator('.disclosure').click();
  await swarm.getByTestId('policy').locator('summary').click();
  await expect(swarm.getByTestId('policy-who')).toHaveValue('members');
  await expect(swarm.getByTestId('policy-reserved')).toHaveValue('10');
});

test('text that is neither an invite nor a register changes nothing and says so', async ({ openTab }) => {
  const keys = new KeysPage((await openTab()).page);
  await keys.open();
  for (const text of ['hello', 's1.', 's1.AAAA', `s1.${'A'.repeat(5000)}`, 'https://x.example/join#v1.AAAAAAAAAAAAAAAAAAAAAA']) {
    await keys.page.getByTestId('swarm-token').fill(text);
    await keys.page.getByTestId('swarm-join').click();
    await expect(keys.page.getByTestId('error')).toHaveAttribute('data-reason', 'unsound');
    await expect(keys.page.getByTestId('swarm')).toHaveCount(0);
  }
});
