// Two homes behind routers that translate addresses, the relay outside: direct where a path exists, and a clear word
// where none does.
import { type Browser, chromium as playwright, expect, type Page, test } from '@playwright/test';
import { relayProgram, testModel } from '../fixtures/paths.ts';
import { greedyText, words } from '../fixtures/reference.ts';
import { Relay } from '../fixtures/relay.ts';
import { type Nat, RELAY_ADDRESS, TwoHomes, whyNot } from '../fixtures/two-homes.ts';
import { ChatPage } from '../pages/chat.ts';
import { LendPage } from '../pages/lend.ts';

const PROMPT = 'Once upon a time';
const TOKENS = 16;
const PORTS = { http: 8787, stun: 3478 };
const ORIGIN = `http://${RELAY_ADDRESS}:${PORTS.http}`;

const reason = whyNot();
// Said once, where the tests are listed, and not again in each worker.
if (reason !== undefined && process.env.TEST_WORKER_INDEX === undefined) console.log(`left out: tests across NATs, ${reason}`);
test.skip(reason !== undefined, reason);

/** A lender in one home, somebody who asks in the other. */
async function between(nat: Nat, use: (lender: LendPage, chat: ChatPage, homes: TwoHomes) => Promise<void>): Promise<void> {
  const homes = await TwoHomes.build(nat);
  const browsers: Browser[] = [];
  let relay: Relay | undefined;
  try {
    relay = await Relay.start([testModel()], {
      program: await homes.onTheInternet(relayProgram()),
      listen: `${RELAY_ADDRESS}:${PORTS.http}`,
      arguments: ['--public-url', ORIGIN, '--stun-port', String(PORTS.stun)],
    });
    const page = async (home: 1 | 2): Promise<Page> => {
      const browser = await playwright.launch({
        executablePath: await homes.browser(home),
        // Keys and hashes need a secure page; this stands for the certificate that the relay has outside a laboratory.
        args: ['--no-sandbox', '--disable-quic', `--unsafely-treat-insecure-origin-as-secure=${ORIGIN}`],
      });
      browsers.push(browser);
      return (await browser.newContext({ baseURL: ORIGIN })).newPage();
    };
    await use(new LendPage(await page(1)), new ChatPage(await page(2)), homes);
  } finally {
    for (const browser of browsers) await browser.close();
    await relay?.stop();
    await homes.remove();
  }
}

const model = (homes: TwoHomes) => JSON.parse(homes.fetch(`${ORIGIN}/api/v1/swarm`)).models[0] as { id: string; layers: number };

test('behind routers that keep a port, two homes are directly connected', async () => {
  await between('masquerade', async (lender, chat, homes) => {
    const { id, layers } = model(homes);
    await lender.lend(id, 0, layers);
    await chat.open(id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    expect(words(await chat.answer())).toBe(words(await greedyText(testModel(), PROMPT, TOKENS)));
    expect(await chat.hops()).toBe(1);
  });
});

test('behind routers that change the port each time, the answer says that nobody can be reached', async () => {
  await between('masquerade fully-random', async (lender, chat, homes) => {
    const { id, layers } = model(homes);
    await lender.lend(id, 0, layers);
    await chat.open(id, 'swarm', TOKENS);
    await chat.ask(PROMPT);
    await chat.agree();
    await expect(chat.lastAnswer).toHaveAttribute('data-state', /^(waiting|error)$/, { timeout: 60_000 });
    await expect(chat.lastAnswer).toHaveAttribute('data-reason', 'no_route');
  });
});
