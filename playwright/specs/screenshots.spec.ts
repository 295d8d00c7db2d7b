// Every page on a phone and on a desk, in light and dark: it fits the screen and shows nothing broken.
// The pictures lie in test-results/screens; with SCREENSHOTS=folder they are also written there.
import { picture } from '../fixtures/picture.ts';
import { expect, test } from '../fixtures/test.ts';

const PAGES = { chat: '/', lend: '/lend', swarm: '/swarm', models: '/models', keys: '/keys', settings: '/settings' };
const SCREENS = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } };

for (const [screen, viewport] of Object.entries(SCREENS)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every page fits a ${screen}, ${colorScheme}`, async ({ openTab }, info) => {
      const { page } = await openTab({ viewport, colorScheme });
      for (const [name, route] of Object.entries(PAGES)) {
        await page.goto(route);
        await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online');
        await picture(page, info, `${name}-${screen}-${colorScheme}`);
        const overflow = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement;
          return scrollWidth - clientWidth;
        });
        expect(overflow, `${route} is wider than the screen by`).toBeLessThanOrEqual(0);
      }
    });
  }
}
