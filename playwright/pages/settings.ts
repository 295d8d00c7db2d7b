// The settings page: conversations out and in, language and theme.
import { readFile } from 'node:fs/promises';
import { type Page, expect } from '@playwright/test';
import { walk } from './walk.ts';

export class SettingsPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Shows the page with nothing said on it yet. The app is loaded only where it is not there. */
  async open(): Promise<void> {
    if ((await this.page.locator('#main').count()) === 0) {
      await this.page.goto('/settings');
      return;
    }
    await walk(this.page, '/keys');
    await walk(this.page, '/settings');
  }

  async export(): Promise<string> {
    if (!this.page.url().endsWith('/settings')) await this.open();
    const [download] = await Promise.all([this.page.waitForEvent('download'), this.page.getByTestId('export-all').click()]);
    return readFile((await download.path())!, 'utf8');
  }

  async import(text: string, result: string | RegExp = /./): Promise<void> {
    await this.open();
    await this.page.getByTestId('import-all').setInputFiles({ name: 'chats.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await expect(this.page.getByTestId('import-result')).toContainText(result);
  }
}
