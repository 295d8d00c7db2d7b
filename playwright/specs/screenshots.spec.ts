// Every page on a phone and on a desk, in light and dark: it fits the screen and shows nothing broken.
// The pictures lie in test-results/screens; with SCREENSHOTS=folder they are also written there.
import type { Page } from '@playwright/test';
import { archive } from '../fixtures/archive.ts';
import { picture } from '../fixtures/picture.ts';
import { expect, test } from '../fixtures/test.ts';
import { ModelsPage } from '../pages/models.ts';
import { SettingsPage } from '../pages/settings.ts';
import { walk } from '../pages/walk.ts';
import { online } from '../pages/shown.ts';

const TALKS = archive(
  {
    id: 'a', title: 'Bread and time', messages: [
      { role: 'user', text: 'How long does a sourdough rise, and can you show the sum in Python?' },
      {
        role: 'assistant', model: 'SmolLM2 135M',
        text: '<think>They want hours. Room temperature matters most.</think>It depends on **warmth**:\n\n| room | hours |\n|---|---:|\n| 18 °C | 8 |\n| 24 °C | 4 |\n\n'
          + '```python\ndef hours(celsius):\n    # halves every 6 °C\n    return 8 * 2 ** ((18 - celsius) / 6)\n```\n\n1. Mix\n2. Wait\n3. Bake, see [a guide](https://example.org)',
        route: {
          hops: [
            { peer: '12D3KooWAbCdEfGhIjKlMnOp', first: 0, end: 15, backend: 'gpu', ms: 4.25 },
            { peer: '12D3KooWQrStUvWxYzAbCdEf', first: 15, end: 30, backend: 'cpu', ms: 18, lost: true },
            { peer: '12D3KooWZyXwVuTsRqPoNmLk', first: 15, end: 30, backend: 'cpu', ms: 21.5 },
          ],
          replays: 1, bytes: 412_345,
        },
      },
    ],
  },
  { id: 'b', title: 'Bees in winter', messages: [{ role: 'user', text: 'Where do bees sleep?' }] },
);

const PAGES = { chat: '/', lend: '/lend', swarm: '/swarm', models: '/models', keys: '/keys', settings: '/settings' };
const SCREENS = {
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  desk: { viewport: { width: 1280, height: 800 } },
};

for (const [screen, device] of Object.entries(SCREENS)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every page fits a ${screen}, ${colorScheme}`, async ({ openTab }, info) => {
      const { page } = await openTab({ ...device, colorScheme });
      await page.goto('/');
      await online(page);
      for (const [name, route] of Object.entries(PAGES)) {
        await walk(page, route);
        await picture(page, info, `${name}-${screen}-${colorScheme}`);
        await expectFits(page, route);
      }
    });

    test(`an answer, the conversations, the shortcuts and a kept model fit a ${screen}, ${colorScheme}`, async ({ relay, openTab }, info) => {
      const model = (await relay.models())[0]!;
      const { page } = await openTab({ ...device, colorScheme, serviceWorkers: 'block' });
      await new SettingsPage(page).import(TALKS);
      const shoot = async (name: string) => {
        await picture(page, info, `${name}-${screen}-${colorScheme}`);
        await expectFits(page, name);
      };
      await walk(page, '/');
      const list = page.locator('.history-list').getByText('Bread and time');
      await expect(page.getByTestId('connection')).toBeVisible();
      // A desk has the list beside the chat and no button for it.
      if (await page.locator('.menu').isVisible()) await page.locator('.menu').click();
      await expect(list).toBeVisible();
      await shoot('conversations');
      await list.click();
      await page.locator('details.reasoning summary').click();
      await page.getByTestId('message-route').locator('summary').click();
      await shoot('answer');
      await page.keyboard.press('Control+/');
      await expect(page.getByTestId('shortcut-sheet')).toBeVisible();
      await shoot('shortcuts');
      await page.keyboard.press('Escape');
      const models = new ModelsPage(page);
      await walk(page, '/models');
      await models.download(model.id);
      await page.route('https://huggingface.co/**', () => {});
      await page.getByTestId('catalogue-get').first().click();
      await models.card(model.id).getByTestId('model-verify').click();
      await expect(models.card(model.id).getByTestId('model-job')).toHaveAttribute('data-state', 'verified');
      await shoot('kept');
    });
  }
}

async function expectFits(page: Page, what: string): Promise<void> {
  const overflow = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
  expect(overflow, `${what} is wider than the screen by`).toBeLessThanOrEqual(0);
}
