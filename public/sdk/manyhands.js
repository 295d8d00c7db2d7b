// The SDK: a node of the commons in any page, in the shape that users of OpenAI's client know.
// It computes nothing: everything happens in the WebAssembly node beside it.

import init, { ManyhandsNode } from './sdk.js';

const nodes = new WeakMap();

/** Starts a node. Resolves at once; the node connects in the background. */
export async function createNode(options = {}) {
  const { signal, ...rest } = options;
  signal?.throwIfAborted();
  await init();
  const node = new Node({ relay: new URL(import.meta.url).origin, ...rest });
  signal?.addEventListener('abort', () => node.stop(), { once: true });
  return node;
}

class Node extends EventTarget {
  constructor(options) {
    super();
    const inner = new ManyhandsNode(options);
    nodes.set(this, inner);
    inner.onState(() => this.dispatchEvent(new CustomEvent('state', { detail: this.status() })));
    this.chat = { completions: { create: (request) => create(inner, request) } };
  }

  /** Lends layers; resolves when they are served. */
  async lend({ onprogress, signal, ...options } = {}) {
    signal?.throwIfAborted();
    const tell = () => {
      const { loaded_bytes: loaded, total_bytes: total } = this.status().lend;
      if (total > 0) onprogress?.({ loaded: Number(loaded), total: Number(total) });
    };
    const stop = () => this.stopLending();
    signal?.addEventListener('abort', stop, { once: true });
    this.addEventListener('state', tell);
    try {
      await nodes.get(this).lend(options);
    } finally {
      this.removeEventListener('state', tell);
    }
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

/** Chunks as they come where `stream` is set, else one completion. */
async function create(inner, { signal, ...request }) {
  signal?.throwIfAborted();
  const answer = inner.ask(request);
  signal?.addEventListener('abort', () => answer.stop(), { once: true });
  const chunks = read(answer, request, signal);
  return request.stream ? chunks : join(chunks, request);
}

async function* read(answer, request, signal) {
  const head = {
    id: `chatcmpl-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`,
    object: 'chat.completion.chunk',
    created: Math.floor(Date.now() / 1000),
    model: request.model ?? 'default',
  };
  const chunk = (delta, finish_reason, x_manyhands) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason, logprobs: null }],
    ...(x_manyhands && { x_manyhands }),
  });
  let route;
  try {
    yield chunk({ role: 'assistant', content: '' }, null);
    for (;;) {
      const event = await answer.next();
      if (event === undefined) {
        signal?.throwIfAborted();
        return;
      }
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
        case 'done':
          yield chunk({}, event.finish_reason, { route, tokens: event.tokens, ms: event.ms });
          break;
      }
    }
  } finally {
    answer.stop();
  }
}

async function join(chunks, request) {
  const text = [];
  let last;
  for await (const chunk of chunks) {
    text.push(chunk.choices[0].delta.content ?? '');
    last = chunk;
  }
  const { finish_reason } = last.choices[0];
  return {
    id: last.id,
    object: 'chat.completion',
    created: last.created,
    model: request.model ?? 'default',
    choices: [
      { index: 0, message: { role: 'assistant', content: text.join('') }, finish_reason, logprobs: null },
    ],
    x_manyhands: last.x_manyhands,
  };
}
