// The chat as people know chats: go on, edit, branch, search, rename, delete, take along; by keyboard, by ear.
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import { archive } from '../fixtures/archive.ts';
import { roomyModel, testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { type Model, Relay } from '../fixtures/relay.ts';
import { storedChats } from '../fixtures/stored.ts';
import { expect, type OpenTab, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { SettingsPage } from '../pages/settings.ts';
import { walk } from '../pages/walk.ts';

const PROMPT = 'Once upon a time';

/** A chat on this device alone that keeps what is said. */
async function localChat(openTab: OpenTab, model: string, tokens: number, more = {}): Promise<ChatPage> {
  const { page } = await openTab({ serviceWorkers: 'block' });
  const query = new URLSearchParams({
    model, mode: 'local', temperature: '0', seed: '1', max_tokens: String(tokens), backend: 'cpu', ...more,
  });
  await page.goto(`/?${query}`);
  return new ChatPage(page);
}

const shown = (page: Page, text: string) => page.getByTestId('message').filter({ hasText: text });

test('an answer is continued in place, as if it had never ended', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = await localChat(openTab, model.id, 12);
  await chat.ask(PROMPT);
  const first = words(await chat.answer());
  await chat.lastAnswer.getByTestId('message-continue').click();
  await expect.poll(async () => words(await chat.lastAnswer.getByTestId('message-text').innerText()).length).toBeGreaterThan(first.length);
  const both = words(await chat.answer());
  expect(both.startsWith(first)).toBe(true);
  expect(await chat.page.getByTestId('message').count(), 'no branch').toBe(2);
  await expect(chat.lastAnswer.getByTestId('message-versions')).toHaveCount(0);
});

test('a second answer is a branch, an edited question too, and an edited answer stays where it is', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = await localChat(openTab, model.id, 8);
  const { page } = chat;
  await chat.ask(PROMPT);
  const first = await chat.answer();
  await chat.lastAnswer.getByTestId('message-again').click();
  await expect(chat.lastAnswer.getByTestId('message-versions')).toContainText('2/2');
  await chat.answer();

  const question = page.locator('[data-testid=message][data-role=user]');
  await question.getByTestId('message-edit').click();
  await page.locator('.editor textarea').fill('The little dog');
  await page.locator('.editor .primary').click();
  await expect(question).toContainText('The little dog');
  await chat.answer();
  await question.getByTestId('message-versions').getByRole('button').first().click();
  await expect(question).toContainText(PROMPT);
  await expect(chat.lastAnswer.getByTestId('message-versions')).toContainText('2/2');
  await chat.lastAnswer.getByTestId('message-versions').getByRole('button').first().click();
  await expect(chat.lastAnswer.getByTestId('message-text')).toHaveText(first, { useInnerText: true });

  await chat.lastAnswer.getByTestId('message-edit').click();
  await page.locator('.editor textarea').fill('I know **better**.');
  await page.locator('.editor .primary').click();
  await expect(chat.lastAnswer.locator('strong')).toHaveText('better');
  await expect.poll(() => storedChats(page)).toContain('I know **better**.');
  await page.reload();
  await page.locator('.history-open').first().click();
  await expect(chat.lastAnswer.locator('strong')).toHaveText('better');
});

test('another model answers the same question as a version of its own, and each says whose it is, in the export too', async ({ openTab }) => {
  const relay = await Relay.start([testModel(), roomyModel()]);
  const [first, second] = (await relay.models()) as [Model, Model];
  const { page } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  const chat = new ChatPage(page);
  await page.goto('/?mode=local&temperature=0&max_tokens=8&backend=cpu');
  await page.getByTestId('model-picker').selectOption(first.id);
  await chat.ask(PROMPT);
  const one = await chat.answer();
  await page.getByTestId('model-picker').selectOption(second.id);
  await chat.lastAnswer.getByTestId('message-again').click();
  const versions = chat.lastAnswer.getByTestId('message-versions');
  await expect(versions).toContainText('2/2');
  await chat.answer();
  const facts = chat.lastAnswer.locator('.route-facts');
  await expect(facts).toContainText(second.name);
  await versions.getByRole('button').first().click();
  await expect(chat.lastAnswer.getByTestId('message-text')).toHaveText(one, { useInnerText: true });
  await expect(facts).toContainText(first.name);

  const { conversations } = JSON.parse(await new SettingsPage(page).export());
  const said = conversations[0].messages.filter(({ role }: { role: string }) => role === 'assistant');
  const expected = await Promise.all([testModel(), roomyModel()].map((path) => greedyText(path, PROMPT, 8)));
  expect(said.map(({ model, text }: { model: string; text: string }) => [model, words(text)]))
    .toEqual([[first.name, words(expected[0]!)], [second.name, words(expected[1]!)]]);
  await relay.stop();
});

test('stopping keeps what has come and says that it was stopped', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = await localChat(openTab, model.id, 200, { pace_ms: '30' });
  await chat.ask(PROMPT);
  await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);
  await chat.page.getByTestId('chat-stop').click();
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'stopped');
  const text = words(await chat.lastAnswer.getByTestId('message-text').innerText());
  expect(words(await greedyText(testModel(), PROMPT, 200)).startsWith(text)).toBe(true);
});

test('a live region speaks whole sentences, and never what is still thought aloud', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const chat = await localChat(openTab, model.id, 80, { pace_ms: '15' });
  await expect(chat.page.getByTestId('speaker')).toHaveAttribute('aria-live', 'polite');
  await chat.page.evaluate(() => {
    const said: string[] = [];
    Object.assign(globalThis, { said });
    const speaker = document.querySelector('[data-testid=speaker]')!;
    new MutationObserver(() => said.push(speaker.textContent ?? '')).observe(speaker, { childList: true, characterData: true, subtree: true });
  });
  await chat.ask(PROMPT);
  const answer = words(await chat.answer());
  const said = await chat.page.evaluate(() => (globalThis as any).said as string[]);
  expect(said.length).toBeGreaterThan(0);
  expect(said.length, 'by sentence, not by token').toBeLessThan(20);
  for (const sentence of said.filter((text) => text.trim() !== '')) {
    expect(sentence.trim()).toMatch(/[.!?:;…"”]$/);
    expect(answer).toContain(words(sentence));
  }
});

test('reasoning is folded, code has colours and is copied as it is', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block', permissions: ['clipboard-read', 'clipboard-write'] });
  const code = 'fn main() {\n    println!("<b>&amp;</b>"); // done\n}\n';
  const answer = `<think>First I look.\n\nThen I leap.</think>\n\nHere:\n\n\`\`\`rust\n${code}\`\`\`\n`;
  await new SettingsPage(page).import(archive({
    id: 'a', title: 'Code', messages: [{ role: 'user', text: 'How?' }, { role: 'assistant', text: answer }],
  }));
  await walk(page, '/');
  await page.locator('.history-list').getByText('Code').click();
  const message = page.locator('[data-testid=message][data-role=assistant]');
  await expect(message.locator('details.reasoning')).not.toHaveAttribute('open');
  await expect(message.getByText('Then I leap.')).toBeHidden();
  await message.locator('details.reasoning summary').click();
  await expect(message.getByText('Then I leap.')).toBeVisible();
  await expect(message.locator('.hl-keyword')).toHaveText('fn');
  await expect(message.locator('.hl-comment')).toHaveText('// done');
  await message.locator('.code button').click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(code);
});

test('conversations are found, renamed and deleted, and stay so after a reload', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await new SettingsPage(page).import(archive(
    { id: 'a', title: 'Apples', messages: [{ role: 'user', text: 'Which apples keep?' }] },
    { id: 'b', title: 'Bees', messages: [{ role: 'user', text: 'Where do BEES sleep?' }] },
  ), '2');
  await walk(page, '/');
  const list = page.locator('.history-list li');
  await expect(list).toHaveCount(2);
  await page.keyboard.press('Control+k');
  await expect(page.locator('#history-search')).toBeFocused();
  await page.keyboard.type('sleep');
  await expect(list).toHaveCount(1);
  await expect(list).toContainText('Bees');
  await page.locator('#history-search').fill('');
  await list.getByText('Apples').click();
  await page.keyboard.press('Control+Shift+E');
  await page.locator('.history-list input').fill('Pears');
  await page.keyboard.press('Enter');
  await expect(list.filter({ hasText: 'Pears' })).toHaveCount(1);
  await page.keyboard.press('Control+Shift+D');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(list).toHaveCount(1);
  await expect.poll(() => storedChats(page)).not.toContain('Pears');
  await page.reload();
  await expect(list).toHaveCount(1);
  await expect(list).toContainText('Bees');
});

/** From here on the conversations of this browser cannot be read, until `release` is set in the page. */
const keepStorageBusy = (page: Page) =>
  page.evaluate(() => new Promise<void>((begun, failed) => {
    const open = indexedDB.open('manyhands-chats', 1);
    open.onerror = () => failed(open.error);
    open.onsuccess = () => {
      const conversations = open.result.transaction('conversations', 'readwrite').objectStore('conversations');
      const again = () => {
        begun();
        if (!('release' in globalThis)) conversations.count().onsuccess = again;
      };
      conversations.count().onsuccess = again;
    };
  }));

test('everything that is exported comes back byte for byte, and a broken file changes nothing', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  const settings = new SettingsPage(page);
  const file = archive(
    { id: 'a', title: 'One "two" <3>', messages: [{ role: 'user', text: 'Ünïcödé \u{1f41d} \u202e \\ "\n' }, { role: 'assistant', text: '<think>a</think>b' }] },
    { id: 'b', title: 'B', messages: [{ role: 'user', text: '' }] },
  );
  await settings.import(file, '2');
  // As it is kept, not as it was read.
  await page.reload();
  const first = await settings.export();
  for (const broken of [
    '', '{}', first.slice(0, first.length / 2), first.replace('"version": 1', '"version": 9'), first.replace('"parent": 0', '"parent": 7'),
    first.replace('"id": "a"', '"id": "b"'), first.replace('"role": "user"', '"role": "root"'), `${first}x`, first.replace('"leaf": 1', '"leaf": 99'),
  ]) {
    expect(broken).not.toBe(first);
    await settings.import(broken, /could not be read|not/i);
    expect(await settings.export()).toBe(first);
  }
  await page.reload();
  expect(await settings.export()).toBe(first);

  // Whoever asks before the storage has answered gets all of it as well.
  const second = await page.context().newPage();
  await second.goto('/icons/icon.svg');
  await keepStorageBusy(second);
  await page.reload();
  const early = page.waitForEvent('download');
  await page.getByTestId('export-all').click();
  await second.evaluate(() => Object.assign(globalThis, { release: true }));
  expect(await readFile((await (await early).path())!, 'utf8')).toBe(first);
  const { page: other } = await openTab({ serviceWorkers: 'block' });
  const elsewhere = new SettingsPage(other);
  await elsewhere.import(first, '2');
  expect(await elsewhere.export()).toBe(first);
});

test('a sheet lists every shortcut and opens over any screen', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.goto('/swarm');
  // There is no app to listen before it is drawn.
  await expect(page.getByTestId('connection')).toBeVisible();
  await page.keyboard.press('Control+/');
  await expect(page.getByTestId('shortcut-sheet')).toBeVisible();
  await expect(page.getByTestId('shortcut-sheet').locator('kbd')).toHaveCount(11);
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('shortcut-sheet')).toBeHidden();
  await page.keyboard.press('Control+Shift+O');
  await expect(page.getByTestId('chat-input')).toBeVisible();
});

test('the mode is chosen beside the input and says who can read what is written', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.goto('/');
  for (const mode of ['local', 'mine', 'swarm', 'auto']) {
    await page.getByTestId(`mode-${mode}`).click();
    await expect(page.getByTestId('mode')).toHaveAttribute('data-mode', mode);
  }
  await page.getByTestId('mode-swarm').click();
  await expect(page.locator('.mode-hint')).toContainText('can read this');
});

test('the sheet of an answer names every device, its layers, back end and time, what was replaced and what was sent', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  const route = {
    hops: [
      { peer: '12D3KooWAbCdEfGhIjKlMnOp', first: 0, end: 3, backend: 'gpu', ms: 4.25 },
      { peer: '12D3KooWQrStUvWxYzAbCdEf', first: 3, end: 5, backend: 'cpu', ms: 18, lost: true },
      { peer: '', first: 3, end: 5, backend: 'cpu', ms: 21.5 },
    ],
    replays: 1,
    bytes: 12_345,
  };
  await new SettingsPage(page).import(archive({
    id: 'a', title: 'Route', messages: [{ role: 'user', text: 'Hi' }, { role: 'assistant', text: 'Ho', route, model: 'stories' }],
  }));
  await walk(page, '/');
  await page.locator('.history-list').getByText('Route').click();
  const sheet = page.getByTestId('message-route');
  await expect(sheet).toHaveAttribute('data-hops', '1');
  await sheet.locator('summary').click();
  const hops = sheet.locator('.hop');
  await expect(hops).toHaveCount(3);
  await expect(hops.nth(0)).toContainText('…IjKlMnOp');
  await expect(hops.nth(0)).toContainText('GPU · 4.2 ms');
  await expect(hops.nth(1)).toContainText('left');
  await expect(hops.nth(2)).toContainText('This device');
  await expect(sheet).toContainText('12.3 kB');
  await expect(sheet).toContainText('1');
  await expect(shown(page, 'Ho')).toHaveCount(1);
});
