// The swarm page: who lends what.
import { type Page, expect } from '@playwright/test';

export class SwarmPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(): Promise<void> {
    await this.page.goto('/swarm');
  }

  /** Waits until every layer of the model is lent by somebody. */
  async covered(layers: number): Promise<void> {
    await expect(this.page.locator(`[data-testid=coverage][data-covered="${layers}"]`)).toBeVisible();
  }

  /** The layer ranges that are lent, in order. */
  async ranges(): Promise<[number, number][]> {
    const rows = await this.page.getByTestId('peer-row').all();
    const ends = async (name: string, row: (typeof rows)[number]) => Number(await row.getAttribute(name));
    const ranges = await Promise.all(
      rows.map(async (row): Promise<[number, number]> => [await ends('data-first', row), await ends('data-last', row)]),
    );
    return ranges.sort(([a], [b]) => a - b);
  }
}
