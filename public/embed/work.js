// The node behind the frame: loaded, started and stopped here, and only after a person agreed.
// It asks nobody and draws nothing.

const REPORT_EVERY_MS = 30_000;
/** What a person agrees to, by the numbers of the receipts that the app keeps. */
const PURPOSES = { lend: 0, chat: 1 };
/** The version of this question's words; the app's own question has numbers below 1,000, and is not answered by this one. */
const TERMS = 1001;
/** A window is asked anew each time: no agreement here outlives a day. */
const RECEIPT_HOURS = 24;

/** Signs and keeps what the person just agreed to, in this browser alone. Says whether it could. */
export async function keepReceipt(service) {
  try {
    const { default: init, keepReceipt: keep } = await import('/sdk/sdk.js');
    await init();
    await keep(PURPOSES[service], TERMS, RECEIPT_HOURS);
    return true;
  } catch (reason) {
    console.info(`no receipt of the agreement was kept: ${reason?.message ?? reason}`);
    return false;
  }
}

/** Lends layers until stopped; `served` resolves when they are. `news` hears the state after each change. */
export async function lend({ duty, site, news }) {
  const node = await start();
  const report = site ? reporter(site, node) : () => {};
  let ended = false;
  const tell = () => {
    if (ended) return;
    const { state, reason, gave, loaded_bytes, total_bytes } = node.status().lend;
    news({
      state,
      reason,
      gave: { jobs: gave.jobs, tokens: gave.tokens, bytes: gave.bytes },
      loaded: loaded_bytes,
      total: total_bytes,
    });
  };
  node.addEventListener('state', tell);
  const timer = setInterval(report, REPORT_EVERY_MS);
  addEventListener('pagehide', report);
  const stop = async () => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    report();
    await node.stop();
  };
  const setDuty = (share) => node.setMaxDuty(share);
  const served = node.lend({ maxDuty: duty }).then(tell, async (error) => {
    await stop();
    throw error;
  });
  return { served, stop, setDuty };
}

/** A node to ask; answers come from strangers' devices. */
export async function talk() {
  const node = await start();
  return {
    ask: (messages) => node.chat.completions.create({ messages, mode: 'swarm', stream: true, max_tokens: 512, temperature: 0.7 }),
    stop: () => node.stop(),
  };
}

async function start() {
  const { createNode } = await import('/sdk/manyhands.js');
  return createNode({ storage: 'memory' });
}

/** Tells the relay what was given on behalf of the site since the last time: sums alone, nothing about the visitor. */
function reporter(site, node) {
  let told = { jobs: 0, tokens: 0, bytes: 0 };
  let first = true;
  return () => {
    const { jobs, tokens, bytes } = node.status().lend.gave;
    const now = { jobs, tokens, bytes };
    const more = { jobs: now.jobs - told.jobs, tokens: now.tokens - told.tokens, bytes: now.bytes - told.bytes };
    if (!first && more.jobs + more.tokens + more.bytes === 0) return;
    const body = JSON.stringify({ ...more, visits: first ? 1 : 0 });
    [told, first] = [now, false];
    fetch(`/api/v1/sites/${site}/gave`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, keepalive: true })
      .catch((reason) => console.info(`the site's count was not told: ${reason}`));
  };
}
