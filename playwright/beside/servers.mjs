// What the two pages are served by: a real relay for ours, a plain server for wllama's files and the model.
// Does not outlive the benchmark.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const WLLAMA = fileURLToPath(new URL('node_modules/@wllama/wllama/esm', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/** The relay of MANYHANDS_RELAY_BIN with one model and the app of MANYHANDS_RELAY_APP. */
export async function startRelay(model) {
  const data = await mkdtemp(join(tmpdir(), 'manyhands-bench-'));
  const child = spawn(process.env.MANYHANDS_RELAY_BIN, [
    'serve', '--listen', '127.0.0.1:0', '--data', data, '--metrics', 'off', '--stun-port', 'off', '--p2p-port', 'off',
    '--limits', 'open', '--log-filter', 'error', '--model', model,
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  let url;
  for await (const line of lines) {
    url = readyUrl(line);
    if (url !== undefined) break;
  }
  if (url === undefined) throw new Error('the relay ended before it was ready');
  const [{ id, layers }] = (await (await fetch(`${url}/api/v1/swarm`)).json()).models;
  const stop = async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    await rm(data, { recursive: true, force: true });
  };
  return { url, model: id, layers, stop };
}

function readyUrl(line) {
  try {
    return JSON.parse(line).ready?.url.replace(/\/$/, '');
  } catch {
    return undefined;
  }
}

/** wllama's files under /wllama, the model, and a blank page. */
export async function serveFiles(model) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/model.gguf') {
      response.writeHead(200, { 'content-length': statSync(model).size });
      createReadStream(model).pipe(response);
      return;
    }
    try {
      const body = path === '/blank.html' ? '<!doctype html><title>wllama</title>' : readFileSync(join(WLLAMA, path.replace('/wllama/', '')));
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => new Promise((resolve) => server.close(resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}
