// The relay goes away: what tabs do for each other goes on, and they find it, or another one, again.
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { relayProgram, testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 96;
/** Slow enough that the relay can be killed while tokens stream. */
const STEP_MS = 30;
/** How soon a tab is back after its relay is. */
const BACK_MS = 5_000;
/** Until a tab has tried every address of its relay. */
const AWAY_MS = 6_000;

/** A browser says so when what it was connected to goes; nothing else may be wrong. */
function forgive(complaints: string[]): void {
  const others = complaints.filter((each) => !/WebSocket connection to|ERR_CONNECTION_REFUSED/.test(each));
  expect(others).toEqual([]);
  complaints.length = 0;
}

test('the relay is killed and comes back while an answer streams: the answer goes on, and everybody is back', { tag: '@timed' }, async ({ openTab }) => {
  const relay = await Relay.start([testModel()]);
  try {
    const model = (await relay.models())[0]!;
    const half = Math.ceil(model.layers / 2);
    const tabs = [await openTab({ baseURL: relay.url }), await openTab({ baseURL: relay.url }), await openTab({ baseURL: relay.url })];
    await new LendPage(tabs[0]!.page).lend(model.id, 0, half, STEP_MS);
    await new LendPage(tabs[1]!.page).lend(model.id, half, model.layers, STEP_MS);
    const chat = new ChatPage(tabs[2]!.page);
    await chat.open(model.id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    await expect(chat.lastAnswer.getByTestId('message-text')).toContainText(/\S+ \S+ \S+/);

    await relay.kill();
    for (const { page } of tabs) {
      await expect(page.getByTestId('connection')).not.toHaveAttribute('data-state', 'online');
    }
    await expect(chat.lastAnswer).toHaveAttribute('data-state', 'streaming');
    await relay.startAgain();
    const restarted = Date.now();
    const back = restarted + BACK_MS;
    for (const { page } of tabs) {
      const left = Math.max(1, back - Date.now());
      await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'online', { timeout: left });
    }
    console.log(`all tabs back at the relay ${Date.now() - restarted} ms after it was`);
    expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
    tabs.forEach(({ complaints }) => forgive(complaints));
    // A tab that is left open looks for the relay that is stopped next, and the browser says so.
    for (const { page } of tabs) await page.close();
  } finally {
    await relay.stop();
  }
});

test('a relay that was away for long is found at its best address, though another of its addresses never answers', { tag: '@timed' }, async ({ openTab }) => {
  // The port of this one is another after each start: who tries the old one waits in vain.
  const relay = await Relay.start([testModel()], { arguments: ['--webrtc-port', '0'] });
  try {
    const { page, complaints } = await openTab({ baseURL: relay.url });
    await page.goto('/');
    const connection = page.getByTestId('connection');
    await expect(connection).toHaveAttribute('data-state', 'online');
    await relay.kill();
    await expect(connection).not.toHaveAttribute('data-state', 'online');
    // Long enough for the first tries of the other address.
    await page.waitForTimeout(AWAY_MS);
    await relay.startAgain();
    await expect(connection).toHaveAttribute('data-state', 'online', { timeout: BACK_MS });
    forgive(complaints);
    await page.close();
  } finally {
    await relay.stop();
  }
});

test('two relays are one network: a lender at one serves a tab at the other, and either may be lost', async ({ openTab }) => {
  test.setTimeout(150_000);
  const folders = [await mkdtemp(join(tmpdir(), 'manyhands-one-')), await mkdtemp(join(tmpdir(), 'manyhands-two-'))];
  const relays: Relay[] = [];
  try {
    // Each must know the other before either runs.
    const known = [await identity(folders[0]!), await identity(folders[1]!)];
    await copyFile(join(folders[0]!, 'swarm.seed'), join(folders[1]!, 'swarm.seed'));
    for (const [at, data] of folders.entries()) {
      const other = known[1 - at]!;
      const args = ['--p2p-port', String(known[at]!.port), '--relay', `/ip4/127.0.0.1/tcp/${other.port}/p2p/${other.peer}`];
      relays.push(await Relay.start([testModel()], { data, arguments: args }));
    }
    const [one, two] = relays as [Relay, Relay];
    const network = async (relay: Relay) => ((await (await fetch(`${relay.url}/api/v1/swarm`)).json()) as { relays: unknown[] }).relays;
    for (const relay of relays) await expect.poll(async () => (await network(relay)).length, { timeout: 30_000 }).toBe(1);

    const model = (await one.models())[0]!;
    const lender = await openTab({ baseURL: one.url });
    await new LendPage(lender.page).lend(model.id, 0, model.layers);
    const first = await openTab({ baseURL: two.url });
    const chat = new ChatPage(first.page);
    await chat.open(model.id, 'swarm', 16);
    await chat.ask(PROMPT);
    await chat.agree();
    const reference = words(await greedyText(testModel(), PROMPT, 16));
    expect(words(await chat.answer())).toBe(reference);
    expect(await chat.hops()).toBe(1);

    // The lender's own relay is gone for good: it goes to the other, where a stranger finds it.
    await one.kill();
    const second = await openTab({ baseURL: two.url });
    const late = new ChatPage(second.page);
    await late.open(model.id, 'swarm', 16);
    await late.ask(PROMPT);
    await late.agree();
    expect(words(await late.answer())).toBe(reference);
    expect(await late.hops()).toBe(1);
    [lender, first, second].forEach(({ complaints }) => forgive(complaints));
  } finally {
    for (const relay of relays) await relay.stop();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
});

/** The peer id that a relay on this data folder will have, and a port that is free for it. */
async function identity(data: string): Promise<{ peer: string; port: number }> {
  execFileSync(relayProgram(), ['--data', data, 'swarm', 'init']);
  const peer = execFileSync(relayProgram(), ['--data', data, 'key', 'show']).toString().trim().split(/\s+/).at(-1)!;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return { peer, port };
}
