// Keys: an identity is made when it is first needed and never before consent, what was agreed to is signed, kept and
// taken back, and a backup brings the same identity to another browser.
import { readFile } from 'node:fs/promises';
import { stored } from '../fixtures/stored.ts';
import { expect, test } from '../fixtures/test.ts';
import { consent } from '../pages/consent.ts';
import { KeysPage } from '../pages/keys.ts';
import { lent, online } from '../pages/shown.ts';

const PASSPHRASE = 'seven horses and a lamp';

test('no key is made before consent, and the consent is the first thing that it signs', async ({ openTab }) => {
  const { page } = await openTab();
  await page.goto('/lend?backend=cpu');
  await online(page);
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
  await lent(page);

  const keys = new KeysPage(page);
  await keys.open();
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  const receipt = page.locator('[data-testid=receipt][data-for=lend]');
  await expect(receipt).toHaveAttribute('data-state', 'counts');
  await expect(receipt).toHaveAttribute('data-signed', 'true');

  const agreed = await stored(page, 'manyhands-consents', 'consents');
  await receipt.getByTestId('receipt-withdraw').click();
  await expect(receipt).toHaveAttribute('data-state', 'withdrawn');
  await expect.poll(() => stored(page, 'manyhands-consents', 'consents')).not.toBe(agreed);
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
  await lent(page);
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

test('a passkey seals the backup, and nothing but that passkey opens it', async ({ relay, openTab }) => {
  // A number is no name that a passkey could be made for.
  const { page } = await openTab({ baseURL: relay.url.replace('127.0.0.1', 'localhost'), serviceWorkers: 'block' });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const plug = async () => {
    const options = {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, hasPrf: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    } as const;
    return (await cdp.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId;
  };
  const authenticatorId = await plug();
  const keys = new KeysPage(page);
  await keys.open();
  const id = await keys.create();
  const save = async () => {
    await page.getByTestId('identity-export').click();
    const download = page.waitForEvent('download');
    await page.getByTestId('identity-export-passkey').click();
    return readFile((await (await download).path())!, 'utf8');
  };
  const file = await save();
  expect(JSON.parse(file)).toMatchObject({ id, iterations: 0, passkey: { id: expect.any(String) } });
  await expect(page.getByTestId('identity-export-passkey')).toHaveCount(0);
  await page.reload();
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  expect(await save(), 'the same file again').toBe(file);

  await keys.reset();
  const bring = async (text: string) => {
    await page.getByTestId('identity-import').click();
    await page.getByTestId('identity-file').setInputFiles({ name: 'key.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await expect(page.getByTestId('passphrase')).toHaveCount(0);
    await page.getByTestId('identity-import-open').click();
  };
  const refused = async (text: string) => {
    await bring(text);
    await expect(page.getByTestId('error')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(keys.identity).toHaveAttribute('data-state', 'none');
  };
  await refused(file.replace(/"sealed": "(.)/, (_, letter) => `"sealed": "${letter === 'A' ? 'B' : 'A'}`));
  await bring(file);
  await expect(keys.identity).toHaveAttribute('data-state', 'ready');
  expect(await keys.id()).toBe(id);
  // Somebody else has the device: it does not know them, and locks itself after some tries.
  await keys.reset();
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await refused(file);
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
