// The app without a network: its own files from a cache, kept fresh while there is one.
// It never touches models, the API or other origins; those are the node's business.
'use strict';

const CACHE = 'manyhands-app-1';
// trunk and xtask put a hash into the names of what never changes.
const HASHED = /-[0-9a-f]{15,16}[^/]*\.(?:js|wasm|css)$/;
// This browser alone fills the cache: what an answer would be to another (`Vary`) does not matter here.
const ANY = { ignoreSearch: true, ignoreVary: true };
// `/models` itself is a page of the app; what lies below it are files.
const NOT_OURS = /^\/(?:(?:api|embed|sdk|livez|readyz|healthz|metrics)(?:\/|$)|models\/)/;

self.addEventListener('install', (event) => {
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('manyhands-app-') && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || NOT_OURS.test(url.pathname)) return;
  if (request.mode === 'navigate') event.respondWith(freshOr('/', request));
  else if (HASHED.test(url.pathname)) event.respondWith(keptOr(request));
  else event.respondWith(freshOr(request, request));
});

// The engine is several times the size of the page: it is kept when somebody has begun to use it, not before.
self.addEventListener('message', (event) => {
  if (event.data === 'keep-engine') event.waitUntil(keepEngine());
});

async function keepEngine() {
  const cache = await caches.open(CACHE);
  const loader = await fetch('/compute_loader.js');
  if (!loader.ok) return;
  const scripts = [...(await loader.clone().text()).matchAll(/'\.(\/compute-[^']+)\.js'/g)].map((match) => match[1]);
  await cache.put('/compute_loader.js', loader);
  for (const name of scripts.flatMap((script) => [`${script}.js`, `${script}_bg.wasm`])) {
    if (await cache.match(name, ANY)) continue;
    const answer = await fetch(name);
    if (answer.ok) await cache.put(name, answer);
  }
}

/** Puts the page and all that it names into the cache, so that the next start needs no network. */
async function fill() {
  const cache = await caches.open(CACHE);
  const page = await fetch('/', { cache: 'no-cache' });
  if (!page.ok) throw new Error(`the page answers ${page.status}`);
  const text = await page.clone().text();
  await cache.put('/', page);
  const names = [...text.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map((match) => match[1]);
  const inner = await Promise.all(names.filter((name) => /\/start-[^/]+\.js$/.test(name)).map(imported));
  const wanted = [...new Set([...names, ...inner.flat()])].filter((name) => !NOT_OURS.test(name));
  await Promise.all(wanted.map(async (name) => {
    const answer = await fetch(name);
    if (answer.ok) await cache.put(name, answer);
  }));
}

/** The files that the start script names. */
async function imported(name) {
  const answer = await fetch(name);
  return answer.ok ? [...(await answer.text()).matchAll(/['"](\/[^'"]+\.(?:js|wasm))['"]/g)].map((match) => match[1]) : [];
}

async function keptOr(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, ANY);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) {
    await cache.put(request, answer.clone());
    await dropOlder(cache, new URL(request.url).pathname);
  }
  return answer;
}

/** Each new version of a file takes the place of the one before: the cache holds one app, not all that ever were. */
async function dropOlder(cache, pathname) {
  const kind = (path) => path.replace(/-[0-9a-f]{16}/, '');
  for (const { url } of await cache.keys()) {
    const other = new URL(url).pathname;
    if (other !== pathname && HASHED.test(other) && kind(other) === kind(pathname)) await cache.delete(url, ANY);
  }
}

async function freshOr(key, request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok && answer.type === 'basic') await cache.put(key, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(key, ANY);
    if (kept) return kept;
    throw error;
  }
}
