// Our compute worker, as the page talks to it: the released build, served by a relay.
// Does not start a node: no network runs beside what is measured.

/** A page with the worker, the whole model loaded as one stage. */
export async function openOurs(browser, relay, prompt, answer) {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${relay.url}/manifest.webmanifest`);
  await page.evaluate(async ({ model, layers }) => {
    const worker = new Worker('/compute_loader.js', { type: 'module' });
    const waiting = new Map();
    let count = 0;
    globalThis.ask = (ask) => new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, { resolve, reject });
      worker.postMessage({ id: count, ask });
    });
    await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data: { id, update } }) => {
        if (update === 'Ready') resolve();
        // No node runs here: nobody else has the model.
        if (update.AskPeers !== undefined) void ask({ FromPeers: { question: update.AskPeers.question, bytes: null } });
        const waiter = waiting.get(Number(id));
        if (waiter === undefined || update.Loading !== undefined) return;
        waiting.delete(Number(id));
        if (update.Done === undefined) waiter.reject(new Error(JSON.stringify(update)));
        else waiter.resolve(update.Done);
      };
    });
    globalThis.stage = { model, first: 0, end: layers };
    await ask({ OpenModel: { model, origin: location.origin } });
    await ask({ LoadStage: { stage, backend: 'Cpu' } });
  }, { model: relay.model, layers: relay.layers });

  const run = () => page.evaluate(async ({ prompt, answer }) => {
    const sampling = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repeat_penalty: 1, seed: 0 };
    const step = async (first_position, ids) => {
      const want = { Sample: { rows: 1, sampling, recent: [] } };
      const { Stepped } = await ask({ Step: { kv: 1, first_position, input: { Tokens: ids }, want } });
      return Stepped.output.Tokens[0];
    };
    await ask({ OpenKv: { kv: 1, stage, max_positions: 512 } });
    const start = performance.now();
    let token = await step(0, prompt);
    const read = performance.now();
    for (let i = 0; i < answer; i += 1) token = await step(prompt.length + i, [token]);
    const end = performance.now();
    await ask({ CloseKv: { kv: 1 } });
    return { prefill: (prompt.length / (read - start)) * 1000, decode: (answer / (end - read)) * 1000 };
  }, { prompt, answer });
  return { run, close: () => context.close() };
}
