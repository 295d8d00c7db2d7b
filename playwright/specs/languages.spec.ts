// Every text comes from the tables: in a language that marks each of them, nothing without a mark is on any page.
import { archive } from '../fixtures/archive.ts';
import { expect, test } from '../fixtures/test.ts';
import { KeysPage } from '../pages/keys.ts';
import { SettingsPage } from '../pages/settings.ts';
import { walk } from '../pages/walk.ts';
import { online } from '../pages/shown.ts';

const ROUTES = ['/', '/lend', '/join', '/swarm', '/models', '/keys', '/settings'];

/** Text and labels on the page that no table holds. Names, ids, figures and code are nobody's words. */
const unmarked = () => {
  const found: string[] = [];
  const exempt = (element: Element | null) =>
    element?.closest('[translate=no], bdi, code, pre, kbd, [dir=ltr], option[lang], script, style, noscript, [dir=auto]') !== null;
  const foreign = (text: string) => {
    // A unit behind a figure is the same in every language.
    const rest = text.replace(/\u27e6[^\u27e7]*\u27e7/g, '').replace(/[\d.,\u202f]+\s*(?:k|M|G|T|m)?(?:B|W|Wh|s|ms|min|tok\/s)?/g, '');
    return /\p{L}{2,}/u.test(rest);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!exempt(node.parentElement) && foreign(node.textContent ?? '')) found.push(node.textContent!.trim());
  }
  for (const element of document.body.querySelectorAll('*')) {
    if (exempt(element)) continue;
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
      const text = element.getAttribute(name);
      if (text && !/^(?:https?:|[\w…]{8,}$)/.test(text) && foreign(text)) found.push(`${name}: ${text}`);
    }
  }
  return found;
};

test('no page shows a text that is in no table', async ({ openTab }) => {
  const { page } = await openTab();
  await page.addInitScript(() => localStorage.setItem('manyhands.settings', JSON.stringify({ language: 'zz' })));
  await page.goto('/');
  await online(page);
  for (const route of ROUTES) {
    await walk(page, route);
    await expect(page.locator('h1, .lead').first()).toContainText('\u27e6');
    expect(await page.evaluate(unmarked), route).toEqual([]);
  }
  const hops = [
    { peer: '12D3KooWAbCdEfGhIjKlMnOp', first: 0, end: 3, backend: 'gpu', ms: 4.25 }, { peer: '', first: 3, end: 5, backend: 'cpu', ms: 18, lost: true },
  ];
  await new SettingsPage(page).import(archive({
    id: 'a', title: 'A', messages: [
      { role: 'user', text: '1' }, { role: 'assistant', text: '2', model: 'm', route: { hops, replays: 1, bytes: 5, tokens: 3, trips: 2, longest_stall_ms: 9 } },
      { role: 'user', text: '3' }, { role: 'assistant', text: '', fault: { code: 'not_allowed', detail: '' } },
      { role: 'user', text: '4' }, { role: 'assistant', text: '', fault: { code: 'not_allowed', detail: '', why: 'barred_privacy' } },
    ],
  }));
  expect(await page.evaluate(unmarked), 'an import').toEqual([]);
  await walk(page, '/');
  await page.locator('.history-open').first().click();
  await page.getByTestId('message-route').locator('summary').click();
  expect(await page.evaluate(unmarked), 'an answer').toEqual([]);
  await page.keyboard.press('Control+/');
  await expect(page.getByTestId('shortcut-sheet')).toBeVisible();
  expect(await page.evaluate(unmarked), 'the shortcuts').toEqual([]);
  await page.keyboard.press('Escape');
  const keys = new KeysPage(page);
  await walk(page, '/keys');
  await keys.create();
  await keys.createSwarm('x');
  await page.getByTestId('policy').locator('summary').click();
  await keys.createSite('http://localhost:3000');
  expect(await page.evaluate(unmarked), 'keys in use').toEqual([]);
  await walk(page, '/lend');
  await page.getByTestId('lend-toggle').click();
  await expect(page.getByTestId('consent-dialog')).toBeVisible();
  expect(await page.evaluate(unmarked), 'consent').toEqual([]);
});

for (const [tag, direction, word] of [['es', 'ltr', 'Claves'], ['ar', 'rtl', 'المفاتيح']] as const) {
  test(`the app speaks ${tag}`, async ({ openTab }) => {
    const { page } = await openTab({ locale: tag });
    await page.goto('/keys');
    await expect(page.locator('html')).toHaveAttribute('dir', direction);
    await expect(page.locator('h1')).toHaveText(word);
  });
}
