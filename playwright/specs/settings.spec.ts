// How models answer, as the settings say it: what is chosen there reaches the model, is kept, and stays within its bounds.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { storedChats } from '../fixtures/stored.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { online } from '../pages/shown.ts';

const PROMPT = 'Once upon a time';
const RULES = 'Answer in rhymes, always.';

test('instructions and sampling reach the model, are kept, and stay within their bounds', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page } = await openTab({ serviceWorkers: 'block' });
  // Hears what the compute worker is asked.
  await page.addInitScript(() => {
    const asked: string[] = [];
    Object.assign(globalThis, { asked });
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, ...what: any[]) {
      asked.push(JSON.stringify(what[0], (_, value) => (typeof value === 'bigint' || ArrayBuffer.isView(value) ? null : value)));
      return (post as any).apply(this, what);
    };
  });
  const asked = (text: string) => page.evaluate((text) => ((globalThis as any).asked as string[]).some((each) => each.includes(text)), text);
  const chat = new ChatPage(page);
  const field = (name: string) => page.locator('section[aria-labelledby=answers-title]').getByLabel(name);
  const set = async (name: string, value: string, expected = value) => {
    await field(name).fill(value);
    await field(name).blur();
    await expect(field(name)).toHaveValue(expected);
  };
  await page.goto('/settings');
  await set('Temperature', '0');
  await set('Longest answer, in tokens', '6');
  for (const [name, wild, bound] of [['Temperature', '9', '0.7'], ['Top-p', '7', '0.95'], ['Longest answer, in tokens', '99999', '8192'], ['Longest answer, in tokens', '-3', '6']] as const) {
    const before = await field(name).inputValue();
    await set(name, wild, bound);
    await set(name, before);
  }

  // As kept: the address says nothing of sampling.
  await page.goto(`/?model=${model.id}&mode=local&backend=cpu`);
  await chat.ask(PROMPT);
  expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, 6)));
  expect((await chat.cost()).tokens).toBe(6);
  expect(await asked(RULES)).toBe(false);

  await page.goto('/settings');
  await expect(field('Longest answer, in tokens')).toHaveValue('6');
  await set('What every model is told first', RULES);
  await page.goto(`/?model=${model.id}&mode=local&backend=cpu`);
  await chat.ask(PROMPT);
  await chat.answer();
  expect(await asked(RULES)).toBe(true);

  await page.goto('/settings');
  await page.getByRole('button', { name: 'Back to the defaults' }).click();
  await expect(field('What every model is told first')).toHaveValue('');
  await expect(field('Temperature')).not.toHaveValue('0');

  await expect(page.locator('.history-list li')).toHaveCount(2);
  await page.getByRole('button', { name: 'Delete all conversations' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.locator('.history-list li')).toHaveCount(2);
  await page.getByRole('button', { name: 'Delete all conversations' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete all conversations' }).click();
  await expect(page.locator('.history-list li')).toHaveCount(0);
  await expect.poll(() => storedChats(page)).toBe('[]');
  await page.reload();
  await online(page);
  await expect(page.locator('.history-list li')).toHaveCount(0);
});
