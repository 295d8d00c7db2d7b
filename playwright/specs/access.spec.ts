// Everybody can use it: no serious fault that axe knows on any screen, everything by keyboard, nothing wider than 320 pixels.
import type { Page } from '@playwright/test';
import { archive } from '../fixtures/archive.ts';
import { seriousFaults } from '../fixtures/axe.ts';
import { tabTo } from '../fixtures/keyboard.ts';
import { expect, test } from '../fixtures/test.ts';
import { ModelsPage } from '../pages/models.ts';
import { SettingsPage } from '../pages/settings.ts';
import { online } from '../pages/shown.ts';
import { walk } from '../pages/walk.ts';

const ROUTES = ['/', '/lend', '/join', '/swarm', '/models', '/keys', '/settings'];
const TALK = archive({
  id: 'a', title: 'A talk', messages: [
    { role: 'user', text: 'Tell me' },
    { role: 'assistant', text: '<think>hm</think># One\n\n- a\n- [x] b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nlet a = "a-rather-long-line-that-must-scroll-inside-its-own-box-and-not-widen-the-page";\n```\n\n[a link](https://example.org) `code`',
      model: 'stories', route: { hops: [{ peer: '12D3KooWAbCdEfGhIjKlMnOp', first: 0, end: 3, backend: 'cpu', ms: 4 }], replays: 0, bytes: 1 } },
  ],
});

const dressed = (page: Page, settings: object) =>
  page.addInitScript((text) => localStorage.setItem('manyhands.settings', text), JSON.stringify(settings));

for (const theme of ['light', 'dark'] as const) {
  for (const language of ['en', 'ar'] as const) {
    test(`axe finds nothing serious on any screen, ${theme}, ${language}`, async ({ openTab }) => {
      const { page } = await openTab({ serviceWorkers: 'block', colorScheme: theme });
      await dressed(page, { theme, language });
      await new SettingsPage(page).import(TALK, /1/);
      await online(page);
      await expect(page.locator('html')).toHaveAttribute('dir', language === 'ar' ? 'rtl' : 'ltr');
      for (const route of ROUTES) {
        await walk(page, route);
        await expectNoFault(page, `${route} ${theme} ${language}`);
      }
      await walk(page, '/');
      await page.locator('.history-open').first().click();
      await page.getByTestId('message-route').locator('summary').click();
      await expectNoFault(page, `an answer ${theme} ${language}`);
      await page.keyboard.press('Control+/');
      await expect(page.getByTestId('shortcut-sheet')).toBeVisible();
      await expectNoFault(page, `the sheet ${theme} ${language}`);
    });
  }
}

test('nothing is wider than a screen of 320 pixels, and the page itself never scrolls', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block', viewport: { width: 320, height: 640 } });
  for (const language of ['en', 'es', 'ar']) {
    await dressed(page, { language });
    await page.goto('/settings');
    await new SettingsPage(page).import(TALK);
    for (const route of [...ROUTES, '/?talk']) {
      await walk(page, route);
      if (route === '/?talk') {
        await page.locator('.menu').click();
        await page.locator('.history-open').first().click();
        await page.getByTestId('message-route').locator('summary').click();
      }
      await expect(page.getByTestId('connection')).toBeVisible();
      const over = await page.evaluate(() => {
        const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
        const wide = [...document.querySelectorAll('main *')].filter((element) => {
          const { left, right } = element.getBoundingClientRect();
          const scrolls = element.closest('pre, .table, .mode, .sr-only, .chat-scroll [class*=scroll]') !== null;
          return !scrolls && (right > clientWidth + 1 || left < -1);
        });
        return { by: scrollWidth - clientWidth, below: scrollHeight - clientHeight, wide: wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 160)) };
      });
      expect(over, `${route} in ${language}`).toEqual({ by: 0, below: 0, wide: [] });
    }
  }
});

test('on a phone everything that is touched is 44 pixels large', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await new SettingsPage(page).import(TALK);
  await online(page);
  for (const route of ROUTES) {
    await walk(page, route);
    expect(await tooSmall(page), route).toEqual([]);
  }
  await walk(page, '/');
  await page.locator('.menu').tap();
  await expect(page.locator('.history-open').first()).toBeInViewport();
  expect(await tooSmall(page), 'the conversations').toEqual([]);
  await page.locator('.history-open').first().tap();
  await page.getByTestId('message-route').locator('summary').tap();
  expect(await tooSmall(page), 'an answer').toEqual([]);
});

test('in forced colours what is chosen shows, and with less motion nothing moves', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block', forcedColors: 'active', reducedMotion: 'reduce' });
  await page.goto('/');
  await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online');
  const grounds = (selector: string) => page.locator(selector).evaluateAll((all) => all.map((element) => getComputedStyle(element).backgroundColor));
  for (const [chosen, other] of [['.mode-choice:has(:checked)', '.mode-choice:has(input:not(:checked))'], ['.side .nav-link[aria-current]', '.side .nav-link:not([aria-current])']] as const) {
    const [[mine], others] = [await grounds(chosen), await grounds(other)];
    expect(others.length).toBeGreaterThan(0);
    expect(others, chosen).not.toContain(mine);
  }
  await page.goto('/lend?backend=cpu');
  await page.getByTestId('lend-toggle').click();
  await expect(page.getByTestId('consent-dialog')).toBeVisible();
  const moving = () => page.evaluate(() => document.getAnimations().filter((each) => Number(each.effect?.getComputedTiming().endTime) > 1).length);
  expect(await moving()).toBe(0);
});

test('everything that matters in a chat is done by keyboard alone', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({ serviceWorkers: 'block', permissions: ['clipboard-read', 'clipboard-write'] });
  const query = new URLSearchParams({ model: model.id, temperature: '0', seed: '1', max_tokens: '24', backend: 'cpu' });
  // Steps that are held for as long as an answer must not be at its end.
  await page.addInitScript(() => {
    const post = Worker.prototype.postMessage;
    const held: (() => void)[] = [];
    let left = Infinity;
    Object.assign(globalThis, {
      allowSteps(steps: number) {
        left = steps;
        held.splice(0).forEach((go) => go());
      },
    });
    Worker.prototype.postMessage = function (this: Worker, ...what: any[]) {
      const go = () => (post as any).apply(this, what);
      if (what[0]?.ask?.Step) left -= 1;
      if (left < 0) held.push(go);
      else go();
    };
  });
  const allowSteps = (steps: number) => page.evaluate((steps) => (globalThis as any).allowSteps(steps), steps);
  await page.goto(`/?${query}`);
  const answers = page.locator('[data-testid=message][data-role=assistant]');
  const done = () => expect(answers.last()).toHaveAttribute('data-state', 'done');

  // Where it is computed, and by which model.
  await tabTo(page, 'input[name=mode]');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('mode')).toHaveAttribute('data-mode', 'local');
  await tabTo(page, '[data-testid=model-picker]');
  // Ask, stop or wait, go on, answer again, look at other versions.
  await page.keyboard.press('Control+Shift+O');
  await expect(page.getByTestId('chat-input')).toBeFocused();
  await page.keyboard.type('Once upon a time');
  await page.keyboard.press('Enter');
  await done();
  const length = async () => (await answers.last().getByTestId('message-text').innerText()).length;
  const before = await length();
  await page.keyboard.press('Control+Shift+Enter');
  await expect.poll(length).toBeGreaterThan(before);
  await done();
  await tabTo(page, '[data-testid=message-again]');
  await page.keyboard.press('Enter');
  await expect(answers.getByTestId('message-versions')).toContainText('2/2');
  await done();
  await tabTo(page, '[data-testid=message-versions] button');
  await page.keyboard.press('Enter');
  await expect(answers.getByTestId('message-versions')).toContainText('1/2');
  // Stop in the middle; copy; mend the answer's own words.
  await tabTo(page, '[data-testid=chat-input]');
  await page.keyboard.type('And then');
  await allowSteps(4);
  await page.keyboard.press('Enter');
  await expect(answers).toHaveCount(2);
  await expect(answers.last().getByTestId('message-text')).toContainText(/\S/);
  await page.keyboard.press('Escape');
  await expect(answers.last()).toHaveAttribute('data-state', 'stopped');
  await allowSteps(Infinity);
  await tabTo(page, '[data-role=assistant] [data-testid=message-edit]');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('In my own words');
  await tabTo(page, '.editor .primary');
  await page.keyboard.press('Enter');
  await expect(page.locator('.editor')).toHaveCount(0);
  await expect(page.locator('[data-role=assistant]').filter({ hasText: 'In my own words' })).toHaveCount(1);
  // Edit the question.
  await tabTo(page, '[data-role=user] [data-testid=message-edit]');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('The little dog');
  await tabTo(page, '.editor .primary');
  await page.keyboard.press('Enter');
  await expect(page.locator('[data-role=user]').filter({ hasText: 'The little dog' })).toHaveCount(1);
  await done();
  // Copy it; see where it ran.
  await tabTo(page, '[data-role=assistant] [aria-label=Copy]');
  await page.evaluate(() => navigator.clipboard.writeText('nothing yet'));
  await page.keyboard.press('Enter');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).not.toBe('nothing yet');
  await tabTo(page, '[data-testid=message-route] summary');
  await page.keyboard.press('Enter');
  await expect(answers.locator('.route-sheet:visible')).toBeVisible();
  // History.
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Once');
  await tabTo(page, '.history-open');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('message')).not.toHaveCount(0);
  await page.keyboard.press('Control+Shift+E');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('By keyboard');
  await page.keyboard.press('Enter');
  await expect(page.locator('.history-list')).toContainText('By keyboard');
  // Models: check, delete, fetch.
  await tabTo(page, '.side a[href="/models"]');
  await page.keyboard.press('Enter');
  const models = new ModelsPage(page);
  await expect(models.card(model.id)).toBeVisible();
  await models.expectKept(model.id, 'whole');
  await tabTo(page, '[data-testid=model-verify]');
  await page.keyboard.press('Enter');
  await expect(models.jobs).toHaveAttribute('data-state', 'verified');
  await tabTo(page, '[data-testid=model-delete]');
  await page.keyboard.press('Enter');
  await tabTo(page, '[data-testid=model-delete-sure]');
  await page.keyboard.press('Enter');
  await models.expectKept(model.id, 'none');
  await tabTo(page, '[data-testid=model-download]');
  await page.keyboard.press('Enter');
  await models.expectKept(model.id, 'whole');
  // Look and language, then everything along.
  await tabTo(page, '.side a[href="/settings"]');
  await page.keyboard.press('Enter');
  await tabTo(page, '[data-testid=theme]');
  await page.keyboard.press('ArrowDown');
  await expect(page.locator('html')).toHaveAttribute('data-theme', /light|dark/);
  await tabTo(page, '[data-testid=export-all]');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  expect(download.suggestedFilename()).toContain('.json');
  await tabTo(page, '[data-testid=import-all]');
  // Delete the conversation.
  await page.keyboard.press('Control+Shift+D');
  await tabTo(page, 'dialog .danger');
  await page.keyboard.press('Enter');
  await expect(page.locator('.history-list li')).toHaveCount(0);
});

async function expectNoFault(page: Page, where: string): Promise<void> {
  expect(await seriousFaults(page), where).toEqual([]);
}

/** What a finger would miss. */
const tooSmall = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const LEAST = 43.5;
    const seen = (element: Element) => element.checkVisibility({ opacityProperty: false, visibilityProperty: true }) && element.getClientRects().length > 0;
    // A link within a sentence is as high as its line.
    const within = (element: Element) => element.matches('p a, li a, small a, .prose a, .skip');
    return [...document.querySelectorAll('a[href], button, input:enabled, select, textarea, summary')]
      .filter((element) => seen(element) && !within(element))
      .map((element) => ({ element, area: (element.closest('label') ?? element).getBoundingClientRect() }))
      .filter(({ area }) => area.height < LEAST || area.width < LEAST)
      .map(({ element, area }) => `${area.width.toFixed(0)} × ${area.height.toFixed(0)}: ${element.outerHTML.slice(0, 100)}`);
  });
