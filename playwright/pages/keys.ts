// The keys page: identity, swarms, agreements, sites.
import { type Locator, type Page, expect } from '@playwright/test';
import { online } from './shown.ts';

export class KeysPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(query = ''): Promise<void> {
    await this.page.goto(`/keys${query}`);
    await online(this.page);
  }

  get identity(): Locator {
    return this.page.getByTestId('identity-id');
  }

  async id(): Promise<string> {
    return (await this.identity.locator('.key-id').first().innerText()).trim();
  }

  async create(): Promise<string> {
    await this.page.getByTestId('identity-create').click();
    await expect(this.identity).toHaveAttribute('data-state', 'ready');
    return this.id();
  }

  /** The backup, as the file that the browser saves. */
  async export(passphrase: string): Promise<string> {
    await this.page.getByTestId('identity-export').click();
    await this.page.getByTestId('passphrase').fill(passphrase);
    const again = this.page.getByTestId('passphrase-again');
    if (await again.count()) await again.fill(passphrase);
    const download = this.page.waitForEvent('download');
    await this.page.getByTestId('identity-export-save').click();
    const stream = await (await download).createReadStream();
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  }

  /** Opens the dialog and tries to bring a key in; leaves the dialog as it then is. */
  async import(file: string, passphrase: string): Promise<void> {
    await this.page.getByTestId('identity-import').click();
    await this.page.getByTestId('identity-file').setInputFiles({ name: 'key.json', mimeType: 'application/json', buffer: Buffer.from(file) });
    await this.page.getByTestId('passphrase').fill(passphrase);
    await this.page.getByTestId('identity-import-open').click();
  }

  async reset(word = 'forget'): Promise<void> {
    await this.page.getByTestId('identity-reset').click();
    await this.page.getByTestId('identity-reset-word').fill(word);
    await this.page.getByTestId('identity-reset-confirm').click();
    await expect(this.identity).toHaveAttribute('data-state', 'none');
  }

  /** Makes a site key for one origin and returns it as it stands in `data-site`. */
  async createSite(origin: string): Promise<string> {
    await this.page.getByTestId('site-origins').fill(origin);
    await this.page.getByTestId('site-create').click();
    const site = this.page.getByTestId('site').last();
    await expect(site).toBeVisible();
    return (await site.getAttribute('data-site')) ?? '';
  }

  async createSwarm(name: string): Promise<Locator> {
    await this.page.getByTestId('swarm-name').fill(name);
    await this.page.getByTestId('swarm-create').click();
    const swarm = this.page.getByTestId('swarm').filter({ hasText: name });
    await expect(swarm.getByTestId('register')).toBeVisible();
    return swarm;
  }
}
