// The dialog without which nothing starts.
import type { Page } from '@playwright/test';

export async function consent(page: Page, to: 'lend' | 'swarm'): Promise<void> {
  await page.locator(`[data-testid=consent-dialog][data-for=${to}]`).getByTestId('consent-accept').click();
}
