// Records what js-libp2p puts on the wire, as fixtures for the native tests of crates/webrtc-p2p:
//   node --experimental-websocket --import ./shim.mjs record.mjs
// One line per recording: a name, then each message in hex. Addresses are this machine's own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RTCDataChannel } from 'node-datachannel/polyfill';
import { JsPeer } from './js-peer.mjs';
import { startRelay } from './relay.mjs';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const lines = [];

/** Records what `work` sends on the data channel that it opens. */
async function record(name, work) {
  const sent = new Map();
  const original = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    if (!sent.has(this)) sent.set(this, []);
    sent.get(this).push(hex(ArrayBuffer.isView(data) ? data : new Uint8Array(data)));
    return original.call(this, data);
  };
  try { await work(); } finally { RTCDataChannel.prototype.send = original; }
  await new Promise((resolve) => setTimeout(resolve, 200));
  const marker = hex('/example/');
  const ours = [...sent.values()].find((messages) => messages.some((m) => m.includes(marker)));
  lines.push(`${name}: ${ours.join(' ')}`);
}

const relay = await startRelay();
const [a, b] = [await JsPeer.create(), await JsPeer.create()];
const listener = await JsPeer.create();
await b.listen(relay.address);
await listener.listen(relay.address);
const addressOf = (peer) => JSON.parse(peer.status()).addresses.find((x) => x.includes('/p2p-circuit/webrtc'));
const id = JSON.parse(b.status()).peer_id;

lines.push(`signaling-offer-and-candidates: ${(await listener.overhear(() => a.dial(addressOf(listener)))).map(hex).join(' ')}`);
await a.dial(addressOf(b));
await new Promise((resolve) => setTimeout(resolve, 1_000)); // identify and the like are over
await record('stream-closed-in-order', () => a.echo(id, 20));
await record('stream-stopped-reading', () => a.stopReading(id));
await record('stream-reset', () => a.abandon(id, 300));

const file = fileURLToPath(new URL('../../crates/webrtc-p2p/tests/fixtures/js-libp2p-3.3.11.txt', import.meta.url));
mkdirSync(new URL('.', `file://${file}`), { recursive: true });
writeFileSync(file, `${lines.join('\n')}\n`);
console.log(`${lines.length} recordings in ${file}`);
process.exit(0);
