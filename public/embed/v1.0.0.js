// The loader of Manyhands on other people's pages: one script tag becomes one frame, and what the frame says becomes
// events on that tag. It reads nothing of the visitor, keeps nothing, computes nothing and cannot start anything:
// consent and work are the frame's, at its own origin. A published version never changes; `v1.js` is the newest.
(() => {
  'use strict';
  const MARK = Symbol.for('manyhands.embed');
  const MOST_BYTES = 4096;
  const OURS = /\/embed\/v1(?:\.\d+\.\d+)?\.js$/;
  const COPIED = ['site', 'services', 'mode', 'lang', 'theme', 'max-duty'];

  const hex = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const isOurs = (script) => script instanceof HTMLScriptElement && OURS.test(script.src.split(/[?#]/)[0]);

  /** One tag, one frame, however often the file runs. */
  function mount(script) {
    if (script[MARK] || !script.isConnected) return;
    const consent = script.getAttribute('data-consent');
    if (consent !== null && consent !== 'required') {
      console.error(`Manyhands: data-consent="${consent}" is refused. A person is always asked: "required" is the only value.`);
      return;
    }
    const node = new URL(script.src).origin;
    const address = new URL('/embed/v1', node);
    for (const name of COPIED) {
      const value = script.getAttribute(`data-${name}`);
      if (value) address.searchParams.set(name, value);
    }
    const frame = document.createElement('iframe');
    frame.title = 'Manyhands';
    frame.width = '320';
    frame.height = '120';
    frame.loading = 'lazy';
    frame.referrerPolicy = 'no-referrer';
    frame.allow = 'screen-wake-lock';
    frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox');
    frame.style.border = '0';
    frame.style.maxInlineSize = '100%';
    frame.style.colorScheme = 'normal';
    frame.src = address.href;

    const token = hex();
    const tell = (message) => frame.contentWindow?.postMessage({ gpu: { v: 1, token, ...message } }, node);
    // Another document in the frame knows no token yet.
    frame.addEventListener('load', () => tell({ type: 'hello' }));
    addEventListener('message', ({ origin, source, data }) => {
      if (origin !== node || source !== frame.contentWindow || !frame.isConnected) return;
      const said = data?.gpu;
      if (said?.v !== 1 || said.token !== token || JSON.stringify(said).length > MOST_BYTES) return;
      hear(said);
    });

    function hear({ type, ...rest }) {
      const { v, token: _, ...detail } = rest;
      switch (type) {
        case 'size':
          // Grows only after a click inside, and never beyond a phone's screen.
          if (Number.isFinite(detail.height)) frame.height = String(Math.min(640, Math.max(80, Math.round(detail.height))));
          break;
        case 'ready':
        case 'state':
        case 'stats':
        case 'error': {
          script.dispatchEvent(new CustomEvent(`gpu:${type}`, { bubbles: true, detail }));
          const name = script.getAttribute(`data-on-${type}`);
          const listener = name && Object.hasOwn(globalThis, name) ? globalThis[name] : undefined;
          if (typeof listener === 'function') listener(detail);
        }
      }
    }

    // Show, hide, ask, listen; there is no start.
    const controls = {
      open: () => tell({ type: 'open' }),
      stop: () => tell({ type: 'stop' }),
      setConfig: ({ theme, lang, maxDuty } = {}) => tell({ type: 'setConfig', theme, lang, maxDuty }),
    };
    Object.defineProperty(script, MARK, { value: controls });
    Object.defineProperty(script, 'gpu', { value: Object.freeze(controls) });
    // In the head a frame has no place: it waits for the body and stands at its end.
    const place = () => (document.body?.contains(script) ? script.after(frame) : document.body.append(frame));
    if (document.body) place();
    else addEventListener('DOMContentLoaded', place, { once: true });
  }

  const { currentScript } = document;
  if (isOurs(currentScript)) mount(currentScript);
  else for (const script of document.scripts) if (isOurs(script)) mount(script);
})();
