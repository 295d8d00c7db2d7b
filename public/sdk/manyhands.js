// The SDK: a node of the commons in any page, in the shape that users of OpenAI's client know.
// It computes nothing: everything happens in the WebAssembly node beside it.

import init, { ManyhandsNode } from './sdk.js';

const nodes = new WeakMap();
/** Pages of other origins whose person has agreed to lend, for as long as the page is open. */
const agreed = new Set();

/** Starts a node. Resolves at once; the node connects in the background. */
export async function createNode(options) {
  const { signal, ...rest } = options ?? {};
  goOn(signal);
  const relay = originOf(rest.relay ?? import.meta.url);
  await unlessAborted(signal, loaded());
  goOn(signal);
  const node = new Node({ ...rest, relay });
  signal?.addEventListener('abort', () => node.stop(), { once: true });
  return node;
}

/** The origin of a relay's address. */
function originOf(address) {
  try {
    const { protocol, origin } = new URL(address);
    if (protocol === 'https:' || protocol === 'http:') return origin;
  } catch {
    // No address at all: refused below.
  }
  throw refusal('bad_request', `relay: ${JSON.stringify(String(address).slice(0, 200))} is no http or https address`);
}

/** While it is loaded and once it is. A second load beside the first would put other memory under what runs already. */
let loading;

/** The node's WebAssembly, fetched and ready. */
async function loaded() {
  const load = (loading ??= init());
  try {
    await load;
  } catch (cause) {
    // The next node tries again.
    if (loading === load) loading = undefined;
    const code = cause instanceof WebAssembly.CompileError ? 'not_allowed' : 'relay_unreachable';
    throw refusal(code, `the node could not be loaded: ${cause?.message ?? cause}`, cause);
  }
}

class Node extends EventTarget {
  #relay;

  constructor(options) {
    super();
    this.#relay = options.relay;
    const inner = new ManyhandsNode(options);
    nodes.set(this, inner);
    inner.onState(() => this.dispatchEvent(new CustomEvent('state', { detail: this.status() })));
    this.chat = { completions: { create: (request) => create(inner, request ?? {}) } };
  }

  /** Lends layers; resolves when they are served. On a page that is not the relay's own, the relay's page asks the person first. */
  async lend(asked) {
    const { onprogress, signal, ...options } = asked ?? {};
    goOn(signal);
    if (this.#relay !== location.origin) await allowed(this.#relay, options.maxDuty, signal);
    const tell = () => {
      const { loaded_bytes: loaded, total_bytes: total } = this.status().lend;
      if (total > 0) onprogress?.({ loaded, total });
    };
    const stop = () => this.stopLending();
    signal?.addEventListener('abort', stop, { once: true });
    this.addEventListener('state', tell);
    try {
      await nodes.get(this).lend(options);
    } catch (error) {
      signal?.removeEventListener('abort', stop);
      goOn(signal);
      throw error;
    } finally {
      this.removeEventListener('state', tell);
    }
  }

  /** At most this share of the time, 0 to 1, goes into lent work. */
  setMaxDuty(share) {
    nodes.get(this).setMaxDuty(share);
  }

  /** Stops lending at once. */
  async stopLending() {
    await nodes.get(this).stopLending();
  }

  /** The state now: the snapshot that the app shows. */
  status() {
    return nodes.get(this).status();
  }

  /** Ends the node. */
  async stop() {
    await nodes.get(this).stop();
  }
}

/** Asks the person in a window of the relay's own, where no page around it can answer for them. */
async function allowed(relay, maxDuty = 1, signal) {
  if (agreed.has(relay)) return;
  if (navigator.userActivation && !navigator.userActivation.isActive) {
    throw refusal('not_allowed', 'lend() must be called from a click: it asks the person in a window');
  }
  const address = new URL('/embed/v1', relay);
  address.searchParams.set('service', 'allow');
  address.searchParams.set('origin', location.origin);
  address.searchParams.set('max-duty', String(Math.round(maxDuty * 100)));
  const asking = open(address, '_blank', 'popup,width=420,height=680');
  if (!asking) throw refusal('not_allowed', 'the browser did not open the window that asks the person');
  const { agreed: yes = false, receipt = true } = await new Promise((resolve) => {
    const end = (answer) => {
      clearInterval(watching);
      removeEventListener('message', hear);
      signal?.removeEventListener('abort', stop);
      // It stays until its answer was heard: a window that is gone is nobody's word.
      asking.close();
      resolve(answer);
    };
    const hear = ({ origin, source, data }) => {
      if (origin !== relay || source !== asking || data?.manyhands?.v !== 1 || data.manyhands.type !== 'consent') return;
      end({ agreed: data.manyhands.agreed === true, receipt: data.manyhands.receipt === true });
    };
    const stop = () => end({});
    // A window that was closed has answered.
    const watching = setInterval(() => asking.closed && end({}), 300);
    addEventListener('message', hear);
    signal?.addEventListener('abort', stop, { once: true });
  });
  goOn(signal);
  if (!yes) throw refusal('not_allowed', 'the person did not agree to lend this device');
  if (!receipt) console.info('Manyhands: this browser keeps no receipt of what the person agreed to');
  agreed.add(relay);
}

function refusal(code, message, cause) {
  const error = new Error(message, { cause });
  error.code = code;
  error.error = { message, type: 'manyhands_error', code, param: null };
  return error;
}

/** What an aborted call throws: in the shape of all other errors, under the name that `fetch` gives it. */
function aborted({ reason }) {
  const error = refusal('aborted', reason instanceof Error || reason instanceof DOMException ? reason.message : 'the call was aborted', reason);
  error.name = reason instanceof DOMException ? reason.name : 'AbortError';
  return error;
}

/** Throws where the signal has been aborted, or is none. */
function goOn(signal) {
  if (signal === undefined || signal === null) return;
  if (!(signal instanceof AbortSignal)) throw refusal('bad_request', 'signal: this is no AbortSignal');
  if (signal.aborted) throw aborted(signal);
}

async function unlessAborted(signal, promise) {
  if (!signal) return promise;
  let stop;
  const abort = new Promise((_, reject) => {
    stop = () => reject(aborted(signal));
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, abort]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Chunks as they come where `stream` is set, else one completion. */
async function create(inner, { signal, stream_options, ...request }) {
  goOn(signal);
  const wantsUsage = usageWanted(stream_options, request.stream);
  const answer = inner.ask(request);
  const stop = () => answer.stop();
  signal?.addEventListener('abort', stop, { once: true });
  const over = () => {
    signal?.removeEventListener('abort', stop);
    answer.stop();
  };
  const chunks = read(() => next(answer, signal), answer, wantsUsage || !request.stream, over);
  return request.stream ? chunks : join(chunks);
}

/** The next event of an answer that has not ended. */
async function next(answer, signal) {
  const event = await answer.next();
  goOn(signal);
  if (event === undefined) throw refusal('aborted', 'the node was stopped');
  return event;
}

/** What of `stream_options` there is to honour. */
function usageWanted(options, stream) {
  if (options === undefined || options === null) return false;
  const { include_usage: wanted = false, ...rest } = options;
  const [other] = Object.keys(rest);
  if (!stream || other !== undefined || typeof wanted !== 'boolean') {
    throw refusal('bad_request', `stream_options: ${other ?? 'include_usage, true or false, with stream alone'}: this cannot be honoured`);
  }
  return wanted;
}

async function* read(next, answer, wantsUsage, over) {
  const head = {
    id: `chatcmpl-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`,
    object: 'chat.completion.chunk',
    created: Math.floor(Date.now() / 1000),
    model: '',
  };
  const chunk = (delta, finish_reason, x_manyhands) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason, logprobs: null }],
    ...(x_manyhands && { x_manyhands }),
  });
  let route;
  try {
    let event = await next();
    // Which model answers is known with the first word of it.
    head.model = answer.model();
    yield chunk({ role: 'assistant', content: '' }, null);
    for (;; event = await next()) {
      switch (event.kind) {
        case 'text':
          yield chunk({ content: event.text }, null, { token_ids: event.token_ids });
          break;
        case 'waiting':
          yield chunk({}, null, { waiting: event.reason });
          break;
        case 'resumed':
          yield chunk({}, null, { waiting: null });
          break;
        case 'route':
          route = { ...event };
          delete route.kind;
          break;
        case 'done': {
          const usage = { prompt_tokens: event.prompt_tokens, completion_tokens: event.tokens, total_tokens: event.prompt_tokens + event.tokens };
          yield { ...chunk({}, event.finish_reason, { route, tokens: event.tokens, ms: event.ms }), ...(wantsUsage && { usage: null }) };
          // As OpenAI's clients expect it: after the last chunk, without a choice.
          if (wantsUsage) yield { ...head, choices: [], usage };
          return;
        }
      }
    }
  } finally {
    over();
  }
}

async function join(chunks) {
  const text = [];
  let last;
  let usage;
  for await (const chunk of chunks) {
    if (chunk.usage) usage = chunk.usage;
    if (chunk.choices.length === 0) continue;
    text.push(chunk.choices[0].delta.content ?? '');
    last = chunk;
  }
  const { finish_reason } = last.choices[0];
  return {
    id: last.id,
    object: 'chat.completion',
    created: last.created,
    model: last.model,
    choices: [
      { index: 0, message: { role: 'assistant', content: text.join('') }, finish_reason, logprobs: null },
    ],
    usage,
    x_manyhands: last.x_manyhands,
  };
}
