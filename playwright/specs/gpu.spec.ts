// On a GPU, played by the browser's software adapter: the same words, and the route says what computed.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 32;

test('a tab alone answers on the GPU as the native engine does on the processor', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'local', TOKENS, { backend: 'gpu' });
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect(await chat.backends()).toEqual([{ backend: 'gpu', adapter: expect.stringMatching(/swiftshader/i) }]);
});

test('a software adapter is not chosen over the processor unless it is asked for', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'local', TOKENS, { backend: 'auto' });
  await chat.ask(PROMPT);
  await chat.answer();
  expect(await chat.backends()).toEqual([{ backend: 'cpu', adapter: '' }]);
});

test('layers lent on a GPU and on a processor give one answer', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const middle = Math.ceil(model.layers / 2);
  await new LendPage((await openTab()).page).lend(model.id, 0, middle, 0, 'gpu');
  await new LendPage((await openTab()).page).lend(model.id, middle, model.layers, 0, 'cpu');
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'swarm', TOKENS);
  await chat.ask(PROMPT);
  await chat.agree();
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
  expect((await chat.backends()).map(({ backend }) => backend)).toEqual(['gpu', 'cpu']);
});
