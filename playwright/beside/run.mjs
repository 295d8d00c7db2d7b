// Our compute worker beside wllama: one Chromium, one thread each, the same models, taking turns.
// Does not judge: prints one line of JSON per model. Usage: node run.mjs ROUNDS NAME=MODEL.gguf …
//
// What is measured on our side is the whole way from the page through postMessage and back, on theirs what their
// engine says of itself, and the whole way for comparison.
import { loadavg } from 'node:os';
import { chromium } from 'playwright-core';
import { serveFiles, startRelay } from './servers.mjs';
import { openOurs } from './ours.mjs';
import { openWllama } from './wllama.mjs';

const PROMPT_TOKENS = 256;
const ANSWER_TOKENS = 64;

const [rounds, ...models] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // Whoever waits for its turn must not be slowed down as a page that nobody looks at.
  args: ['--headless=new', '--no-sandbox', '--no-first-run', '--disable-background-networking',
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
});
try {
  for (const model of models) {
    const [name, path] = model.split('=');
    console.log(JSON.stringify(await compare(name, path)));
  }
} finally {
  await browser.close();
}

async function compare(name, path) {
  const [relay, files] = await Promise.all([startRelay(path), serveFiles(path)]);
  try {
    const prompt = Array.from({ length: PROMPT_TOKENS }, (_, i) => 300 + ((i * 7919) % 3500));
    const ours = await openOurs(browser, relay, prompt, ANSWER_TOKENS);
    const wllama = await openWllama(browser, files, prompt, ANSWER_TOKENS);
    const load = loadavg()[0];
    const runs = { ours: [], wllama: [] };
    // The first of each warms up: their compilers have then seen everything.
    for (let round = 0; round <= Number(rounds); round += 1) {
      const [a, b] = [await ours.run(), await wllama.run()];
      console.error(`${name}, round ${round}: ours ${JSON.stringify(a)} wllama ${JSON.stringify(b)}`);
      if (round > 0) {
        runs.ours.push(a);
        runs.wllama.push(b);
      }
    }
    await Promise.all([ours.close(), wllama.close()]);
    return { model: name, rounds: Number(rounds), load, loadAfter: loadavg()[0], ours: medians(runs.ours), wllama: medians(runs.wllama) };
  } finally {
    await Promise.all([relay.stop(), files.stop()]);
  }
}

/** The median of each figure over all rounds. */
function medians(runs) {
  const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(runs.map((run) => run[key]))]));
}
