// Messages between this frame and the page that holds it, or between our own window and the frame that opened it.
// Each end checks origin, source and token; what it does not know it drops. It starts nothing.

const MOST_BYTES = 4096;
/** Figures go out no more often than this: nobody can count a visitor's steps by them. */
const STATS_EVERY_MS = 5000;

/** The page that holds this frame. It may ask to open, to stop and to be gentler; there is no word for starting. */
export class Host {
  #origin = null;
  #token = null;
  #pending = [];
  #lastStats = 0;

  constructor(hear) {
    if (parent === self) return;
    addEventListener('message', ({ origin, source, data }) => {
      if (source !== parent) return;
      const said = data?.gpu;
      if (said?.v !== 1 || typeof said.token !== 'string' || size(said) > MOST_BYTES) return;
      if (said.type === 'hello') {
        // The first hello counts: one page holds the frame for as long as the frame lives.
        if (this.#token !== null || !/^[0-9a-f]{32}$/.test(said.token)) return;
        [this.#origin, this.#token] = [origin, said.token];
        for (const message of [{ type: 'ready' }, ...this.#pending.splice(0)]) this.tell(message);
      } else if (origin === this.#origin && said.token === this.#token) {
        hear(said);
      }
    });
  }

  tell(message) {
    if (parent === self) return;
    if (this.#token === null) {
      if (this.#pending.length < 16) this.#pending.push(message);
      return;
    }
    parent.postMessage({ gpu: { v: 1, token: this.#token, ...message } }, this.#origin);
  }

  stats({ jobs, tokens, bytes }) {
    const now = performance.now();
    if (this.#lastStats !== 0 && now - this.#lastStats < STATS_EVERY_MS) return;
    this.#lastStats = now;
    this.tell({ type: 'stats', jobs, tokens, bytes });
  }
}

/** Our own other end: the window that the frame opened, or the frame that opened this window. Same origin only. */
export class Twin {
  #other;

  constructor(other, hear) {
    this.#other = other;
    addEventListener('message', ({ origin, source, data }) => {
      if (origin !== location.origin || source !== other || !data?.twin || size(data.twin) > MOST_BYTES) return;
      hear(data.twin);
    });
  }

  get closed() {
    return this.#other.closed;
  }

  tell(message) {
    if (!this.#other.closed) this.#other.postMessage({ twin: message }, location.origin);
  }
}

function size(message) {
  try {
    return JSON.stringify(message).length;
  } catch {
    return Infinity; // Cyclic or too large: not ours.
  }
}
