// The /webrtc transport of crates/webrtc-p2p against js-libp2p: one line per check, and a sum.
// Every pair does everything in both directions; the relay only introduces them. Parts wait most of their
// time, so several run side by side; each has peers and a relay of its own and ends only these.
//
//   npm run test              all pairs, and peers that misbehave
//   ONLY=figures npm run test throughput and round trip beside js-libp2p: a benchmark, so never part of the rest
//   ONLY=NAME npm run test    one part, by its name in `lanes`
//   NO_BUILD=1 / VERBOSE=1    use the wasm that is there / show the pages' consoles
import { launch, launchStoppable, openPeer, prepare, serve, stopTree } from './browser.mjs';
import './ids-once.mjs';
import { JsPeer } from './js-peer.mjs';
import { startRelay } from './relay.mjs';

const ECHO_BYTES = 16 * 1024 * 1024;
const POUR_BYTES = 32 * 1024 * 1024;
// What comes soon is seen soon, and a long wait costs little: each look goes through the browser.
const FIRST_LOOK_MS = 4;
const LAST_LOOK_MS = 100;
const log = process.env.VERBOSE === undefined ? () => {} : (line) => console.log(`      ${line}`);
const results = { passed: 0, failed: 0 };

async function check(name, work, timeoutMs = 60_000) {
  const start = performance.now();
  let timer;
  try {
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no result after ${timeoutMs} ms`)), timeoutMs); });
    const note = await Promise.race([work(), late]);
    results.passed += 1;
    console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms${typeof note === 'string' ? `; ${note}` : ''})`);
    return true;
  } catch (error) {
    results.failed += 1;
    console.log(`FAIL  ${name}: ${String(error?.message ?? error).split('\n')[0]}`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function until(what, condition, timeoutMs = 15_000) {
  const end = performance.now() + timeoutMs;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(LAST_LOOK_MS, pause * 1.3)) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const status = async (peer) => JSON.parse(await peer.status());
const idOf = async (peer) => (await status(peer)).peer_id;
const reach = async (peer, id) => (await status(peer)).peers[id] ?? { direct: 0, relayed: 0 };
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const assert = (truth, text) => { if (!truth) throw new Error(text); };

const webrtcAddress = (peer) => until('a /webrtc address', async () => (
  (await status(peer)).addresses.find((a) => a.includes('/p2p-circuit/webrtc'))));

const onlyDirect = (peer, id) => until('exactly one direct connection and no relayed one', async () => {
  const { direct, relayed } = await reach(peer, id);
  return direct === 1 && relayed === 0;
});

/** `a` uses the connection that exists; `b` serves. */
async function use(title, a, b) {
  const [bId, aId] = [await idOf(b), await idOf(a)];
  await check(`${title}: identify`, async () => {
    const agent = await until('an agent', async () => (
      a.kind === 'ours' ? (await reach(a, bId)).agent : a.agentOf(bId)));
    return agent;
  });
  await check(`${title}: ping`, async () => {
    const ms = a.kind === 'ours' ? await until('a ping', async () => (await reach(a, bId)).ping_ms) : await a.ping(bId);
    return `${Number(ms).toFixed(1)} ms`;
  });
  await check(`${title}: echo 16 MiB there and back, byte for byte`, async () => {
    const ms = await a.echo(bId, ECHO_BYTES);
    return `${(ECHO_BYTES / ms / 1_000).toFixed(1)} MB/s each way`;
  });
  await check(`${title}: half-close, the dialling side first`, () => a.closeFirst(bId, 200_000));
  await check(`${title}: half-close, the answering side first`, async () => {
    await a.listenFirst(bId, 123_456);
    await until('the last bytes', async () => (await status(b)).heard_bytes === 123_456);
  });
  await check(`${title}: a stream reset here is reset there`, async () => {
    const before = (await status(b)).broken;
    await a.abandon(bId);
    await until('a broken stream', async () => (await status(b)).broken > before);
  });
  await check(`${title}: a stream reset there is reset here`, () => a.givenUp(bId));
  await check(`${title}: 200 streams one after the other`, () => a.streams(bId, 200, 1));
  await check(`${title}: 50 streams at once`, () => a.streams(bId, 50, 50));
  await check(`${title}: round trip`, async () => `${median(await a.roundTrips(bId, 200)).toFixed(2)} ms in the middle`);
  await check(`${title}: no channel is left open`, async () => {
    for (const peer of [a, b].filter((p) => p.page !== undefined)) {
      // Ping keeps one stream in each direction; identify and the like are over.
      await until(`few channels in ${peer.kind}, not ${JSON.stringify(await peer.counts())}`, async () => (await peer.counts()).channels <= 4);
    }
    for (const peer of [a, b].filter((p) => p.kind === 'ours')) {
      const ids = await peer.openedIds();
      assert(ids.every((id) => id === null || id < 300), `ids are not reused: ${ids}`);
    }
  });
  return aId;
}

/** Two peers that listen, for one part; afterwards they are closed. */
async function withPeers(name, makeA, makeB, work) {
  const relay = await startRelay();
  const [a, b] = [await makeA(), await makeB()];
  try {
    await check(`${name}: both listen`, async () => {
      await Promise.all([a.listen(relay.address), b.listen(relay.address)]);
      await webrtcAddress(a);
      await webrtcAddress(b);
    });
    await work(a, b);
    for (const peer of [a, b].filter((p) => p.kind === 'ours')) await quietConsole(name, peer);
  } finally {
    await Promise.all([a, b].map((peer) => (peer.close ?? peer.stop).call(peer)));
    await relay.node.stop();
  }
}

/**
 * On a busy machine node-datachannel, the WebRTC of Node.js, now and then closes a connection that it has just begun,
 * before a packet was sent; js-libp2p waits for it until its time for a dial is up. That is not what is checked here:
 * it dials again.
 */
const dial = (from, address) => from.connect(address).catch((error) => {
  if (from.page !== undefined || !/aborted due to timeout/.test(error.message)) throw error;
  console.log(`      ${from.kind} dials again: ${error.message}`);
  return from.connect(address);
});

/** Everything that a pair can do, in both directions. */
const pair = (name, makeA, makeB) => withPeers(name, makeA, makeB, async (a, b) => {
  const title = (x, y) => `${x.kind} → ${y.kind}`;
  const [aId, bId] = [await idOf(a), await idOf(b)];
  for (const [x, y, xId, yId] of [[a, b, aId, bId], [b, a, bId, aId]]) {
    const address = await webrtcAddress(y);
    const ok = await check(`${title(x, y)}: connect`, async () => {
      await dial(x, address);
      await until('a direct connection', async () => (await reach(y, xId)).direct > 0);
    });
    if (!ok) continue;
    await check(`${title(x, y)}: the relayed connection is closed, the direct one stays`, async () => {
      await onlyDirect(x, yId); await onlyDirect(y, xId);
    });
    await use(title(x, y), x, y);
    await check(`${title(x, y)}: a connection closed there is noticed here`, async () => {
      // js-libp2p notices a peer that closed only when ICE gives up; ours at once.
      const [closer, other, closerId, otherId] = y.kind === 'ours' && x.kind !== 'ours' ? [x, y, xId, yId] : [y, x, yId, xId];
      await closer.disconnect(otherId);
      const start = performance.now();
      await until('no connection', async () => (await reach(other, closerId)).direct === 0);
      const ms = performance.now() - start;
      // libdatachannel under Node.js takes seconds to say that it closes.
      assert(other.kind !== 'ours' || closer.page === undefined || ms < 1_000, `only after ${Math.round(ms)} ms`);
      await until('no connection', async () => (await reach(closer, otherId)).direct === 0);
      return `${Math.round(ms)} ms`;
    });
  }
  if (a.kind === 'ours') {
    await check(`${title(a, b)}: a dial of the full address works too`, async () => {
      await a.dial(await webrtcAddress(b));
      await onlyDirect(a, bId);
      await a.echo(bId, 100_000);
      await b.disconnect(aId);
      await until('no connection', async () => (await reach(a, bId)).direct === 0 && (await reach(b, aId)).direct === 0);
    });
  }
  if (a.kind === 'ours' && b.kind === 'ours') await oursOnly(name, a, b);
});

/** The same connection again and again, between peers that have done nothing else: what is left shows. */
const often = (name, makeA, makeB) => withPeers(name, makeA, makeB, async (a, b) => {
  const [aId, bId] = [await idOf(a), await idOf(b)];
  await check(`${name}: 100 connections one after the other leave nothing behind`, async () => {
    const address = await webrtcAddress(b);
    const memory = (peer) => (peer.kind === 'ours' ? peer.page.evaluate(() => globalThis.wasm.memory.buffer.byteLength) : 0);
    let before;
    for (let i = 0; i < 110; i += 1) {
      if (i === 10) before = [await memory(a), await memory(b)];
      await a.connect(address);
      await a.echo(bId, 1_000);
      // The side that the other one hears at once: see above.
      await (b.page === undefined ? a.disconnect(bId) : b.disconnect(aId));
      await until(`connection ${i} gone`, async () => {
        const [x, y] = [await reach(a, bId), await reach(b, aId)];
        return x.direct + y.direct + x.relayed + y.relayed === 0;
      });
    }
    for (const peer of [a, b].filter((p) => p.page !== undefined)) {
      const left = await until('all closed', async () => {
        const counts = await peer.counts();
        return counts.pcs === 0 && counts.channels === 0 ? counts : undefined;
      });
      assert(left, 'something is left');
    }
    const grown = [await memory(a) - before[0], await memory(b) - before[1]];
    assert(Math.max(...grown) <= 1024 * 1024, `memory grew by ${grown} bytes`);
    return `memory grew by ${grown} bytes`;
  }, 240_000);
});

/** What only two of our own can show. */
async function oursOnly(name, a, b) {
  const [aId, bId] = [await idOf(a), await idOf(b)];
  await check(`${name}: both dial at once and one connection stays`, async () => {
    const [toA, toB] = [await webrtcAddress(a), await webrtcAddress(b)];
    for (let i = 0; i < 10; i += 1) {
      await Promise.allSettled([a.connect(toB), b.connect(toA)]);
      await onlyDirect(a, bId); await onlyDirect(b, aId);
      await a.echo(bId, 1_000);
      await a.disconnect(bId);
      await until('no connection', async () => (await reach(a, bId)).direct + (await reach(b, aId)).direct === 0);
    }
  });
  await check(`${name}: a peer that closes is noticed at once`, async () => {
    await a.connect(await webrtcAddress(b));
    await onlyDirect(a, bId);
    const start = performance.now();
    await b.page.evaluate(() => globalThis.closeAllPeerConnections());
    await until('the end', async () => (await reach(a, bId)).direct === 0);
    const ms = performance.now() - start;
    assert(ms < 1_500, `only after ${Math.round(ms)} ms`);
  });
}

const quietConsole = (name, peer) => check(`${name}: no error in the console`, async () => {
  const ours = peer.errors.filter((e) => /wasm|closure|panick|unreachable|RuntimeError/i.test(e));
  assert(ours.length === 0, ours[0]);
});

/** One of ours, connected to a bystander, and ways to see that it is as good as new. */
async function target() {
  const relay = await startRelay();
  const [ours, bystander] = [await inPage('ours'), await inPage('ours')];
  for (const peer of [ours, bystander]) { await peer.listen(relay.address); await webrtcAddress(peer); }
  const bystanderId = await idOf(bystander);
  await ours.connect(await webrtcAddress(bystander));
  await onlyDirect(ours, bystanderId);
  const stillServes = () => ours.echo(bystanderId, 100_000);
  const alive = async () => {
    await stillServes();
    await until('only the connection to the bystander', async () => (await ours.counts()).pcs === 1);
  };
  const close = async () => {
    await Promise.all([ours.close(), bystander.close()]);
    await relay.node.stop();
  };
  return { ours, address: await webrtcAddress(ours), relay: relay.address, stillServes, alive, close };
}

/** A peer that begins to signal and says nothing. */
async function silence() {
  const { ours, address, alive, close } = await target();
  const node = await inNode();
  await check('hostile signalling: silence is ended by the time limit', async () => {
    await node.signal(address, []);
    const { failures } = await status(ours);
    assert(/20 s/.test(failures.at(-1)), failures.at(-1));
    await alive();
  });
  await quietConsole('silence', ours);
  await node.stop();
  await close();
}

/** What a peer may say or do wrong. Afterwards the node must be as good as new. */
async function hostile() {
  const { ours, address, relay, stillServes, alive, close } = await target();
  const [page, node, oursId] = [await inPage('js'), await inNode(), await idOf(ours)];
  await page.listen(relay);
  await webrtcAddress(page);
  const text = (ty, data) => {
    const body = [8, ty, 18, ...varint(data.length), ...Buffer.from(data)];
    return [...varint(body.length), ...body];
  };
  const sdp = 'v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n';
  const cases = {
    'random bytes': [5, 9, 9, 9, 9, 9],
    'a length of a gigabyte': [255, 255, 255, 255, 15],
    'an answer before the offer': text(1, sdp),
    'a candidate before the offer': text(2, '{}'),
    'an offer that is no session description': text(0, 'hello'),
    'an offer that the browser refuses': text(0, sdp),
    'an offer of a camera': text(0, `${sdp}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n`),
    'a description of 17 KiB': text(0, sdp + 'a'.repeat(17 * 1024)),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    await check(`hostile signalling: ${name}`, async () => {
      const before = (await status(ours)).failures.length;
      await node.signal(address, bytes);
      const failures = await until('a typed error', async () => {
        const { failures } = await status(ours);
        return failures.length > before ? failures : undefined;
      });
      await alive();
      return failures.at(-1);
    });
  }
  await check('a flood that nobody reads is reset at 16 MiB', async () => {
    await page.connect(address);
    const ended = await page.drown(oursId, 40 * 1024 * 1024);
    assert(ended === 'reset', `the stream ended as ${ended}`);
    await stillServes();
  });
  await check('a flood of 10,000 channels ends the connection, and only that one', async () => {
    const pageId = await idOf(page);
    await page.page.evaluate(() => globalThis.floodChannels(10_000));
    await until('the end', async () => (await reach(ours, pageId)).direct === 0);
    await alive();
    const { channels } = await ours.counts();
    assert(channels < 10, `${channels} channels are left`);
  });
  await quietConsole('hostile', ours);
  await Promise.all([page.close(), node.stop()]);
  await close();
}

function varint(value) {
  const out = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) + 128);
  }
}

/** Ours beside js-libp2p in the same Chromium, taking turns, so that both see the same machine. */
async function figures() {
  const ROUNDS = 5;
  const relay = await startRelay();
  const pairs = {};
  for (const kind of ['ours', 'js as it comes']) {
    const [a, b] = [await inPage(kind), await inPage(kind)];
    await a.listen(relay.address);
    await b.listen(relay.address);
    await webrtcAddress(a);
    await a.connect(await webrtcAddress(b));
    pairs[kind] = { a, b, bId: await idOf(b), mb_per_s: [], round_trip_ms: [] };
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const pair of Object.values(pairs)) {
      pair.mb_per_s.push(POUR_BYTES / 1_000 / await pair.a.pour(pair.bId, POUR_BYTES));
      pair.round_trip_ms.push(median(await pair.a.roundTrips(pair.bId, 300)));
    }
  }
  const { ours, 'js as it comes': js } = pairs;
  await check('figures: throughput at least that of js-libp2p', async () => {
    const text = `${median(ours.mb_per_s).toFixed(1)} beside ${median(js.mb_per_s).toFixed(1)} MB/s`;
    assert(median(ours.mb_per_s) >= median(js.mb_per_s), text);
    return text;
  });
  await check('figures: round trip at most 1.2 times that of js-libp2p', async () => {
    const text = `${median(ours.round_trip_ms).toFixed(2)} beside ${median(js.round_trip_ms).toFixed(2)} ms`;
    assert(median(ours.round_trip_ms) <= 1.2 * median(js.round_trip_ms), text);
    return text;
  });
  for (const { a, b } of Object.values(pairs)) { await a.close(); await b.close(); }
  await relay.node.stop();
}

/** A peer whose browser is killed says nothing any more. */
async function vanish() {
  const relay = await startRelay();
  const { server, browser: there } = await launchStoppable();
  const [a, b] = [await inPage('ours'), await openPeer(there, site.url, 'ours', log)];
  let stop;
  try {
    await check('vanish: a peer whose browser is killed is noticed within 5 s', async () => {
      await b.listen(relay.address);
      await a.listen(relay.address);
      await webrtcAddress(a); // Only now it is connected to the relay.
      const bId = await idOf(b);
      await a.connect(await webrtcAddress(b));
      await onlyDirect(a, bId);
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      assert((await reach(a, bId)).direct === 1, 'an idle connection must stay');
      const start = performance.now();
      // Stopped, not closed: nothing more is said on the network.
      stop = stopTree(server.process().pid);
      await until('the end', async () => (await reach(a, bId)).direct === 0, 20_000);
      const ms = performance.now() - start;
      assert(ms < 5_000, `only after ${Math.round(ms)} ms`);
      return `${Math.round(ms)} ms`;
    });
  } finally {
    stop?.();
    await Promise.all([a.close(), server.close()]);
    await relay.node.stop();
  }
}

/** js-libp2p as it comes ends a connection whose other side leaves its heartbeat unanswered. */
const heartbeat = (name) => withPeers(name, () => inPage('js as it comes'), ours, async (a, b) => {
  await check(`${name}: of js-libp2p as it comes is answered`, async () => {
    const bId = await idOf(b);
    await a.connect(await webrtcAddress(b));
    const ms = await until('a heartbeat', async () => (await reach(a, bId)).heartbeat_ms, 15_000);
    assert((await reach(a, bId)).direct === 1, 'the connection must stay');
    return `${ms} ms`;
  });
});

/** A part that breaks off is a failed check, and no other part's end. */
async function whole(name, part) {
  try {
    await part(name);
  } catch (error) {
    await check(`${name}: runs to its end`, () => { throw error; });
  }
}

// Told to end, nothing is waited for; what was started is ended on the way out.
process.once('SIGTERM', () => process.exit(1));
await prepare();
const site = await serve();
const browser = await launch();
const inPage = (kind) => openPeer(browser, site.url, kind, log);
const inNode = async () => Object.assign(await JsPeer.create(), { kind: 'js in Node.js' });

const [ours, js] = [() => inPage('ours'), () => inPage('js')];
/** The lanes run side by side, the parts of a lane one after the other. */
const lanes = [
  { silence },
  { heartbeat, vanish },
  {
    'ours-node': (name) => pair(name, ours, inNode),
    'ours-node-often': (name) => often(name, ours, inNode),
  },
  {
    'ours-ours': (name) => pair(name, ours, ours),
    'ours-js': (name) => pair(name, ours, js),
    'ours-ours-often': (name) => often(name, ours, ours),
    'ours-js-often': (name) => often(name, ours, js),
    hostile,
  },
];
const only = process.env.ONLY;
const inTurn = async (lane) => {
  for (const [name, part] of Object.entries(lane)) {
    if ((only ?? name) === name) await whole(name, part);
  }
};
await Promise.all((only === 'figures' ? [{ figures }] : lanes).map(inTurn));

await browser.close();
site.close();
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exit(results.failed === 0 && results.passed > 0 ? 0 : 1);
