// A model that only one person has serves a whole swarm: its owner lends it, and the relay never lists it.
import { largeModel, testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { consent } from '../pages/consent.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { ModelsPage } from '../pages/models.ts';
import { lent } from '../pages/shown.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 16;

test('a model from a disk is lent to the swarm, described by its lender, and answers a stranger', async ({ openTab }) => {
  const relay = await Relay.start([largeModel()]);
  const { page: owner } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  const models = new ModelsPage(owner);
  await models.open();
  await owner.getByTestId('model-file').setInputFiles(testModel());
  await expect(models.ownCards).toHaveCount(1);
  const id = (await models.ownCards.getAttribute('data-model'))!;
  await owner.goto(`/lend?${new URLSearchParams({ model: id, layers: '0-5', backend: 'cpu' })}`);
  await owner.getByTestId('lend-toggle').click();
  await consent(owner, 'lend');
  await lent(owner);

  const { page: guest, complaints } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  await new ModelsPage(guest).open();
  const offered = guest.locator(`[data-testid=model-offered][data-model="${id}"]`);
  await expect(offered).toBeVisible();
  await offered.getByTestId('model-look').click();
  await consent(guest, 'swarm');
  await expect(new ModelsPage(guest).card(id)).toBeVisible();
  const query = new URLSearchParams({ model: id, mode: 'swarm', temperature: '0', seed: '1', max_tokens: String(TOKENS), backend: 'cpu' });
  await guest.goto(`/?${query}`);
  const chat = new ChatPage(guest);
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect(await chat.hops()).toBe(1);
  expect((await relay.models()).map((model) => model.id)).not.toContain(id);
  // The relay was asked first, and said that it has no such model.
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/404/);
  await relay.stop();
});
