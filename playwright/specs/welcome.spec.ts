// Nobody has named a model: the relay publishes the one that it carries, and a newcomer's first question is answered.
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';

test('a relay without a model answers a newcomer with the welcome model', async ({ openTab }) => {
  const relay = await Relay.start([]);
  try {
    const [model, ...others] = await relay.models();
    expect(others).toEqual([]);
    expect(model).toMatchObject({ name: 'Manyhands Welcome', layers: 8 });

    const { page } = await openTab({ baseURL: relay.url });
    await page.goto('/?temperature=0&mode=local');
    await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online');
    const chat = new ChatPage(page);
    await chat.ask('What is Manyhands?');
    expect(await chat.answer()).toContain('commons for open models');
    expect(await chat.hops()).toBe(0);

    await page.goto('/models');
    await expect(page.getByTestId('model-description')).toContainText('not an assistant');
    await page.close();
  } finally {
    await relay.stop();
  }
});
