// wllama on one thread, without WebGPU, as its own documentation starts it.
// Does not change how it computes.

/** A page with wllama and the model. */
export async function openWllama(browser, files, prompt, answer) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${files.url}/blank.html`);
  await page.evaluate(async () => {
    const { Wllama, LoggerWithoutDebug } = await import('/wllama/index.js');
    globalThis.wllama = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug, suppressNativeLog: true });
    const blob = await (await fetch('/model.gguf')).blob();
    await wllama.loadModel([blob], { n_threads: 1, n_gpu_layers: 0, n_ctx: 1024, n_batch: 512, n_parallel: 1, ctx_shift: false, jinja: false });
  });
  const threads = await page.evaluate(() => wllama.isMultithread());
  if (threads) throw new Error('wllama uses more than one thread');

  // wllama takes text, not ids: in the seeded vocabulary a letter is a token, and each text begins with two of its own
  // (the start and a space). Which tokens they are costs the same.
  const text = Array.from({ length: prompt.length - 2 }, (_, i) => 'abcdefghijklmnopqrstuvwxyz'[(i * 7) % 26]).join('');
  const run = () => page.evaluate(async ({ prompt, text, answer }) => {
    // A model that has learnt nothing says bytes that are no text, which wllama cannot hand over: not the upper half of them.
    const logit_bias = Object.fromEntries(Array.from({ length: 128 }, (_, i) => [3 + 128 + i, -100]));
    const options = { max_tokens: answer + 1, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false, logit_bias };
    const start = performance.now();
    const answered = await wllama.createCompletion({ prompt: text, ...options });
    const wall = performance.now() - start;
    const { prompt_n, prompt_ms, predicted_n, predicted_ms } = answered.timings;
    if (prompt_n !== prompt.length) throw new Error(`it read ${prompt_n} tokens, not ${prompt.length}`);
    if (predicted_n < answer) throw new Error(`it wrote ${predicted_n} tokens, not ${answer}`);
    // The first token comes out of the prompt.
    return {
      prefill: (prompt_n / prompt_ms) * 1000,
      decode: (predicted_n - 1) / predicted_ms * 1000,
      wall_ms: wall,
    };
  }, { prompt, text, answer });
  return { run, close: () => context.close() };
}
