// Two tabs lend one half of the layers each, a third asks; the answer is the native engine's, word for word,
// and what the tabs compute for each other goes from browser to browser, not through the relay.
import { testModel } from '../fixtures/paths.ts';
import { picture } from '../fixtures/picture.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 32;

test('two tabs are one model for a third, and the relay carries none of it', async ({ relay, openTab }, info) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  await new LendPage((await openTab()).page).lend(model.id, 0, half);
  await new LendPage((await openTab()).page).lend(model.id, half, model.layers);

  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect(await chat.hops()).toBe(2);
  await picture(chat.page, info, 'answer');

  // The signalling went through circuits; once every pair of tabs has its own connection, nothing does.
  const afterUpgrade = await relay.settledCircuitBytes();
  expect(afterUpgrade).toBeGreaterThan(0);
  await chat.ask('and then');
  await chat.answer();
  expect(await relay.circuitBytes()).toBe(afterUpgrade);
});
