// The models page: what this browser keeps, and how more comes in.
import { type Locator, type Page, expect } from '@playwright/test';

export class ModelsPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(): Promise<void> {
    await this.page.goto('/models');
    await expect(this.page.getByTestId('shelf-used')).toHaveAttribute('data-persistent', 'true');
  }

  card(model: string): Locator {
    return this.page.locator(`[data-testid=model-card][data-model="${model}"]`);
  }

  /** Bytes of a model that are kept, as the page says. */
  async held(model: string): Promise<number> {
    return Number(await this.card(model).getByTestId('model-kept').getAttribute('data-held'));
  }

  async expectKept(model: string, state: 'none' | 'part' | 'whole'): Promise<void> {
    await expect(this.card(model).getByTestId('model-kept')).toHaveAttribute('data-state', state);
  }

  async download(model: string): Promise<void> {
    await this.card(model).getByTestId('model-download').click();
    await this.expectKept(model, 'whole');
  }

  async delete(model: string): Promise<void> {
    await this.card(model).getByTestId('model-delete').click();
    await this.page.getByTestId('model-delete-sure').click();
  }

  get ownCards(): Locator {
    return this.page.locator('[data-testid=model-card][data-own=true]');
  }

  get jobs(): Locator {
    return this.page.getByTestId('model-job');
  }
}
