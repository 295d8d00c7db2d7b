// Makes the vectors in this folder with WebCrypto and a few lines of CBOR: a second implementation, not this crate.
// It does not decide what is right: the vectors are frozen in the repository, and ECDSA would make others each time.
// Run it (`node make.mjs NEW-FOLDER`) to see how a record is built by hand, or to add a vector.
import crypto from 'node:crypto';
import fs from 'node:fs';
const { subtle } = crypto.webcrypto;
const out = process.argv[2];
if (!out) throw new Error('usage: node make.mjs FOLDER');
fs.mkdirSync(out, { recursive: true });

// ---- CBOR, deterministic
const cat = (...parts) => Buffer.concat(parts.map((p) => Buffer.from(p)));
function head(major, n) {
  n = BigInt(n);
  const [info, bytes] = n < 24n ? [Number(n), 0] : n < 256n ? [24, 1] : n < 65536n ? [25, 2] : n < 1n << 32n ? [26, 4] : [27, 8];
  const tail = Buffer.alloc(bytes);
  for (let i = bytes - 1, v = n; i >= 0; i--, v >>= 8n) tail[i] = Number(v & 255n);
  return cat([(major << 5) | info], tail);
}
const uint = (n) => head(0, n);
const int = (n) => (n < 0 ? head(1, -1 - n) : head(0, n));
const bstr = (b) => cat(head(2, b.length), b);
const tstr = (s) => cat(head(3, Buffer.byteLength(s)), Buffer.from(s));
const array = (...items) => cat(head(4, items.length), ...items);
const map = (...pairs) => cat(head(5, pairs.length / 2), ...pairs);
const tag = (n, item) => cat(head(6, n), item);

// ---- keys: alg ‖ key
const sha256 = (b) => crypto.createHash('sha256').update(b).digest();
const b64u = (b) => Buffer.from(b).toString('base64url');
async function es256(byte) {
  const d = Buffer.alloc(32, byte);
  const ecdh = crypto.createECDH('prime256v1');
  ecdh.setPrivateKey(d);
  const full = ecdh.getPublicKey();
  const jwk = { kty: 'EC', crv: 'P-256', d: b64u(d), x: b64u(full.subarray(1, 33)), y: b64u(full.subarray(33)) };
  const key = await subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const sign = async (m) => Buffer.from(await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, m));
  return { alg: -7, full, pub: cat([1], ecdh.getPublicKey(null, 'compressed')), sign };
}
async function ed25519(byte) {
  const der = cat(Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte));
  const key = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const x = Buffer.from(crypto.createPublicKey(key).export({ format: 'jwk' }).x, 'base64url');
  return { alg: -8, pub: cat([2], x), sign: async (m) => crypto.sign(null, m, key) };
}
async function passkey(byte, { flags = 5, type = 'webauthn.get' } = {}) {
  const key = await es256(byte);
  const sign = async (m) => {
    const client = Buffer.from(JSON.stringify({ type, challenge: b64u(sha256(m)), origin: 'https://swarm.example', crossOrigin: false }));
    const data = cat(sha256('swarm.example'), [flags, 0, 0, 0, 1]);
    return array(bstr(data), bstr(client), bstr(await key.sign(cat(data, sha256(client)))));
  };
  return { ...key, alg: -65600, sign };
}

// ---- COSE
const header = (key) => map(uint(1), int(key.alg), uint(4), bstr(key.pub));
const aad = (context) => Buffer.from('manyhands/' + context);
const sigStructure1 = (key, context, payload, prot = header(key)) =>
  array(tstr('Signature1'), bstr(prot), bstr(aad(context)), bstr(payload));
const sigStructure = (key, context, payload) =>
  array(tstr('Signature'), bstr(''), bstr(header(key)), bstr(aad(context)), bstr(payload));
const sign1 = (prot, payload, signature, unprotected = map()) =>
  tag(18, array(bstr(prot), unprotected, bstr(payload), bstr(signature)));
const signed = async (key, context, payload) =>
  sign1(header(key), payload, await key.sign(sigStructure1(key, context, payload)));
const coSigner = async (key, context, payload) =>
  array(bstr(header(key)), map(), bstr(await key.sign(sigStructure(key, context, payload))));
const coSigned = (payload, ...signers) => tag(98, array(bstr(''), map(), bstr(payload), array(...signers)));
const hash = (context, speakers, payload) => sha256(cat(Buffer.from(context), [0], speakers, payload));

// ---- records
const SESSION = 'session-delegation/1', DEVICE = 'device-delegation/1', PUBLISHER = 'publisher-delegation/1', NOTE = 'vector-note/1';
const T0 = 1_800_000_000_000, MIN = 60_000, HOUR = 60 * MIN, DAY = 24 * HOUR;
const validity = (from, until) => array(uint(from), uint(until));
const peer = Buffer.from('0024080112' + '20' + '11'.repeat(32), 'hex');
const session = (p = peer, from = T0, until = T0 + DAY) => array(bstr(p), validity(from, until));
const names = (key, from, until) => array(bstr(key.pub), validity(from, until));

// ---- writing
const list = [];
function vector(name, comment, fields) {
  const lines = Object.entries(fields).map(([k, v]) => `${k}: ${Buffer.isBuffer(v) ? v.toString('hex') : v}`);
  fs.writeFileSync(`${out}/${name}.txt`, `# ${comment}\n${lines.join('\n')}\n`);
  list.push(name);
}
const nodeId = (key) => sha256(key.pub);
const a = await es256(1), b = await es256(2), c = await es256(3), e = await ed25519(4), p = await passkey(5);
const sorted = (...keys) => keys.sort((x, y) => Buffer.compare(x.pub, y.pub));

// keys
vector('key-es256', 'SEC1 compressed, as it stands in records', { form: 'key', expect: 'ok', alg: 1, key: a.pub.subarray(1), id: nodeId(a) });
vector('key-es256-uncompressed', "WebCrypto's exportKey('raw'): the same identity", { form: 'key', expect: 'ok', alg: 1, key: a.full, id: nodeId(a) });
vector('key-eddsa', 'an Ed25519 key', { form: 'key', expect: 'ok', alg: 2, key: e.pub.subarray(1), id: nodeId(e) });
vector('key-off-curve', 'x and y that are on no curve of ours', { form: 'key', expect: 'BadKey', alg: 1, key: cat([4], Buffer.alloc(64, 7)) });
vector('key-eddsa-small-order', 'the identity point: under it one signature fits many messages', { form: 'key', expect: 'BadKey', alg: 2, key: cat([1], Buffer.alloc(31)) });
const quorum = sorted(a, b, c);
const quorumBytes = array(uint(2), array(...quorum.map((k) => bstr(k.pub))));
vector('authority-key', 'one key is its own authority', { form: 'authority', expect: 'ok', record: bstr(a.pub), id: nodeId(a) });
vector('authority-quorum', 'two of three', { form: 'authority', expect: 'ok', record: quorumBytes, id: sha256(cat([0], quorumBytes)) });
vector('authority-quorum-of-none', 'k = 0 would let anybody speak', { form: 'authority', expect: 'Malformed', record: array(uint(0), array(...quorum.map((k) => bstr(k.pub)))) });
vector('authority-quorum-twice', 'one key listed twice would count twice', { form: 'authority', expect: 'Malformed', record: array(uint(2), array(bstr(a.pub), bstr(a.pub))) });

// signed records
const good = async (name, comment, key, context, payload) => {
  const record = await signed(key, context, payload);
  vector(name, comment, { form: 'signed', context, expect: 'ok', signer: key.pub, hash: hash(context, key.pub, payload), record });
  return record;
};
const bad = (name, comment, expect, record, context = SESSION) => vector(name, comment, { form: 'signed', context, expect, record });
await good('signed-es256', 'a session delegation signed by WebCrypto', a, SESSION, session());
await good('signed-eddsa', 'a device delegation signed by an Ed25519 key', e, DEVICE, names(b, T0, T0 + 30 * DAY));
await good('signed-passkey', 'a publisher delegation signed by a passkey', p, PUBLISHER, names(e, T0, T0 + 365 * DAY));
const N = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const big = (b) => BigInt('0x' + b.toString('hex'));
const b32 = (n) => Buffer.from(n.toString(16).padStart(64, '0'), 'hex');
const rs = await a.sign(sigStructure1(a, SESSION, session()));
const [r, s] = [rs.subarray(0, 32), big(rs.subarray(32))];
const [low, high] = s > N / 2n ? [N - s, s] : [s, N - s];
const withSignature = (signature) => sign1(header(a), session(), signature);
for (const [name, v] of [['low', low], ['high', high]])
  vector(`signed-${name}-s`, 'both twins of one signature are accepted, under one hash', { form: 'signed', context: SESSION, expect: 'ok', signer: a.pub, hash: hash(SESSION, a.pub, session()), record: withSignature(cat(r, b32(v))) });
bad('signature-r-zero', 'r = 0', 'BadSignatureEncoding', withSignature(cat(Buffer.alloc(32), b32(low))));
bad('signature-s-zero', 's = 0', 'BadSignatureEncoding', withSignature(cat(r, Buffer.alloc(32))));
bad('signature-s-order', 's = n', 'BadSignatureEncoding', withSignature(cat(r, b32(N))));
bad('signature-all-zero', 'r = s = 0, which a careless verifier accepts for any message', 'BadSignatureEncoding', withSignature(Buffer.alloc(64)));
const derInt = (b) => { let v = b; while (v.length > 1 && v[0] === 0) v = v.subarray(1); if (v[0] & 128) v = cat([0], v); return cat([2, v.length], v); };
const derBody = cat(derInt(r), derInt(b32(low)));
bad('signature-der', 'the same signature as DER', 'BadSignatureEncoding', withSignature(cat([0x30, derBody.length], derBody)));
bad('signature-short', '63 bytes', 'BadSignatureEncoding', withSignature(rs.subarray(0, 63)));
bad('signature-of-another-key', "signed by b under a's name", 'BadSignature', withSignature(await b.sign(sigStructure1(a, SESSION, session()))));
bad('signature-of-another-payload', 'the expiry was moved after signing', 'BadSignature', sign1(header(a), session(peer, T0, T0 + 2 * DAY), rs));
bad('signature-without-context', 'signed with empty external data, as a generic COSE signer would', 'BadSignature',
  withSignature(await a.sign(array(tstr('Signature1'), bstr(header(a)), bstr(''), bstr(session())))));
bad('signature-of-another-kind', 'a device delegation shown as a publisher delegation: the payloads look alike', 'BadSignature', await signed(a, DEVICE, names(b, T0, T0 + DAY)), PUBLISHER);
bad('signature-of-cosign', 'a signature made for COSE_Sign', 'BadSignature', withSignature(await a.sign(sigStructure(a, SESSION, session()))));
const lying = { ...a, alg: -8 };
bad('header-alg-mismatch', 'a P-256 key under the name EdDSA', 'SchemeMismatch', await signed(lying, SESSION, session()));
bad('header-alg-unknown', 'ES384', 'UnknownAlgorithm', await signed({ ...a, alg: -35 }, SESSION, session()));
bad('header-no-alg', 'no algorithm', 'Malformed', sign1(map(uint(4), bstr(a.pub)), session(), rs));
const extra = map(uint(1), int(-7), uint(3), uint(60), uint(4), bstr(a.pub));
bad('header-extra', 'a content type that we did not ask for', 'Malformed', sign1(extra, session(), await a.sign(sigStructure1(a, SESSION, session(), extra))));
bad('header-unprotected', 'anybody on the way could have written there', 'Malformed', sign1(header(a), session(), rs, map(uint(3), uint(60))));
const fullKey = map(uint(1), int(-7), uint(4), bstr(cat([1], a.full)));
bad('header-key-uncompressed', 'a second spelling of the key', 'BadKey', sign1(fullKey, session(), await a.sign(sigStructure1(a, SESSION, session(), fullKey))));
const long = cat([0xa2, 0x18, 0x01], int(-7), uint(4), bstr(a.pub));
bad('header-long-spelling', 'label 1 as 18 01 inside the protected bytes', 'Malformed', sign1(long, session(), await a.sign(sigStructure1(a, SESSION, session(), long))));
const record = await signed(a, SESSION, session());
bad('envelope-untagged', 'without tag 18', 'Malformed', record.subarray(1));
bad('envelope-other-tag', 'with the tag of COSE_Sign', 'Malformed', cat([0xd8, 98], record.subarray(1)));
bad('envelope-trailing', 'one byte too many', 'NotDeterministic', cat(record, [0]));
bad('envelope-cut', 'one byte too few', 'NotDeterministic', record.subarray(0, -1));
bad('envelope-empty', 'nothing at all', 'NotDeterministic', Buffer.alloc(0));
bad('envelope-detached', 'the payload is null', 'Malformed', tag(18, array(bstr(header(a)), map(), [0xf6], bstr(rs))));
bad('envelope-indefinite', 'an indefinite array', 'NotDeterministic', cat([0xd2, 0x9f], record.subarray(2), [0xff]));
const longPayload = cat([0x98, 0x02], bstr(peer), validity(T0, T0 + DAY));
bad('payload-long-spelling', 'well signed, but one value with two spellings has two hashes', 'NotDeterministic', await signed(a, SESSION, longPayload));
bad('payload-float', 'well signed, but with a float for a time', 'NotDeterministic', await signed(a, SESSION, array(bstr(peer), array(cat([0xfb], Buffer.alloc(8)), uint(T0)))));
bad('payload-wrong-shape', 'well signed, but a number where the peer id belongs', 'Malformed', await signed(a, SESSION, array(uint(1), validity(T0, T0 + DAY))));
bad('payload-time-too-large', 'a time above 2^53 − 1', 'Malformed', await signed(a, SESSION, session(peer, T0, 2n ** 53n)));
bad('payload-too-large', 'over the limit of its kind', 'TooLarge', await signed(a, SESSION, session(Buffer.alloc(300))));
bad('passkey-untouched', 'the authenticator says that nobody was there', 'BadSignature', await signed(await passkey(5, { flags: 0 }), PUBLISHER, names(e, T0, T0 + DAY)), PUBLISHER);
bad('passkey-registration', 'made while registering, not while signing', 'BadSignature', await signed(await passkey(5, { type: 'webauthn.create' }), PUBLISHER, names(e, T0, T0 + DAY)), PUBLISHER);
bad('passkey-as-plain', "a plain signature under the passkey's algorithm", 'NotDeterministic', await signed({ ...p, sign: a.sign }, SESSION, session()));

// co-signed records: the note is [text]
const note = array(tstr('we both say so'));
const two = sorted(a, e);
const [s0, s1] = [await coSigner(two[0], NOTE, note), await coSigner(two[1], NOTE, note)];
const co = (name, comment, expect, rec, more = {}) => vector(name, comment, { form: 'cosigned', context: NOTE, expect, ...more, record: rec });
co('cosigned-two', 'a P-256 and an Ed25519 key say the same', 'ok', coSigned(note, s0, s1), { signers: two.map((k) => k.pub.toString('hex')).join(' '), hash: hash(NOTE, [0], note) });
co('cosigned-one', 'one signer is enough for a record; whether for its purpose is for the authority', 'ok', coSigned(note, s0), { signers: two[0].pub, hash: hash(NOTE, [0], note) });
co('cosigned-twice', 'one key twice must not make two of a quorum', 'DuplicateSigner', coSigned(note, s0, await coSigner(two[0], NOTE, note)));
co('cosigned-unsorted', 'another order would be a second spelling', 'Malformed', coSigned(note, s1, s0));
co('cosigned-nobody', 'no signature', 'SignerCount', coSigned(note));
co('cosigned-one-bad', 'one bad signature spoils it', 'BadSignature', coSigned(note, s0, array(bstr(header(two[1])), map(), bstr(await two[1].sign(note)))));
co('cosigned-sign1', 'a signature made for COSE_Sign1', 'BadSignature', coSigned(note, array(bstr(header(a)), map(), bstr(await a.sign(sigStructure1(a, NOTE, note))))));
co('cosigned-body-header', "something in the body's protected header", 'Malformed', tag(98, array(bstr(map(uint(3), uint(60))), map(), bstr(note), array(s0))));

// credentials: who is behind a peer id, and when
const cred = (name, comment, expect, now, rec, more = {}) => vector(name, comment, { form: 'credential', expect, peer: more.peer ?? peer, now_ms: now, ...(more.id ? { id: more.id } : {}), record: rec });
const own = array(bstr(await signed(a, SESSION, session())));
cred('credential-own', 'the identity signed its session itself', 'ok', T0 + HOUR, own, { id: nodeId(a) });
const dev = await signed(a, DEVICE, names(b, T0 - 10 * DAY, T0 + 20 * DAY));
const byDevice = array(bstr(await signed(b, SESSION, session())), bstr(dev));
cred('credential-device', 'a device of a signed the session', 'ok', T0 + HOUR, byDevice, { id: nodeId(a) });
cred('credential-expired', 'a day later', 'Expired', T0 + DAY, own);
cred('credential-early', "six minutes before: more than a clock may be ahead", 'NotYetValid', T0 - 6 * MIN, own);
cred('credential-slightly-early', 'four minutes before', 'ok', T0 - 4 * MIN, own, { id: nodeId(a) });
cred('credential-other-peer', 'shown by somebody else', 'WrongPeer', T0 + HOUR, own, { peer: cat(peer.subarray(0, -1), [0]) });
cred('credential-too-long', 'a session of a day and one ms', 'BadLifetime', T0 + HOUR, array(bstr(await signed(a, SESSION, session(peer, T0, T0 + DAY + 1)))));
cred('credential-backwards', 'ends before it begins', 'BadLifetime', T0, array(bstr(await signed(a, SESSION, session(peer, T0 + DAY, T0)))));
cred('credential-device-of-another', 'the device delegation names another key', 'WrongSigner', T0 + HOUR, array(bstr(await signed(c, SESSION, session())), bstr(dev)));
cred('credential-device-expired', 'the phone was not renewed', 'Expired', T0 + HOUR, array(bstr(await signed(b, SESSION, session())), bstr(await signed(a, DEVICE, names(b, T0 - 30 * DAY, T0)))));
cred('credential-device-too-long', 'a device for 31 days', 'BadLifetime', T0 + HOUR, array(bstr(await signed(b, SESSION, session())), bstr(await signed(a, DEVICE, names(b, T0, T0 + 31 * DAY)))));
cred('credential-device-by-publisher', 'a publisher delegation in the place of a device delegation', 'BadSignature', T0 + HOUR, array(bstr(await signed(b, SESSION, session())), bstr(await signed(a, PUBLISHER, names(b, T0, T0 + DAY)))));

fs.writeFileSync(`${out}/INDEX`, list.sort().join('\n') + '\n');
console.log(`${list.length} vectors`);
