// The settings page: conversations out and in, language and theme.
import { readFile } from 'node:fs/promises';
import { type Page, expect } from '@playwright/test';

export class SettingsPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async export(): Promise<string> {
    await this.page.goto('/settings');
    const [download] = await Promise.all([this.page.waitForEvent('download'), this.page.getByTestId('export-all').click()]);
    return readFile((await download.path())!, 'utf8');
  }

  async import(text: string, result: string | RegExp = /./): Promise<void> {
    await this.page.goto('/settings');
    await this.page.getByTestId('import-all').setInputFiles({ name: 'chats.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await expect(this.page.getByTestId('import-result')).toContainText(result);
  }
}
