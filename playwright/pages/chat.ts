// The chat page: a question, an answer, and the way it took.
import { type Locator, type Page, expect } from '@playwright/test';
import { consent } from './consent.ts';
import { online } from './shown.ts';

export interface Cost {
  tokens: number;
  trips: number;
  decodeMs: number;
  stallMs: number;
}

export class ChatPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens the chat so that it decodes greedily with the given model; `more` are further query parameters. */
  async open(model: string, mode: 'local' | 'swarm', tokens: number, more: Record<string, string> = {}): Promise<void> {
    const query = new URLSearchParams({
      model, mode, temperature: '0', seed: '1', max_tokens: String(tokens), backend: 'cpu', storage: 'memory', ...more,
    });
    await this.page.goto(`/?${query}`);
    await online(this.page);
  }

  /** Opens the chat as who this browser is, for answers of its own devices. */
  async openMine(model: string, tokens: number): Promise<void> {
    const query = new URLSearchParams({ model, mode: 'mine', temperature: '0', seed: '1', max_tokens: String(tokens), backend: 'cpu' });
    await this.page.goto(`/?${query}`);
    await online(this.page);
  }

  /** Asks, and waits until the answer has its place on the screen. */
  async ask(text: string): Promise<void> {
    const answers = await this.#answers.count();
    await this.page.getByTestId('chat-input').fill(text);
    await this.page.getByTestId('chat-send').click();
    // Before the first use of strangers' devices the dialog comes instead.
    await expect(this.#answers.nth(answers).or(this.page.getByTestId('consent-dialog'))).toBeVisible();
  }

  /** Agrees to the use of strangers' devices, which is asked once. */
  async agree(): Promise<void> {
    await consent(this.page, 'swarm');
  }

  get #answers(): Locator {
    return this.page.locator('[data-testid=message][data-role=assistant]');
  }

  get lastAnswer(): Locator {
    return this.#answers.last();
  }

  /** The text of the last answer once it is complete. */
  async answer(): Promise<string> {
    await expect(this.lastAnswer).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
    return this.lastAnswer.getByTestId('message-text').innerText();
  }

  /** The stages of the last answer: who computed which layers, and how long a step took. */
  async stages(): Promise<{ peer: string; first: number; last: number; ms: number }[]> {
    const rows = await this.lastAnswer.getByTestId('message-route').locator('.hop').all();
    return Promise.all(
      rows.map(async (row) => {
        const value = async (name: string) => (await row.getAttribute(`data-${name}`)) ?? '';
        return {
          peer: await value('peer'), first: Number(await value('first')), last: Number(await value('last')),
          ms: Number(await value('ms')),
        };
      }),
    );
  }

  /** What computed the stages of the last answer, and the names of the GPUs as far as they are known. */
  async backends(): Promise<{ backend: string; adapter: string }[]> {
    const hops = this.lastAnswer.getByTestId('message-route').locator('[data-backend]');
    return hops.evaluateAll((all) => all.map((hop) => ({
      backend: hop.getAttribute('data-backend') ?? '', adapter: hop.getAttribute('data-adapter') ?? '',
    })));
  }

  /** How many stages of the last answer were on other peers. */
  hops(): Promise<number> {
    return this.#figure('hops');
  }

  /** What the last answer took: trips around all stages, and milliseconds from its first token to its last. */
  async cost(): Promise<Cost> {
    return {
      tokens: await this.#figure('tokens'), trips: await this.#figure('trips'), decodeMs: await this.#figure('decode-ms'),
      stallMs: await this.#figure('stall-ms'),
    };
  }

  async #figure(name: string): Promise<number> {
    return Number(await this.lastAnswer.getByTestId('message-route').getAttribute(`data-${name}`));
  }
}
