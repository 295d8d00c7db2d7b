// The frame of the embed, and the window that it opens: the question, the button to stop, what was given, a small chat.
// Consent is given here or nowhere: neither the page around it nor an address can answer the question, and before the
// answer nothing is fetched beyond these files, nothing computed, nothing connected, nothing kept.

import { Host, Twin } from './bus.js';
import { watch } from './seen.js';
import { keepReceipt, lend, talk } from './work.js';
import { choose, fill } from './words.js';

// The worker of the node is the one script that may be started by address.
globalThis.trustedTypes?.createPolicy('default', {
  createScriptURL: (address) => (new URL(address, location.origin).href === `${location.origin}/compute_loader.js` ? `${location.origin}/compute_loader.js` : null),
});

const FRAMED = top !== self;
const query = new URLSearchParams(location.search);
const site = /^k_[A-Za-z0-9_-]{40,60}$/.test(query.get('site') ?? '') ? query.get('site') : null;
const services = ['lend', 'chat'].filter((service) => (query.get('services') ?? 'lend').split(/[ ,]+/).includes(service));
// Where a site wants it, the frame itself shows what will be asked; it is asked in a window of our own.
const inline = FRAMED && query.get('mode') === 'inline' && site !== null;
let duty = Math.min(100, Math.max(5, Number(query.get('max-duty')) || 100));

const main = document.getElementById('main');
let t;
let running = null;
/** What was begun last, unless the person or the page that holds the frame stopped it. */
let begun = null;
let twin = null;
let guard = null;
/** Whether this browser keeps a receipt of the latest agreement. */
let receipt = false;

/** An element with text and children; text is never read as markup. */
function el(name, { text, on = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== null) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter(Boolean));
  return element;
}

function dress({ theme = query.get('theme'), lang = query.get('lang') } = {}) {
  const root = document.documentElement;
  const wanted = lang && lang !== 'auto' ? [lang] : [];
  const found = choose([...wanted, ...navigator.languages]);
  [root.lang, root.dir, t] = [found.language, found.direction, found.words];
  const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'dark' : 'light';
  root.classList.toggle('window', !FRAMED);
}

const host = new Host((said) => {
  switch (said.type) {
    case 'open':
      // A window needs a click of the person's own.
      if (main.dataset.state === 'idle' && inline) ask(services[0]);
      break;
    case 'stop':
      stop();
      break;
    case 'setConfig':
      if (['auto', 'light', 'dark'].includes(said.theme) || typeof said.lang === 'string') {
        dress({ theme: said.theme, lang: said.lang });
        if (main.dataset.state === 'idle') idle();
      }
      // A page may ask for less of its visitor, never for more.
      if (Number.isFinite(said.maxDuty) && said.maxDuty >= 5 && said.maxDuty < duty) {
        duty = said.maxDuty;
        running?.setDuty?.(duty / 100);
        twin?.tell({ type: 'duty', duty });
      }
  }
});

function state(word, reason = null) {
  main.dataset.state = word;
  if (reason === null) delete main.dataset.reason;
  else main.dataset.reason = reason;
  host.tell({ type: 'state', state: word, reason });
  if (!FRAMED) twin?.tell({ type: 'state', state: word, reason });
}

function show(...children) {
  guard?.stop();
  guard = null;
  main.replaceChildren(...children.filter(Boolean));
  host.tell({ type: 'size', height: document.documentElement.scrollHeight });
}

const heading = (text) => el('h1', { text });
const button = (text, testid, click, primary = false) =>
  el('button', { text, type: 'button', class: primary ? 'primary' : undefined, 'data-testid': testid, on: { click } });
const receiptLine = () => el('p', { text: receipt ? t.receipt : t.no_receipt, class: 'quiet', 'data-testid': 'embed-receipt', 'data-kept': String(receipt) });
const about = () => el('a', { text: t.about, href: '/', target: '_blank', rel: 'noopener', class: 'quiet' });

/** Nothing happens, and nothing has. */
function idle() {
  state('idle');
  const buttons = services.map((service, at) =>
    button(service === 'lend' ? t.lend : t.chat, `embed-${service}`, () => ask(service), at === 0));
  show(heading(t.title), el('p', { text: t.lead, class: 'quiet' }), el('div', { class: 'row' }, ...buttons, about()));
}

/** The question. It is answered in a window of our own alone: a page around this frame can cover, fade or mask what stands
 * here, and browsers do not tell us of all of it. */
function ask(service) {
  if (FRAMED && !inline) return openWindow(service);
  state('asking');
  const [title, ...lines] = service === 'lend' ? [t.lend_title, t.lend_1, t.lend_2, t.lend_3] : [t.chat_title, t.chat_1, t.chat_2, t.chat_3];
  const asker = query.get('origin');
  const note = el('p', { class: 'quiet', role: 'status' });
  const yes = FRAMED
    ? button(t.own_window, 'embed-window', () => openWindow(service), true)
    : button(t.yes, 'consent-accept', (event) => {
        // A click that a script made, or on something that was not in plain view, is nobody's agreement.
        if (event.isTrusted && guard?.seen()) return begin(service);
        note.textContent = t.covered;
      }, true);
  show(
    heading(title),
    asker && el('p', {}, el('bdi', { text: fill(t.asks, { origin: asker }) })),
    el('ul', {}, ...lines.map((text) => el('li', { text: fill(text, { duty }) }))),
    note,
    el('div', { class: 'row', 'data-testid': 'consent-dialog', 'data-for': service === 'lend' ? 'lend' : 'swarm' },
      button(t.no, 'consent-decline', decline), yes),
  );
  if (FRAMED) return;
  yes.setAttribute('aria-disabled', 'true');
  guard = watch(yes, () => yes.setAttribute('aria-disabled', String(!guard?.seen())));
}

function decline() {
  answer(false);
  if (!FRAMED && (opener || query.has('service'))) return leave();
  idle();
}

/** Ends this window. A page of somebody else's ends it once it has heard the answer, which a closed window cannot give. */
function leave() {
  if (query.has('origin')) setTimeout(close, 2000);
  else close();
}

/** What a page of somebody else's asked by the SDK is told, and nobody but that page. */
function answer(agreed, receipt = false) {
  const origin = query.get('origin');
  if (!FRAMED && opener && origin) opener.postMessage({ manyhands: { v: 1, type: 'consent', agreed, receipt } }, origin);
}

function openWindow(service) {
  const address = new URL('/embed/v1', location.origin);
  for (const name of ['site', 'services', 'lang', 'theme']) if (query.has(name)) address.searchParams.set(name, query.get(name));
  address.searchParams.set('max-duty', String(duty));
  address.searchParams.set('service', service);
  const opened = open(address, '_blank', 'popup,width=420,height=680');
  if (!opened) {
    host.tell({ type: 'error', code: 'not_allowed' });
    return show(heading(t.title), el('p', { text: t.blocked, class: 'bad', role: 'alert' }),
      el('a', { text: t.own_window, href: address.href, target: '_blank', rel: 'noopener' }));
  }
  twin = new Twin(opened, hearWindow);
  state('asking');
  show(heading(t.title), el('p', { text: t.elsewhere, role: 'status' }), el('div', { class: 'row' }, button(t.stop, 'embed-stop', stop)));
  const watching = setInterval(() => {
    if (!opened.closed) return;
    clearInterval(watching);
    twin = null;
    idle();
  }, 500);
}

/** News of the window: passed on in coarse words. */
function hearWindow(said) {
  if (said.type === 'state' && /^[a-z]{1,16}$/.test(said.state)) state(said.state, typeof said.reason === 'string' ? said.reason.slice(0, 32) : null);
  if (said.type === 'stats') host.stats({ jobs: Number(said.jobs), tokens: Number(said.tokens), bytes: Number(said.bytes) });
  if (said.type === 'error') host.tell({ type: 'error', code: String(said.code).slice(0, 32) });
}

async function begin(service) {
  const mine = {};
  const stopped = () => begun !== mine;
  begun = mine;
  show(heading(t.title), el('p', { text: t.noting, role: 'status' }));
  receipt = await keepReceipt(service);
  if (stopped()) return;
  answer(true, receipt);
  if (query.get('service') === 'allow') return leave();
  try {
    await (service === 'lend' ? work(stopped) : chat(stopped));
  } catch (error) {
    // What was stopped did not fail.
    if (stopped()) return;
    running = null;
    const code = error?.error?.code ?? 'aborted';
    state('stopped', code);
    host.tell({ type: 'error', code });
    twin?.tell({ type: 'error', code });
    show(heading(t.title), el('p', { text: fill(t.failed, { why: error?.message ?? code }), class: 'bad', role: 'alert' }),
      el('div', { class: 'row' }, button(t.lend, 'embed-lend', () => ask(service), true), about()));
  }
}

async function work(stopped) {
  state('loading');
  const word = el('p', { text: t.loading, role: 'status' });
  const bar = el('progress', { max: '1' });
  const figure = (name) => ({ label: el('dt', { text: t[name] }), value: el('dd', { text: '0' }) });
  const figures = { jobs: figure('jobs'), tokens: figure('tokens'), bytes: figure('data') };
  show(heading(t.title), word, bar,
    el('dl', {}, ...Object.values(figures).map(({ label, value }) => el('div', {}, label, value))),
    receiptLine(),
    el('div', { class: 'row' }, button(t.stop, 'embed-stop', stop, true), about()));
  const news = ({ state: now, reason, gave, loaded, total }) => {
    const [shown, text] = { ready: ['working', t.ready], working: ['working', t.working], paused: ['paused', t.paused] }[now] ?? ['loading', t.loading];
    word.textContent = text;
    bar.hidden = shown !== 'loading';
    if (total > 0) bar.value = loaded / total;
    for (const [name, { value }] of Object.entries(figures)) value.textContent = name === 'bytes' ? kilobytes(gave.bytes) : String(gave[name]);
    if (main.dataset.state !== shown || (main.dataset.reason ?? null) !== (now === 'ready' ? 'waiting' : reason)) state(shown, now === 'ready' ? 'waiting' : reason);
    host.stats(gave);
    twin?.tell({ type: 'stats', ...gave });
  };
  const lending = await lend({ duty: duty / 100, site, news });
  // Stopped while the node was being fetched.
  if (stopped()) lending.stop();
  else running = lending;
  await lending.served;
}

async function chat(stopped) {
  state('loading');
  const node = await talk();
  if (stopped()) return node.stop();
  running = node;
  const talked = [];
  const list = el('div', { class: 'talk', role: 'log', 'aria-live': 'polite' });
  const input = el('textarea', { 'aria-label': t.message, placeholder: t.message, maxlength: '4000', 'data-testid': 'chat-input' });
  const send = button(t.send, 'chat-send', async () => {
    const text = input.value.trim();
    if (!text || send.disabled) return;
    send.disabled = true;
    input.value = '';
    talked.push({ role: 'user', content: text });
    const said = el('p', { class: 'assistant', 'data-testid': 'message', 'data-role': 'assistant', 'data-state': 'streaming' });
    list.append(el('p', { class: 'user', text }), said);
    try {
      for await (const chunk of await node.ask(talked)) said.textContent += chunk.choices[0].delta.content ?? '';
      said.dataset.state = 'done';
      talked.push({ role: 'assistant', content: said.textContent });
    } catch (error) {
      said.dataset.state = 'error';
      said.append(el('span', { class: 'bad', text: ` ${fill(t.failed, { why: error?.message ?? '' })}` }));
      talked.pop();
    }
    send.disabled = false;
    list.scrollTop = list.scrollHeight;
  }, true);
  state('working');
  show(heading(t.chat), el('p', { text: t.strangers, class: 'quiet' }), receiptLine(), list, input,
    el('div', { class: 'row' }, send, button(t.stop, 'embed-stop', stop)));
}

async function stop() {
  begun = null;
  twin?.tell({ type: 'stop' });
  const node = running;
  running = null;
  await node?.stop();
  if (main.dataset.state === 'idle') return;
  state('stopped');
  show(heading(t.title), el('p', { text: t.stopped, role: 'status' }),
    el('div', { class: 'row' }, ...services.map((service) => button(service === 'lend' ? t.lend : t.chat, `embed-${service}`, () => ask(service))), about()));
}

function kilobytes(count) {
  const [value, unit] = count < 1e6 ? [count / 1e3, 'kB'] : [count / 1e6, 'MB'];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

dress();
if (FRAMED) {
  idle();
} else {
  // The frame that opened this window hears how it goes, and may stop it.
  if (opener && !query.has('origin')) {
    twin = new Twin(opener, (said) => {
      if (said.type === 'stop') stop();
      if (said.type === 'duty' && Number.isFinite(said.duty) && said.duty < duty) {
        duty = said.duty;
        running?.setDuty?.(duty / 100);
      }
    });
    addEventListener('pagehide', () => twin.tell({ type: 'state', state: 'stopped', reason: null }));
  }
  const service = query.get('service');
  if (service === 'chat' && services.includes('chat')) ask('chat');
  else if (service) ask('lend');
  else idle();
}
