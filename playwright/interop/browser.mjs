// Chromium, and pages in it that hold either peer. A page counts what it opens, so that a leak shows.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
const OUT = join(HERE, 'node_modules/.cache/webrtc-interop');
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/** Builds the example for the browser (unless told to use what is there) and bundles js-libp2p. */
export async function prepare() {
  mkdirSync(OUT, { recursive: true });
  const profile = process.env.PROFILE ?? 'wasm-dev';
  const wasm = join(TARGET, 'wasm32-unknown-unknown', profile, 'webrtc_p2p_example.wasm');
  if (process.env.NO_BUILD === undefined) {
    const toolchain = process.env.WASM_TOOLCHAIN === undefined ? [] : [`+${process.env.WASM_TOOLCHAIN}`];
    const args = [...toolchain, 'build', '--profile', profile, '--target', 'wasm32-unknown-unknown', '-p', 'webrtc-p2p-example'];
    execFileSync('cargo', args, { cwd: ROOT, stdio: 'inherit' });
  }
  if (!existsSync(wasm)) throw new Error(`no ${wasm}: build webrtc-p2p-example first`);
  execFileSync('wasm-bindgen', ['--target', 'web', '--no-typescript', '--out-dir', OUT, wasm], { stdio: 'inherit' });
  await build({
    entryPoints: [join(HERE, 'page.mjs')], outfile: join(OUT, 'js-peer.js'), bundle: true, format: 'esm',
    platform: 'browser', define: { global: 'globalThis' }, logLevel: 'error',
  });
}

/** Serves the built files and blank pages on a loopback port. */
export async function serve() {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const type = TYPES[extname(path)];
    try {
      const body = path === '/blank.html' ? '<!doctype html><title>peer</title>' : readFileSync(join(OUT, path));
      response.writeHead(200, { 'content-type': type ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}`, close: () => server.close() };
}

const OPTIONS = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless=new', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--enable-precise-memory-info', '--js-flags=--expose-gc'],
};

export const launch = () => chromium.launch(OPTIONS);

/** A browser whose processes are known, so that they can be stopped. */
export async function launchStoppable() {
  const server = await chromium.launchServer(OPTIONS);
  return { server, browser: await chromium.connect(server.wsEndpoint()) };
}

/** Stops a process and all below it in mid-air; answers how to let them go on. */
export function stopTree(root) {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=']).toString().trim().split('\n').map((row) => row.trim().split(/\s+/).map(Number));
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size;) {
    size = tree.size;
    for (const [pid, parent] of rows) if (tree.has(parent)) tree.add(pid);
  }
  const signal = (name) => tree.forEach((pid) => { try { process.kill(pid, name); } catch { /* it has ended */ } });
  signal('SIGSTOP');
  return () => signal('SIGCONT');
}

/** Runs in the page before anything else: counts connections and channels. */
function instrument(kind) {
  const pcs = new Set();
  const channels = new Set();
  const opened = [];
  const unheard = new Set();
  const Original = globalThis.RTCPeerConnection;
  const create = (pc, ...args) => Original.prototype.createDataChannel.apply(pc, args);
  const hold = (pc, id) => create(pc, 'held', { negotiated: true, id });
  const add = (channel) => { channels.add(channel); return channel; };
  // Where a packet is lost, Chromium opens a channel with an id that the other side still holds and does not hear. Ours
  // gets over it, js-libp2p does not: it uses each id once.
  const once = (pc, channel) => channel.addEventListener('close', () => {
    try { hold(pc, channel.id); } catch { /* in use again, or the connection has ended */ }
  });
  globalThis.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      pcs.add(this);
      this.addEventListener('datachannel', (event) => add(event.channel));
    }
    createDataChannel(...args) {
      const channel = add(create(this, ...args));
      opened.push(channel);
      unheard.add(channel);
      channel.addEventListener('message', () => unheard.delete(channel), { once: true });
      if (kind === 'js') once(this, channel);
      return channel;
    }
  };
  globalThis.counts = () => {
    for (const pc of pcs) if (pc.connectionState === 'closed') pcs.delete(pc);
    for (const c of channels) if (c.readyState === 'closed') channels.delete(c);
    globalThis.gc?.();
    // A channel that the other side never knew stays `closing` in Chromium as long as the connection.
    const left = [...channels].filter((c) => !(c.readyState === 'closing' && unheard.has(c)));
    return { pcs: pcs.size, channels: left.length, ids: [...channels].map((c) => c.id) };
  };
  // The ids of all channels that this side has opened, in turn.
  globalThis.openedIds = () => opened.map((c) => c.id);
  globalThis.floodChannels = async (count) => {
    const [pc] = pcs;
    for (let made = 0; made < count && pc.connectionState === 'connected';) {
      try {
        add(create(pc, ''));
        made += 1;
      } catch {
        // The browser has no id left for the moment, or the other side has had enough.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  };
  globalThis.closeAllPeerConnections = () => pcs.forEach((pc) => pc.close());
}

/** A page with one peer; its methods are called as if it lived here. */
export async function openPeer(browser, url, kind, log = () => {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    log(`[${kind}] ${message.text()}`);
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.addInitScript(instrument, kind);
  await page.goto(`${url}/blank.html`);
  await page.evaluate(async (kind) => {
    if (kind === 'ours') {
      const module = await import('/webrtc_p2p_example.js');
      globalThis.wasm = await module.default();
      globalThis.peer = new module.Node();
    } else {
      await import('/js-peer.js');
      globalThis.peer = await globalThis.JsPeer.create(kind === 'js as it comes' ? {} : undefined);
    }
  }, kind);
  const call = (method, ...args) => page.evaluate(
    ([method, args]) => globalThis.peer[method](...args), [method, args]);
  const target = { kind, page, errors, close: () => context.close(), counts: () => page.evaluate(() => globalThis.counts()),
    openedIds: () => page.evaluate(() => globalThis.openedIds()) };
  return new Proxy(target, {
    get: (own, name) => (name in own || name === 'then' ? own[name] : (...args) => call(name, ...args)),
  });
}
