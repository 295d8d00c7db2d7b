// The swarm page: who lends which layers, what is missing, the ring as it works, how fast it could be, how the relay is.
import { testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

test('the gap is named and drawn, whoever lends the rest closes it, the ring shows who works, and whoever is told to stop does', async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  const half = Math.ceil(model.layers / 2);
  const STEP_MS = 40;
  const first = new LendPage((await openTab()).page);
  await first.lend(model.id, 0, half, STEP_MS);

  const chat = new ChatPage((await openTab()).page);
  const { page } = chat;
  const outside: string[] = [];
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http') && origin !== relay.url) outside.push(request.url());
  });
  // Longer than anybody here waits.
  await chat.open(model.id, 'swarm', 400);
  await page.locator('.side a[href="/swarm"]').click();
  const coverage = page.locator(`[data-testid=coverage][data-model="${model.id}"]`);
  await expect(coverage).toHaveAttribute('data-covered', String(half));
  await expect(coverage).toContainText(`Nobody lends: ${half}–${model.layers - 1}`);
  const ring = page.locator('.model-coverage .ring').first();
  await expect(ring.locator('.ring-layer')).toHaveCount(model.layers);
  await expect(ring.locator('.ring-layer.lent')).toHaveCount(half);
  await expect(ring.locator('.ring-arc')).toHaveCount(1);
  await expect(page.getByTestId('throughput')).toHaveCount(0);
  await expect(page.getByTestId('peer-row')).toHaveAttribute('data-peer', await first.peer());

  const second = new LendPage((await openTab()).page);
  await second.lend(model.id, half, model.layers, STEP_MS);
  await expect(coverage).toHaveAttribute('data-covered', String(model.layers));
  await expect(ring.locator('.ring-layer.lent')).toHaveCount(model.layers);
  await expect(ring.locator('.ring-arc')).toHaveCount(2);
  await expect(ring.locator('.ring-arc.works')).toHaveCount(0);
  await expect(page.getByTestId('throughput')).toContainText(/\d tok\/s/);
  await expect(page.getByTestId('relay-health')).toHaveAttribute('data-state', 'ready');
  await expect(page.getByTestId('relay-health').locator('dd').last()).toHaveText(/[1-9]/);

  await page.locator('.side .nav-link[href="/"]').click();
  await chat.ask('Once upon a time');
  await chat.agree();
  await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+/);
  await page.locator('.side a[href="/swarm"]').click();
  await expect(ring.locator('.ring-arc.works')).toHaveCount(2);
  // The answer goes on meanwhile.
  await page.locator('.side .nav-link[href="/"]').click();
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'streaming');
  await page.getByTestId('chat-stop').click();
  await expect(chat.lastAnswer).toHaveAttribute('data-state', 'stopped');
  for (const lender of [first, second]) {
    await expect(lender.page.getByTestId('lend-status')).toHaveAttribute('data-state', 'ready', { timeout: 10_000 });
  }
  await page.locator('.side a[href="/swarm"]').click();
  await expect(ring.locator('.ring-arc.works')).toHaveCount(0);
  expect(outside).toEqual([]);
});

test('a relay that is gone is said to be silent', async ({ openTab }) => {
  const relay = await Relay.start([testModel()]);
  const { page, complaints } = await openTab({ baseURL: relay.url, serviceWorkers: 'block' });
  await page.goto('/swarm');
  const health = page.getByTestId('relay-health');
  await expect(health).toHaveAttribute('data-state', 'ready');
  await relay.stop();
  await expect(health).toHaveAttribute('data-state', 'silent');
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket|Failed to (?:fetch|load)/);
});
