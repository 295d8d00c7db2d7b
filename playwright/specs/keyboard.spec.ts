// Without a mouse: models fetched, paused and deleted, code copied, a model chosen.
// What a key takes away hands the focus on: nobody begins at the top of the page again.
import type { Page } from '@playwright/test';
import { archive } from '../fixtures/archive.ts';
import { holdModels } from '../fixtures/held-line.ts';
import { expectFocus, tabTo } from '../fixtures/keyboard.ts';
import { largeModel, testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test as base } from '../fixtures/test.ts';
import { ModelsPage } from '../pages/models.ts';
import { SettingsPage } from '../pages/settings.ts';

/** A relay of its own with two models, one of them of many chunks. */
const test = base.extend<{ own: Relay }>({
  own: async ({}, use) => {
    const relay = await Relay.start([testModel(), largeModel()]);
    await use(relay);
    await relay.stop();
  },
});

const CODE = 'def rise(hours):\n    return hours * 2\n';
const TALKS = archive(
  { id: 'a', title: 'Apples', messages: [{ role: 'user', text: 'Which keep?' }] },
  { id: 'b', title: 'Bread', messages: [{ role: 'user', text: 'How?' }, { role: 'assistant', text: `So:\n\n\`\`\`python\n${CODE}\`\`\`\n\nDone.` }] },
);

const press = (page: Page, ...keys: string[]) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

test('a download is begun, paused, gone on with, put away and deleted', async ({ own, openTab }) => {
  const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  const line = await holdModels(page, 6);
  const models = new ModelsPage(page);
  await models.open();
  const card = models.card(model.id);
  const within = (testid: string) => card.getByTestId(testid);
  const button = (testid: string) => `[data-model="${model.id}"] [data-testid=${testid}]`;
  const progress = async () => Number(await within('model-progress').getAttribute('aria-valuenow'));

  await tabTo(page, button('model-download'));
  await press(page, 'Enter');
  await expectFocus(page, within('model-pause'));
  await expect.poll(progress).toBeGreaterThan(10);
  await press(page, 'Enter');
  await expect(models.jobs).toHaveAttribute('data-state', 'paused');
  await expectFocus(page, within('model-resume'));
  await expect(within('model-download'), 'one button that goes on is enough').toHaveCount(0);
  const before = await progress();
  line.allow(6);
  await press(page, 'Space');
  await expectFocus(page, within('model-pause'));
  await expect.poll(progress).toBeGreaterThan(before);
  await press(page, 'Enter');
  await expectFocus(page, within('model-resume'));
  // Put away, what has come stays.
  await press(page, 'Tab');
  await expectFocus(page, within('model-discard'));
  await press(page, 'Enter');
  await expect(models.jobs).toHaveCount(0);
  await models.expectKept(model.id, 'part');
  await expectFocus(page, within('model-download'));
  // Deleted, after a second thought.
  await tabTo(page, button('model-delete'));
  await press(page, 'Enter');
  await expect(page.locator('dialog')).toBeVisible();
  await press(page, 'Escape');
  await expect(page.locator('dialog')).toHaveCount(0);
  await expectFocus(page, within('model-delete'));
  await press(page, 'Enter');
  await tabTo(page, '[data-testid=model-delete-sure]');
  await press(page, 'Enter');
  await models.expectKept(model.id, 'none');
  await expectFocus(page, within('model-download'));
  // From its beginning to its end without another key: what then stands there has the focus.
  await page.unroute(/\/models\/[0-9a-f]{64}$/);
  await press(page, 'Enter');
  await models.expectKept(model.id, 'whole');
  await expectFocus(page, within('model-verify'));
});

test('a block of code is copied as it is', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block', permissions: ['clipboard-read', 'clipboard-write'] });
  await new SettingsPage(page).import(TALKS, '2');
  await page.goto('/');
  await tabTo(page, '.history-open');
  while ((await page.locator(':focus').innerText()) !== 'Bread') await tabTo(page, '.history-open');
  await press(page, 'Enter');
  await tabTo(page, '.code button');
  await press(page, 'Enter');
  await expect(page.locator('.code [role=status]')).toHaveText('Copied');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(CODE);
  await expectFocus(page, page.locator('.code button'));
});

test('from a conversation on to its name and its end, whatever screen it was opened from', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await new SettingsPage(page).import(TALKS, '2');
  const line = page.locator('.history-line').filter({ hasText: 'Apples' });
  const tool = (name: string) => line.getByRole('button', { name, exact: true });
  for (const screen of ['/', '/settings', '/models']) {
    await page.goto(screen);
    await tabTo(page, '.history-open');
    while ((await page.locator(':focus').innerText()) !== 'Apples') await tabTo(page, '.history-open');
    await press(page, 'Enter');
    // At once, and once it is on the screen.
    await press(page, 'Tab');
    await expectFocus(page, tool('Rename'));
    await expect(page.getByTestId('message')).toHaveText(/Which keep\?/);
    await expectFocus(page, tool('Rename'));
    await press(page, 'Tab');
    await expectFocus(page, tool('Delete'));
  }
  // A new name draws the line anew: the keyboard is still there.
  await press(page, 'Shift+Tab', 'Enter');
  await page.keyboard.type('Pears');
  await press(page, 'Enter');
  const renamed = page.locator('.history-line').filter({ hasText: 'Pears' });
  await expectFocus(page, renamed.locator('.history-open'));
  await press(page, 'Tab', 'Tab');
  await expectFocus(page, renamed.getByRole('button', { name: 'Delete', exact: true }));
  await press(page, 'Enter');
  await tabTo(page, 'dialog .danger');
  await press(page, 'Enter');
  await expect(page.locator('.history-line')).toHaveCount(1);
  await expectFocus(page, page.locator('.history-open'));
});

test('a conversation that comes to the top of the list takes the keyboard with it', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({ serviceWorkers: 'block' });
  const said = (id: string, title: string) => ({ id, title, messages: [{ role: 'user' as const, text: 'Which keep?' }, { role: 'assistant' as const, text: 'Once' }] });
  await new SettingsPage(page).import(archive(said('a', 'Apples'), said('b', 'Bread'), said('c', 'Cherries')), '3');
  const titles = page.locator('.history-open');
  await page.goto(`/?${new URLSearchParams({ model: model.id, mode: 'local', temperature: '0', max_tokens: '4', backend: 'cpu' })}`);
  await expect(titles).toHaveText(['Cherries', 'Bread', 'Apples']);
  await tabTo(page, '.history-open');
  while ((await page.locator(':focus').innerText()) !== 'Apples') await tabTo(page, '.history-open');
  // Its answer goes on, and it is the newest then.
  await press(page, 'Enter', 'Control+Shift+Enter');
  await expect(titles).toHaveText(['Apples', 'Cherries', 'Bread']);
  await expectFocus(page, titles.first());
  await press(page, 'Tab', 'Tab');
  await expectFocus(page, page.locator('.history-line').first().getByRole('button', { name: 'Delete', exact: true }));
});

test('another model is chosen, beside the input and on its card', async ({ own, openTab }) => {
  const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block' });
  await page.goto('/');
  const picker = page.getByTestId('model-picker');
  await expect(picker.locator('option')).toHaveCount(2);
  const [first, second] = await picker.locator('option').evaluateAll((all) => all.map((each) => (each as HTMLOptionElement).value));
  await expect(picker).toHaveValue(first!);
  const isOpen = () => picker.evaluate((select) => select.matches(':open'));
  await tabTo(page, '[data-testid=model-picker]');
  await press(page, 'Space');
  await expect.poll(isOpen).toBe(true);
  await press(page, 'ArrowDown', 'Enter');
  await expect(picker).toHaveValue(second!);
  await expect.poll(isOpen).toBe(false);
  await expectFocus(page, picker);
  // Escape changes nothing, and does not stop an answer either.
  await press(page, 'Space', 'ArrowUp', 'Escape');
  await expect.poll(isOpen).toBe(false);
  await expect(picker).toHaveValue(second!);
  await expectFocus(page, picker);

  await tabTo(page, '.side a[href="/models"]').catch(() => tabTo(page, '.side a[href="/models"]'));
  await press(page, 'Enter');
  await tabTo(page, `[data-model="${first}"] .primary`);
  await press(page, 'Enter');
  await expect(picker).toHaveValue(first!);
  await expect(page.locator('#main'), 'another screen is read from its beginning').toBeFocused();
});

test('a file of one\'s own is opened', async ({ openTab }) => {
  // It does not know that file, or it would be the relay's model and not one's own.
  const relay = await Relay.start([largeModel()]);
  const { page } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  const models = new ModelsPage(page);
  // Long before the key: the browser must have heard that somebody waits for it, or it opens a dialog that nobody sees.
  const chooser = page.waitForEvent('filechooser');
  await models.open();
  await tabTo(page, '[data-testid=model-file]');
  await press(page, 'Space');
  await (await chooser).setFiles(testModel());
  await expect(models.ownCards).toHaveCount(1);
  await relay.stop();
});
