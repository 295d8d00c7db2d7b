// Without WebGPU: the processor computes, and who asks for a GPU by name is told that there is none.
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';

test('without a GPU the processor answers', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = new ChatPage((await openTab()).page);
  await chat.open(model.id, 'local', 4, { backend: 'auto' });
  await chat.ask('Once upon a time');
  await chat.answer();
  expect(await chat.backends()).toEqual([{ backend: 'cpu', adapter: '' }]);
});

test('asking for a GPU where there is none fails by its code', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab();
  const chat = new ChatPage(page);
  await chat.open(model.id, 'local', 4, { backend: 'gpu' });
  await chat.ask('Once upon a time');
  await expect(page.getByTestId('error').last()).toHaveAttribute('data-code', 'no_webgpu');
});
