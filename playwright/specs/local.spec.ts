// On this device: one tab, every layer in it, the same words as the native engine.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 32;

test('a tab alone answers as the native engine does', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'local', TOKENS);
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect(await chat.hops()).toBe(0);
});
