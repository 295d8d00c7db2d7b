// A js-libp2p peer with the protocols of crates/webrtc-p2p/example, in Node.js and in a page.
// Its methods have the names of the example's, so that a check does not care which it drives.
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { webRTC } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

const ECHO = '/example/echo/1';
const SPEAK_FIRST = '/example/speak-first/1';
const GIVE_UP = '/example/give-up/1';
const SINK = '/example/sink/1';
const DEAF = '/example/deaf/1';
const PING = '/ipfs/ping/1.0.0';
const SIGNALING = '/webrtc-signaling/0.0.1';
const PIECE_BYTES = 100_000;
/**
 * js-libp2p lets 2 MiB queue. Chromium's SCTP throws packets of so much away and recovers so slowly that on a
 * busy machine js-libp2p's time limits end the connection. The checks are about the protocol: they ask for less.
 */
const SHORT_QUEUE = { maxBufferedAmount: 64 * 1024 };
const STREAMS = { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 };

const pattern = (at) => (at % 251) ^ (Math.floor(at / 65_521) & 255);
const bytesOf = (chunk) => (chunk instanceof Uint8Array ? chunk : chunk.subarray());

async function send(stream, bytes) {
  if (!stream.send(bytes)) await stream.onDrain();
}

async function readToEnd(stream) {
  let total = 0;
  for await (const chunk of stream) total += chunk.byteLength;
  return total;
}

export class JsPeer {
  #node;
  #pings = new Map();
  #seen = { served: 0, broken: 0, heard_bytes: 0, failures: [] };

  /** `dataChannel`: js-libp2p's options of that name; `{}` for js-libp2p as it comes. */
  static async create(dataChannel = SHORT_QUEUE) {
    const peer = new JsPeer();
    peer.#node = await createLibp2p({
      addresses: { listen: [] },
      transports: [webSockets(), circuitRelayTransport(), webRTC({ rtcConfiguration: { iceServers: [] }, dataChannel })],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false },
      connectionManager: { inboundConnectionThreshold: 1_000, maxConnections: 1_000 },
      services: { identify: identify(), ping: ping() },
    });
    await peer.#serve();
    return peer;
  }

  async #serve() {
    const seen = this.#seen;
    const note = async (work) => {
      try { await work(); seen.served += 1; } catch { seen.broken += 1; }
    };
    await this.#node.handle(ECHO, (stream) => note(async () => {
      for await (const chunk of stream) await send(stream, chunk);
      if (stream.status === 'reset' || stream.status === 'aborted') throw new Error('broken');
      await stream.close();
    }), STREAMS);
    await this.#node.handle(SPEAK_FIRST, (stream) => note(async () => {
      const heard = readToEnd(stream);
      await send(stream, new Uint8Array(PIECE_BYTES).fill(7));
      await stream.close();
      seen.heard_bytes = await heard;
    }), STREAMS);
    await this.#node.handle(SINK, (stream) => note(async () => { await readToEnd(stream); await stream.close(); }), STREAMS);
    await this.#node.handle(GIVE_UP, (stream) => {
      stream.addEventListener('message', () => stream.abort(new Error('given up')), { once: true });
    }, STREAMS);
  }

  status() {
    const peers = {};
    for (const c of this.#node.getConnections()) {
      const id = c.remotePeer.toString();
      peers[id] ??= { agent: '', ping_ms: this.#pings.get(id) ?? null, heartbeat_ms: null, direct: 0, relayed: 0 };
      const address = c.remoteAddr.toString();
      const relayed = address.includes('/p2p-circuit') && !address.includes('/webrtc');
      peers[id][relayed ? 'relayed' : 'direct'] += 1;
      if (!relayed) peers[id].heartbeat_ms = c.rtt ?? null;
    }
    const addresses = this.#node.getMultiaddrs().map(String);
    return JSON.stringify({ peer_id: this.#node.peerId.toString(), addresses, peers, ...this.#seen });
  }

  async agentOf(id) {
    const found = this.#node.getConnections().find((c) => c.remotePeer.toString() === id);
    const peer = await this.#node.peerStore.get(found.remotePeer);
    return new TextDecoder().decode(peer.metadata.get('AgentVersion') ?? new Uint8Array());
  }

  async listen(relay) {
    await this.#node.components.transportManager.listen([multiaddr(`${relay}/p2p-circuit`), multiaddr('/webrtc')]);
  }

  async dial(address) { await this.#node.dial(multiaddr(address)); }
  async connect(address) { await this.dial(address); }

  async disconnect(id) {
    const all = this.#node.getConnections().filter((c) => c.remotePeer.toString() === id);
    await Promise.all(all.map((c) => c.close()));
  }

  #direct(id) {
    const direct = this.#node.getConnections().filter((c) => c.remotePeer.toString() === id && c.limits == null
      && c.remoteAddr.toString().includes('/webrtc'));
    if (direct.length === 0) throw new Error('no direct connection');
    return direct[0];
  }

  async ping(id) {
    const ms = await this.#betweenHeartbeats(id, (peer) => this.#node.services.ping.ping(peer));
    this.#pings.set(id, ms);
    return ms;
  }

  /**
   * js-libp2p's heartbeat is the ping protocol too. Of two pings at once rust-libp2p answers the newer alone and resets
   * the other, for whose answer js-libp2p's ping waits for ever: one that has begun is let end, and none begins.
   */
  async #betweenHeartbeats(id, work) {
    const monitor = this.#node.components.connectionMonitor;
    clearInterval(monitor.heartbeatInterval);
    try {
      const connection = this.#direct(id);
      const beats = ({ direction, protocol }) => direction === 'outbound' && (protocol === '' || protocol === PING);
      while (connection.streams.some(beats)) await new Promise((resolve) => setTimeout(resolve, 1));
      return await work(connection.remotePeer);
    } finally {
      monitor.start();
    }
  }

  #open(id, protocol) { return this.#direct(id).newStream(protocol, STREAMS); }

  async echo(id, size) {
    const start = performance.now();
    const stream = await this.#open(id, ECHO);
    const read = (async () => {
      let at = 0;
      for await (const chunk of stream) {
        for (const byte of bytesOf(chunk)) {
          if (byte !== pattern(at)) throw new Error(`wrong byte at ${at}`);
          at += 1;
        }
      }
      if (at !== size) throw new Error(`${at} bytes came back of ${size}, stream ${stream.status}`);
    })();
    for (let at = 0; at < size;) {
      const end = Math.min(size, at + 60_000);
      const chunk = new Uint8Array(end - at);
      for (let i = 0; i < chunk.length; i += 1) chunk[i] = pattern(at + i);
      await send(stream, chunk);
      at = end;
    }
    await Promise.all([stream.close(), read]);
    return performance.now() - start;
  }

  async pour(id, size) {
    const start = performance.now();
    const stream = await this.#open(id, SINK);
    const ended = readToEnd(stream);
    const chunk = new Uint8Array(60_000).fill(9);
    for (let left = size; left > 0; left -= chunk.length) {
      await send(stream, chunk.subarray(0, Math.min(left, chunk.length)));
    }
    await Promise.all([stream.close(), ended]);
    return performance.now() - start;
  }

  async closeFirst(id, size) {
    const stream = await this.#open(id, ECHO);
    const total = readToEnd(stream);
    await send(stream, new Uint8Array(size).fill(3));
    await stream.close();
    if (await total !== size) throw new Error(`${await total} bytes came back of ${size}`);
  }

  async listenFirst(id, size) {
    const stream = await this.#open(id, SPEAK_FIRST);
    const heard = await readToEnd(stream);
    if (heard !== PIECE_BYTES) throw new Error(`heard ${heard} of ${PIECE_BYTES}`);
    await send(stream, new Uint8Array(size).fill(5));
    await stream.close();
  }

  async abandon(id, size = 100_000) {
    const stream = await this.#open(id, ECHO);
    const first = new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }));
    await send(stream, new Uint8Array(size).fill(1));
    await first;
    stream.abort(new Error('abandoned'));
  }

  async givenUp(id) {
    const stream = await this.#open(id, GIVE_UP);
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
    await send(stream, new Uint8Array([1]));
    await closed;
    if (stream.status !== 'reset') throw new Error(`the stream ended as ${stream.status}`);
  }

  async streams(id, count, atOnce) {
    let next = 0;
    const worker = async () => { while (next < count) await this.echo(id, 1_000 + next++); };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }

  async roundTrips(id, count) {
    const stream = await this.#open(id, ECHO);
    const out = [];
    for (let i = 0; i < count; i += 1) {
      const start = performance.now();
      const answer = new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }));
      await send(stream, new Uint8Array([i & 255]));
      await answer;
      out.push(performance.now() - start);
    }
    await stream.close();
    return out;
  }

  /** Closes both halves with STOP_SENDING for the reading one. */
  async stopReading(id) {
    const stream = await this.#open(id, ECHO);
    await send(stream, new Uint8Array(20).fill(4));
    await stream.closeRead();
    await stream.close();
  }

  /** What arrives where signalling belongs while `work` runs; nothing is answered. */
  async overhear(work) {
    const heard = [];
    await this.#node.unhandle(SIGNALING);
    await this.#node.handle(SIGNALING, (stream) => {
      stream.addEventListener('message', (event) => heard.push(bytesOf(event.data)));
      setTimeout(() => stream.abort(new Error('heard enough')), 500);
    }, { runOnLimitedConnection: true });
    await work().catch(() => {});
    return heard;
  }

  /** Sends more than the peer reads; answers how the stream ended. */
  async drown(id, size) {
    const stream = await this.#open(id, DEAF);
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
    const chunk = new Uint8Array(60_000);
    try {
      for (let left = size; left > 0 && stream.status === 'open'; left -= chunk.length) await send(stream, chunk);
    } catch { /* reset while sending */ }
    await closed;
    return stream.status;
  }

  /** Says these bytes where signalling belongs; answers when the peer has given up. */
  async signal(address, bytes) {
    const circuit = multiaddr(address.replace('/webrtc/', '/'));
    const connection = await this.#node.dial(circuit);
    const stream = await connection.newStream(SIGNALING, { runOnLimitedConnection: true });
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
    stream.send(Uint8Array.from(bytes));
    await closed;
    await connection.close();
  }

  async stop() { await this.#node.stop(); }
}
