// The lend page: a tab gives layers of a model to everybody.
import type { Page } from '@playwright/test';
import type { OpenTab } from '../fixtures/test.ts';
import { consent } from './consent.ts';
import { lent } from './shown.ts';

export class LendPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Lends layers `first` to `end - 1`, no step faster than `stepMs`, and waits until they are served; `more` are further query parameters. */
  async lend(
    model: string, first: number, end: number, stepMs = 0, backend: 'gpu' | 'cpu' = 'cpu', more: Record<string, string> = {},
    patienceMs = 30_000,
  ): Promise<void> {
    const query = new URLSearchParams({ model, layers: `${first}-${end}`, backend, storage: 'memory', ...more });
    if (stepMs > 0) query.set('pace_ms', String(stepMs));
    await this.page.goto(`/lend?${query}`);
    await this.page.getByTestId('lend-toggle').click();
    await consent(this.page, 'lend');
    await lent(this.page, patienceMs);
  }

  /** The same, to a swarm of one's own and as who this browser is. */
  async lendTo(swarm: string, model: string, first: number, end: number): Promise<void> {
    const query = new URLSearchParams({ model, layers: `${first}-${end}`, backend: 'cpu' });
    await this.page.goto(`/lend?${query}`);
    await this.page.getByTestId('swarm-choice').selectOption(swarm);
    await this.page.getByTestId('lend-toggle').click();
    await consent(this.page, 'lend');
    await lent(this.page);
  }

  /** This tab's name in the mesh. */
  async peer(): Promise<string> {
    return (await this.page.getByTestId('lend-status').getAttribute('data-peer')) ?? '';
  }

  /** Whether this tab computes for somebody just now. */
  async works(): Promise<boolean> {
    return (await this.page.getByTestId('lend-status').getAttribute('data-state')) === 'working';
  }
}

/** Browsers that lend these layers, one each. */
export function lenders(openTab: OpenTab, model: string, ranges: [number, number][], stepMs = 0): Promise<LendPage[]> {
  return Promise.all(ranges.map(async ([first, end]) => {
    const lender = new LendPage((await openTab()).page);
    await lender.lend(model, first, end, stepMs);
    return lender;
  }));
}
