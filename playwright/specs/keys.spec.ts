// Keys: an identity is made when it is first needed and never before consent, what was agreed to is signed, kept and
// taken back, and a backup brings the same identity to another browser.
import { expect, test } from '../fixtures/test.ts';
import { consent } from '../pages/consent.ts';
import { KeysPage } from '../pages/keys.ts';

const PASSPHRASE = 'seven horses and a lamp';

test('no key is made before consent, and the consent is the first thing that it signs', async ({ openTab }) => {
  const { page } = await openTab();
  await page.goto('/lend?backend=cpu');
  await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online');
  const databases = () => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).filter((name) => /keys|consents/.test(name ?? '')));
  await page.getByTestId('lend-toggle').click();
  await expect(page.getByTestId('consent-dialog')).toBeVisible();
  const keysBefore = async () => page.evaluate(() => new Promise<number>((resolve, reject) => {
    const open = indexedDB.open('manyhands-keys');
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const { result } = open;
      if (!result.objectStoreNames.contains('keys')) return resolve(0);
      const count = result.transaction('keys').objectStore('keys').count();
      count.onsuccess = () => resolve(count.result);
    };
  }));
  if ((await databases()).includes('manyhands-keys')) expect(await keysBefore()).toBe(0);
  await consent(page, 'lend');
  await expect(page.getByTestId('lend-status')).toHaveAttribute('data-state', /^(ready|working)$/);

  const keys = new KeysPage(page);
  await keys.open();
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  const receipt = page.locator('[data-testid=receipt][data-for=lend]');
  await expect(receipt).toHaveAttribute('data-state', 'counts');
  await expect(receipt).toHaveAttribute('data-signed', 'true');

  await receipt.getByTestId('receipt-withdraw').click();
  await expect(receipt).toHaveAttribute('data-state', 'withdrawn');
  await page.reload();
  await expect(receipt).toHaveAttribute('data-state', 'withdrawn');
  await page.goto('/lend?backend=cpu');
  await page.getByTestId('lend-toggle').click();
  await expect(page.getByTestId('consent-dialog')).toBeVisible();
});

test('a changed receipt is no agreement', async ({ openTab }) => {
  const { page } = await openTab();
  const keys = new KeysPage(page);
  await page.goto('/lend?backend=cpu');
  await page.getByTestId('lend-toggle').click();
  await consent(page, 'lend');
  await expect(page.getByTestId('lend-status')).toHaveAttribute('data-state', /^(ready|working)$/);
  await keys.open();
  await expect(page.getByTestId('receipt')).toHaveAttribute('data-signed', 'true');
  await page.evaluate(() => new Promise<void>((resolve, reject) => {
    const open = indexedDB.open('manyhands-consents');
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const store = open.result.transaction('consents', 'readwrite').objectStore('consents');
      const cursor = store.openCursor();
      cursor.onsuccess = () => {
        const at = cursor.result;
        if (!at) return resolve();
        const bytes = Uint8Array.from(at.value);
        // A later end: inside the payload, which the signature covers.
        bytes[bytes.length - 80]! ^= 1;
        at.update(bytes);
        at.continue();
      };
    };
  }));
  await page.reload();
  await expect(page.getByTestId('identity-id')).toHaveAttribute('data-state', 'ready');
  await expect(page.getByTestId('receipt')).toHaveCount(0);
});

test('a sealed backup brings the same identity to another browser, and nothing else opens it', async ({ openTab }) => {
  const first = new KeysPage((await openTab()).page);
  await first.open();
  const id = await first.create();
  await expect(first.page.locator('.key-sounds')).toHaveText(/^([a-z]{5} ){5}[a-z]{5}$/);
  const file = await first.export(PASSPHRASE);
  expect(JSON.parse(file)).toMatchObject({ format: 'manyhands-key', version: 1, id });
  expect(file).not.toContain(PASSPHRASE);

  // After a reload the key itself is out of reach, and the sealed copy is the same.
  await first.page.reload();
  await expect(first.identity).toHaveAttribute('data-state', 'ready');
  expect(await first.export(PASSPHRASE)).toBe(file);
  expect(await first.page.evaluate(async () => {
    const pair = await new Promise<any>((resolve, reject) => {
      const open = indexedDB.open('manyhands-keys');
      open.onerror = () => reject(open.error);
      open.onsuccess = () => {
        const get = open.result.transaction('keys').objectStore('keys').get('identity');
        get.onsuccess = () => resolve(get.result);
      };
    });
    return [pair.privateKey.extractable, await crypto.subtle.exportKey('pkcs8', pair.privateKey).then(() => 'exported', () => 'refused')];
  })).toEqual([false, 'refused']);

  const second = new KeysPage((await openTab()).page);
  await second.open();
  const error = second.page.getByTestId('error');
  const broken: [string, string][] = [
    [file, 'another passphrase'],
    [file.replace(/"sealed": "(.)/, (_, letter) => `"sealed": "${letter === 'A' ? 'B' : 'A'}`), PASSPHRASE],
    [file.replace('600000', '200000'), PASSPHRASE],
    [file.replace('600000', '4000000000'), PASSPHRASE],
    [file.replace(id, id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))), PASSPHRASE],
    [file.slice(0, 100), PASSPHRASE],
    ['x'.repeat(9000), PASSPHRASE],
    ['{}', PASSPHRASE],
  ];
  for (const [text, passphrase] of broken) {
    await second.import(text, passphrase);
    await expect(error).toBeVisible();
    await second.page.keyboard.press('Escape');
    await expect(second.identity).toHaveAttribute('data-state', 'none');
  }
  await second.import(file, PASSPHRASE);
  await expect(second.identity).toHaveAttribute('data-state', 'ready');
  expect(await second.id()).toBe(id);

  await first.reset();
  await first.import(file, PASSPHRASE);
  await expect(first.identity).toHaveAttribute('data-state', 'ready');
  expect(await first.id()).toBe(id);
});

test('a key without a backup says after a reload that it cannot be exported', async ({ openTab }) => {
  const keys = new KeysPage((await openTab()).page);
  await keys.open();
  await keys.create();
  await expect(keys.page.getByTestId('identity-export')).toBeEnabled();
  await keys.page.reload();
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  await expect(keys.page.getByTestId('identity-export')).toBeDisabled();
  await expect(keys.page.getByTestId('identity-backup')).toBeVisible();
});
