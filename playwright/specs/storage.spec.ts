// A browser that keeps nothing, has no room, has lost or garbled what it kept: the app starts, says so, and goes on.
import type { Page } from '@playwright/test';
import { archive } from '../fixtures/archive.ts';
import { expect, type OpenTab, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { consent } from '../pages/consent.ts';
import { KeysPage } from '../pages/keys.ts';
import { SettingsPage } from '../pages/settings.ts';
import { lent, online } from '../pages/shown.ts';

const TALK = archive({ id: 'a', title: 'Kept', messages: [{ role: 'user', text: 'Are you there?' }] });
const NOT_KEPT = /refuses storage/;

async function open(openTab: OpenTab, spoil: () => void): Promise<Page> {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await page.addInitScript(spoil);
  return page;
}

/** It starts, finds its relay, and answers. */
async function expectAlive(page: Page, model: string): Promise<void> {
  const query = new URLSearchParams({ model, mode: 'local', temperature: '0', max_tokens: '4', backend: 'cpu' });
  await page.goto(`/?${query}`);
  await online(page);
  const chat = new ChatPage(page);
  await chat.ask('Once upon a time');
  expect((await chat.answer()).trim()).not.toBe('');
}

const refusals: Record<string, () => void> = {
  'small records refused': () => {
    Object.defineProperty(window, 'localStorage', { get: () => { throw new DOMException('refused', 'SecurityError'); } });
  },
  'small records without room': () => {
    Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
  },
  'small records garbled': () => {
    for (const key of ['settings', 'receipts', 'own-models', `relay.${location.origin}`]) {
      try { localStorage.setItem(`manyhands.${key}`, '\u0000{"temperature":"\ud800'); } catch { /* before the first page */ }
    }
  },
  'the database absent': () => {
    Object.defineProperty(window, 'indexedDB', { value: undefined });
  },
  'the database refused': () => {
    IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };
  },
  'the database without room': () => {
    IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
  },
};

for (const [what, spoil] of Object.entries(refusals)) {
  test(`with ${what} the app starts and answers`, async ({ relay, openTab }) => {
    const model = (await relay.models())[0]!;
    const page = await open(openTab, spoil);
    await expectAlive(page, model.id);
    if (what.startsWith('the database')) await expect(page.locator('.history')).toContainText(NOT_KEPT);
  });
}

test('a database of a later version is left alone, and the app says that nothing is kept', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const { page, complaints } = await openTab({ serviceWorkers: 'block' });
  await page.goto('/icons/icon.svg');
  await page.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.open('manyhands-chats', 99);
    request.onsuccess = () => resolve(request.result.close());
    request.onerror = () => reject(request.error);
  }));
  await expectAlive(page, model.id);
  await expect(page.locator('.history')).toContainText(NOT_KEPT);
  // A picture alone has no icon of its own, so the browser asks for one.
  for (const complaint of complaints.splice(0)) expect(complaint).toContain('/favicon.ico');
});

test('records that cannot be read do not hide those that can, and stay where they are', async ({ openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await new SettingsPage(page).import(TALK, '1');
  const records = (act: 'spoil' | 'count') => page.evaluate((act) => new Promise<number>((resolve, reject) => {
    const request = indexedDB.open('manyhands-chats');
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const transaction = request.result.transaction('conversations', 'readwrite');
      const store = transaction.objectStore('conversations');
      if (act === 'spoil') {
        [42, 'no json', '{"id":"x"}', { id: 1 }, new Uint8Array(9), null].forEach((value, at) => store.put(value, `bad${at}`));
      }
      const count = store.count();
      transaction.oncomplete = () => {
        request.result.close();
        resolve(count.result);
      };
    };
  }), act);
  expect(await records('spoil')).toBe(7);
  await page.goto('/');
  await expect(page.locator('.history-list li')).toHaveCount(1);
  await expect(page.locator('.history-list')).toContainText('Kept');
  expect(await records('count')).toBe(7);
});

test('conversations that the browser cleared away are gone without a fault', async ({ relay, openTab }) => {
  const { page } = await openTab({ serviceWorkers: 'block' });
  await new SettingsPage(page).import(TALK, '1');
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', { origin: relay.url, storageTypes: 'all' });
  await page.goto('/');
  await expect(page.locator('.history-empty')).toBeVisible();
  await expectAlive(page, (await relay.models())[0]!.id);
});

// The identity: what storage does to it at each step, and that a backup brings it back.
const PASSPHRASE = 'seven horses and a lamp';
const refusesWrites = () => {
  for (const write of ['put', 'add'] as const) {
    IDBObjectStore.prototype[write] = () => { throw new DOMException('full', 'QuotaExceededError'); };
  }
};

/** A browser with an identity that was backed up. */
async function backedUp(openTab: OpenTab): Promise<{ keys: KeysPage; id: string; file: string }> {
  const { page } = await openTab({ serviceWorkers: 'block' });
  const keys = new KeysPage(page);
  await keys.open();
  const id = await keys.create();
  return { keys, id, file: await keys.export(PASSPHRASE) };
}

async function expectBack(keys: KeysPage, file: string, id: string): Promise<void> {
  await keys.import(file, PASSPHRASE);
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  expect(await keys.id()).toBe(id);
}

test('an identity that cannot be written is not claimed, and the page says why', async ({ openTab }) => {
  const page = await open(openTab, refusesWrites);
  const keys = new KeysPage(page);
  await keys.open();
  await page.getByTestId('identity-create').click();
  await expect(page.getByTestId('error')).toHaveAttribute('data-code', 'storage_full');
  await expect(page.getByTestId('error')).toHaveAttribute('data-reason', 'storage_refused');
  await expect(keys.identity).toHaveAttribute('data-state', 'none');
});

test('where the browser refuses its database the keys page says so', async ({ openTab }) => {
  const page = await open(openTab, () => {
    IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };
  });
  const keys = new KeysPage(page);
  await keys.open();
  await expect(page.getByTestId('error')).toHaveAttribute('data-reason', 'storage_refused');
  await expect(keys.identity).toHaveAttribute('data-state', 'none');
});

test('an identity that the browser cleared away comes back from its backup', async ({ relay, openTab }) => {
  const { keys, id, file } = await backedUp(openTab);
  const session = await keys.page.context().newCDPSession(keys.page);
  await session.send('Storage.clearDataForOrigin', { origin: relay.url, storageTypes: 'all' });
  await keys.open();
  await expect(keys.identity).toHaveAttribute('data-state', 'none');
  await expectBack(keys, file, id);
});

test('an identity that is damaged says so, and comes back from its backup once it is forgotten', async ({ openTab }) => {
  const { keys, id, file } = await backedUp(openTab);
  for (const damage of ['text', 'halves swapped', 'half missing'] as const) {
    await keys.page.evaluate((damage) => new Promise<void>((resolve, reject) => {
      const open = indexedDB.open('manyhands-keys');
      open.onerror = () => reject(open.error);
      open.onsuccess = () => {
        const transaction = open.result.transaction('keys', 'readwrite');
        const store = transaction.objectStore('keys');
        const kept = store.get('identity');
        kept.onsuccess = () => {
          const { publicKey, privateKey } = kept.result;
          const damaged = { text: 'no key', 'halves swapped': { publicKey: privateKey, privateKey: publicKey }, 'half missing': { publicKey } };
          store.put(damaged[damage], 'identity');
        };
        transaction.oncomplete = () => {
          open.result.close();
          resolve();
        };
      };
    }), damage);
    await keys.open();
    await expect(keys.page.getByTestId('error'), damage).toHaveAttribute('data-reason', 'key_damaged');
    await expect(keys.identity).toHaveAttribute('data-state', 'none');
    await keys.reset();
    await expectBack(keys, file, id);
  }
});

test('an import that cannot be written leaves nothing half done, and works once there is room', async ({ openTab }) => {
  const { id, file } = await backedUp(openTab);
  const { page } = await openTab({ serviceWorkers: 'block' });
  const keys = new KeysPage(page);
  await keys.open();
  await page.evaluate(() => {
    const { add } = IDBObjectStore.prototype;
    Object.assign(globalThis, { giveRoom: () => (IDBObjectStore.prototype.add = add) });
    IDBObjectStore.prototype.add = () => { throw new DOMException('full', 'QuotaExceededError'); };
  });
  await keys.import(file, PASSPHRASE);
  await expect(page.getByTestId('error')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(keys.identity).toHaveAttribute('data-state', 'none');
  await page.evaluate(() => (globalThis as any).giveRoom());
  await expectBack(keys, file, id);
});

test('with every record of every database garbled each page opens, an answer comes, and the backup brings the identity back', async ({ relay, openTab }) => {
  const { keys, id, file } = await backedUp(openTab);
  const { page } = keys;
  await keys.createSwarm('Kept');
  await keys.createSite('https://example.org');
  await page.goto('/lend?backend=cpu');
  await page.getByTestId('lend-toggle').click();
  await consent(page, 'lend');
  await lent(page);
  await expectAlive(page, (await relay.models())[0]!.id);
  // A page of ours that runs nothing: whatever runs could write again.
  await page.goto('/icons/icon.svg');
  const garbled = await page.evaluate(async () => {
    const junk = [42, 'no json', '{"id":"x"}', { id: 1 }, new Uint8Array(9), new Uint8Array(900).fill(255)];
    const names: string[] = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const open = indexedDB.open(name!);
        open.onsuccess = () => resolve(open.result);
        open.onerror = () => reject(open.error);
      });
      for (const store of database.objectStoreNames) {
        await new Promise<void>((resolve, reject) => {
          const transaction = database.transaction(store, 'readwrite');
          const cursor = transaction.objectStore(store).openCursor();
          let at = names.length;
          cursor.onsuccess = () => {
            if (!cursor.result) return;
            names.push(name!);
            cursor.result.update(junk[(at += 1) % junk.length]);
            cursor.result.continue();
          };
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(transaction.error);
        });
      }
      database.close();
    }
    for (const name of Object.keys(localStorage)) localStorage.setItem(name, '\u0000{"temperature":"\ud800');
    return [...new Set(names)].sort();
  });
  expect(garbled).toEqual(expect.arrayContaining(['manyhands-chats', 'manyhands-consents', 'manyhands-keys', 'manyhands-sites', 'manyhands-swarms']));

  for (const route of ['/', '/lend', '/swarm', '/models', '/settings', '/keys']) {
    await page.goto(route);
    await online(page);
    await expect(page.locator('.fail')).toHaveCount(0);
  }
  await expect(page.getByTestId('error').first()).toHaveAttribute('data-reason', 'key_damaged');
  await keys.reset();
  await expectBack(keys, file, id);
  await expectAlive(page, (await relay.models())[0]!.id);
});

test('storage that fills up while the page is open is said, and nothing that was kept is lost', async ({ openTab }) => {
  const { keys, id, file } = await backedUp(openTab);
  const { page } = keys;
  await page.evaluate(refusesWrites);
  await page.getByTestId('swarm-name').fill('No room');
  await page.getByTestId('swarm-create').click();
  await expect(page.getByTestId('error')).toHaveAttribute('data-reason', 'storage_refused');
  await expect(page.getByTestId('swarm')).toHaveCount(0);
  // Lending needs no room for its consent: it counts on this page.
  await page.locator('.side a[href="/lend"]').click();
  await page.getByTestId('lend-toggle').click();
  await consent(page, 'lend');
  await lent(page);
  await page.locator('.side a[href="/keys"]').click();
  await expect(page.getByTestId('receipt')).toHaveAttribute('data-signed', 'false');
  await page.locator('.side .nav-link[href="/"]').click();
  await page.getByTestId('mode-local').click();
  const chat = new ChatPage(page);
  await chat.ask('Once upon a time');
  expect((await chat.answer()).trim()).not.toBe('');
  await expect(page.locator('.history')).toContainText(NOT_KEPT);

  await keys.open();
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  expect(await keys.id()).toBe(id);
  expect(await keys.export(PASSPHRASE)).toBe(file);
});
