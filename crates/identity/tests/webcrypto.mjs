// The other half of `webcrypto.rs`: WebCrypto as browsers have it. It reads one line of JSON per task and answers each.
// It knows no record: bytes come in, signatures go out.
import { createInterface } from 'node:readline';

const { subtle } = globalThis.crypto;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signing = { name: 'ECDSA', hash: 'SHA-256' };
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Buffer.from(text, 'hex');
const pair = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
console.log(hex(await subtle.exportKey('raw', pair.publicKey)));

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  if (task.sign) {
    console.log(hex(await subtle.sign(signing, pair.privateKey, bytes(task.sign))));
  } else {
    const key = await subtle.importKey('raw', bytes(task.key), algorithm, false, ['verify']);
    const sound = await subtle.verify(signing, key, bytes(task.signature), bytes(task.message));
    console.log(sound ? 'yes' : 'no');
  }
}
