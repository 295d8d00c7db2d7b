// What the list beside the input says of each model: the same as its card, in every language, on the smallest screen.
import { largeModel, testModel } from '../fixtures/paths.ts';
import { picture } from '../fixtures/picture.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test as base } from '../fixtures/test.ts';

const test = base.extend<{ own: Relay }>({
  own: async ({}, use) => {
    const relay = await Relay.start([testModel(), largeModel()]);
    await use(relay);
    await relay.stop();
  },
});

/** Directions that isolate a figure are heard by nobody. */
const plain = (text: string) => text.replace(/[\u2066-\u2069]/g, '').replace(/\s+/g, ' ').trim();

for (const language of ['en', 'es', 'ar'] as const) {
  test(`every model is listed with size, memory, license and whether it fits, as its card says, ${language}`, async ({ own, openTab }, info) => {
    const { page } = await openTab({ baseURL: own.url, serviceWorkers: 'block', viewport: { width: 320, height: 640 } });
    await page.addInitScript((chosen) => localStorage.setItem('manyhands.settings', JSON.stringify({ language: chosen })), language);
    await page.goto('/models');
    const cards = page.getByTestId('model-card');
    await expect(cards).toHaveCount(2);
    const said = await cards.evaluateAll((all) =>
      all.map((card) => ({
        id: card.getAttribute('data-model')!,
        name: card.querySelector('h2')!.textContent!,
        facts: [...card.querySelectorAll('.facts > div')].slice(0, 3).map((fact) => `${fact.children[0]!.textContent}: ${fact.children[1]!.textContent}`),
        fits: card.querySelector('.tags .tag')!.textContent!,
      })));
    await page.goto('/');
    const picker = page.getByTestId('model-picker');
    await expect(picker.locator('option')).toHaveCount(2);
    for (const { id, name, facts, fits } of said) {
      expect(facts.join(' ')).toMatch(/\d [kMG]B.*\d [kMG]B/);
      const text = plain((await picker.locator(`option[value="${id}"]`).textContent())!);
      for (const part of [name, ...facts, fits]) expect(text).toContain(plain(part));
    }
    await picker.click();
    await expect.poll(() => picker.evaluate((select) => select.matches(':open'))).toBe(true);
    // What a reader hears of the list itself.
    const tree = await page.locator('.model-picker').ariaSnapshot();
    expect(tree).toContain('combobox');
    expect(plain(tree)).toContain(plain(said[0]!.facts[1]!));
    const outside = await picker.locator('option').evaluateAll((all) =>
      all.map((option) => option.getBoundingClientRect()).filter(({ left, right, height }) => left < 0 || right > innerWidth || height < 43.5).length);
    expect(outside, 'lines that leave the screen, or that a finger misses').toBe(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await picture(page, info, `picker-${language}`);
    await picker.locator('option').last().click();
    await expect(picker).toHaveValue(said.at(-1)!.id);
  });
}
