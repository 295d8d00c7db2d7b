// Weights by their hash: who lends layers gives them on, and the relay need not have them any more.
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test as base } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 16;

/** Where the relay's only copy of the model is. */
let folder = '';

const test = base.extend<{}, { relay: Relay }>({
  relay: [
    async ({}, use) => {
      folder = await mkdtemp(join(tmpdir(), 'manyhands-models-'));
      const copy = join(folder, basename(testModel()));
      await copyFile(testModel(), copy);
      const relay = await Relay.start([copy]);
      await use(relay);
      await relay.stop();
      await rm(folder, { recursive: true, force: true });
    },
    { scope: 'worker' },
  ],
});

test('with the relay’s model gone, a fourth tab gets its layers from the tabs that have them', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  const first = new LendPage((await openTab()).page);
  await first.lend(model.id, 0, half);
  const last = new LendPage((await openTab()).page);
  await last.lend(model.id, half, model.layers);
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  const answer = words(await chat.answer());
  expect(answer).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));

  await rm(folder, { recursive: true });
  const sent = await relay.metric('manyhands_model_bytes_total');
  const refused = await fetch(`${relay.url}/models/${model.id}`);
  expect(refused.status).toBe(500);

  // The fourth tab takes over the second half; who lent it before goes.
  const { page, complaints } = await openTab();
  await new LendPage(page).lend(model.id, half, model.layers);
  await last.page.context().close();
  // The browser logs that the relay had nothing; nothing else may be wrong.
  expect(complaints.filter((each) => !each.includes(`/models/${model.id}`))).toEqual([]);
  complaints.length = 0;
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).not.toBe('');
  expect(await chat.hops()).toBe(2);
  expect(await relay.metric('manyhands_model_bytes_total')).toBe(sent);
});
