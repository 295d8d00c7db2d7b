// The lines between tabs and relay: what a bad one does to an answer, and every way in which a browser reaches a relay.
import { testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { Relay } from '../fixtures/relay.ts';
import { expect, type Tab, test } from '../fixtures/test.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 16;

const DELAY_MS = 150;

test('a slow and lossy line makes an answer late, not wrong', { tag: '@timed' }, async ({ relay, openTab }) => {
  const model = (await relay.models())[0]!;
  await new LendPage((await openTab()).page).lend(model.id, 0, model.layers);
  const reference = words(await greedyText(testModel(), PROMPT, TOKENS));
  const took: number[] = [];
  for (const net of ['', `delay:${DELAY_MS},loss:0.05,rate:1000000`]) {
    const chat = new ChatPage((await openTab()).page);
    await chat.open(model.id, 'swarm', TOKENS, { net, speculate: '0' });
    await chat.ask(PROMPT);
    await chat.agree();
    const start = Date.now();
    expect(words(await chat.answer())).toBe(reference);
    took.push(Date.now() - start);
  }
  // The asking tab's word for each token goes through the slow half of the line.
  expect(took[1]!).toBeGreaterThan((TOKENS / 2) * DELAY_MS);
  expect(took[1]!).toBeGreaterThan(took[0]!);
});

// Each way that needs no WebSocket: the relay's flag, its addresses, and what its library is known to complain of.
const WAYS = [
  // libp2p-webrtc-websys drops its closures while the browser still calls them: told, but without effect.
  ['WebRTC', '--webrtc-port', '/webrtc-direct/', 'closure invoked recursively or after being dropped'],
  ['WebTransport', '--webtransport-port', '/webtransport/', undefined],
] as const;

for (const [way, flag, protocol, known] of WAYS) test(`a tab reaches the relay over ${way} where it is given no other address`, async ({ openTab }) => {
  const relay = await Relay.start([testModel()], { arguments: [flag, '0'] });
  try {
    const model = (await relay.models())[0]!;
    const sockets: string[] = [];
    const tabs: Tab[] = [];
    const direct = async () => {
      const tab = await openTab({ baseURL: relay.url });
      await tab.page.route('**/api/v1/swarm', async (route) => {
        const response = await route.fetch();
        const body = await response.json();
        body.relay.multiaddrs = body.relay.multiaddrs.filter((address: string) => address.includes(protocol));
        expect(body.relay.multiaddrs).not.toEqual([]);
        await route.fulfill({ response, json: body });
      });
      tab.page.on('websocket', (socket) => sockets.push(socket.url()));
      tabs.push(tab);
      return tab;
    };
    await new LendPage((await direct()).page).lend(model.id, 0, model.layers);
    const chat = new ChatPage((await direct()).page);
    await chat.open(model.id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
    expect(await chat.hops()).toBe(1);
    expect(sockets).toEqual([]);
    if (known !== undefined) {
      for (const { page, complaints } of tabs) {
        await page.close();
        for (const complaint of complaints.splice(0)) expect(complaint).toContain(known);
      }
    }
  } finally {
    await relay.stop();
  }
});

test('a relay that is not who it says is not believed, and the tab says that it has none', async ({ openTab }) => {
  const tab = await openTab();
  const stranger = '12D3KooWRnVKhjkNWRH6WyxTjvSSDL4MNqWKGUSTd7vZSn3wJrYs';
  await tab.page.route('**/api/v1/swarm', async (route) => {
    const response = await route.fetch();
    const text = JSON.stringify(await response.json());
    const { peer_id } = JSON.parse(text).relay;
    await route.fulfill({ response, body: text.replaceAll(peer_id, stranger) });
  });
  let closed = 0;
  tab.page.on('websocket', (socket) => socket.on('close', () => (closed += 1)));
  await tab.page.goto('/');
  // It goes on trying, and is never taken in.
  await expect.poll(() => closed).toBeGreaterThanOrEqual(2);
  await expect(tab.page.getByTestId('connection')).not.toHaveAttribute('data-state', 'online');
});

test('a second tab is directly connected soon after its page was opened', { tag: '@timed' }, async ({ relay, openTab }, info) => {
  const model = (await relay.models())[0]!;
  await new LendPage((await openTab()).page).lend(model.id, 0, model.layers);
  const { page } = await openTab();
  await page.addInitScript(() => {
    const Original = globalThis.RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Original {
      constructor(...args: ConstructorParameters<typeof RTCPeerConnection>) {
        super(...args);
        this.addEventListener('connectionstatechange', () => {
          if (this.connectionState === 'connected') (globalThis as any).connectedAfterMs ??= performance.now();
        });
      }
    };
  });
  await page.goto('/');
  await page.evaluate(async ([address, id]) => {
    const { createNode } = await import(address!);
    const node = await createNode({ storage: 'memory' });
    Object.assign(globalThis, { sdkNode: node });
    const request = { model: id, prompt: 'Once', mode: 'swarm', stream: true, max_tokens: 2 };
    for await (const chunk of await node.chat.completions.create(request)) void chunk;
  }, ['/sdk/manyhands.js', model.id]);
  await expect.poll(() => page.evaluate(() => (globalThis as any).connectedAfterMs ?? 0)).toBeGreaterThan(0);
  const ms = Math.round(await page.evaluate(() => (globalThis as any).connectedAfterMs));
  console.log(`from page load to a direct connection with a second tab: ${ms} ms`);
  info.annotations.push({ type: 'figure', description: `page load to direct connection: ${ms} ms` });
});
