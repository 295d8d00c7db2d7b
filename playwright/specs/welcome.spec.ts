// Nobody has named a model: the relay publishes the one that it carries, and a newcomer's first question is answered
// on their own device, without a question of ours before it.
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';
import { online } from '../pages/shown.ts';

test('a relay without a model answers a newcomer with the welcome model, here, and asks for no consent', async ({ openTab }) => {
  const relay = await Relay.start([]);
  try {
    const [model, ...others] = await relay.models();
    expect(others).toEqual([]);
    expect(model).toMatchObject({ name: 'Manyhands Welcome', layers: 8 });

    const { page } = await openTab({ baseURL: relay.url, locale: 'en-US' });
    // Whatever comes and goes counts, not only what is there at the end.
    await page.addInitScript(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { dialogsSeen: seen });
      new MutationObserver(() => {
        if (document.querySelector('[data-testid=consent-dialog]')) seen.push(location.pathname);
      }).observe(document, { childList: true, subtree: true });
    });
    await page.goto('/?temperature=0');
    await expect(page.getByTestId('mode')).toHaveAttribute('data-mode', 'auto');
    await online(page);
    const chat = new ChatPage(page);
    await chat.ask('What is Manyhands?');
    expect(await chat.answer()).toContain('commons for open models');
    expect(await chat.hops()).toBe(0);
    await expect(chat.lastAnswer.getByTestId('message-route').locator('summary')).toContainText('On this device');
    expect(await page.evaluate(() => (globalThis as any).dialogsSeen)).toEqual([]);

    await page.goto('/models');
    await expect(page.getByTestId('model-description')).toContainText('not an assistant');
    await page.close();
  } finally {
    await relay.stop();
  }
});

test('what does not fit this device is asked about once somebody lends it, and stays here until then', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({ serviceWorkers: 'block' });
  // To this page the model is larger than any device.
  await page.route('**/api/v1/swarm', async (route) => {
    const answer = await route.fetch();
    const swarm = await answer.json();
    for (const each of swarm.models) each.bytes = 1e12;
    await route.fulfill({ response: answer, json: swarm });
  });
  const query = new URLSearchParams({ model: model.id, temperature: '0', seed: '1', max_tokens: '8', backend: 'cpu', storage: 'memory' });
  await page.goto(`/?${query}`);
  await online(page);
  await expect(page.getByTestId('model-picker').locator('option')).toContainText(['Too large for this device alone']);
  const chat = new ChatPage(page);
  await chat.ask('Once upon a time');
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'error');
  await expect(chat.lastAnswer.getByTestId('error')).toHaveAttribute('data-code', 'wont_fit');
  await expect(page.getByTestId('consent-dialog')).toHaveCount(0);

  await new LendPage((await openTab()).page).lend(model.id, 0, model.layers);
  await chat.lastAnswer.getByRole('button').filter({ hasText: /again/i }).click();
  const dialog = page.locator('[data-testid=consent-dialog][data-for=swarm]');
  await expect(dialog).toBeVisible();
  await dialog.getByTestId('consent-accept').click();
  await chat.answer();
  expect(await chat.hops()).toBe(1);
});
