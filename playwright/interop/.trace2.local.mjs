import { launch, openPeer, prepare, serve } from './.browser.local.mjs';
import { startRelay } from './relay.mjs';
process.env.NO_BUILD='1';
await prepare();
const relay = await startRelay(); const site = await serve(); const browser = await launch();
const st = async (p) => JSON.parse(await p.status());
const wa = async (p) => { for(;;){ const a=(await st(p)).addresses.find(a=>a.includes('/p2p-circuit/webrtc')); if(a) return a; await new Promise(r=>setTimeout(r,50)); } };
for (const [ka,kb] of (process.env.PAIRS??'ours-ours').split(',').map(x=>x.split('-'))) {
  const a = await openPeer(browser, site.url, ka), b = await openPeer(browser, site.url, kb);
  await a.listen(relay.address); await b.listen(relay.address);
  await wa(a); await a.connect(await wa(b)); const bId=(await st(b)).peer_id;
  for (const kind of (process.env.OPS??'echo,echo').split(',')) {
    let done=false; const p = a[kind](bId, 16<<20).then((r)=>{done=true; return r.toFixed(0);}, (e)=>{done=true; return e.message.slice(0,60)});
    const t0=performance.now(); const lines=[];
    while(!done) { await new Promise(r=>setTimeout(r,400)); if(done) break; const s = await Promise.all([a,b].map((x)=>x.page.evaluate(()=>globalThis.probe()))); lines.push(`${((performance.now()-t0)/1000).toFixed(1)}s ${s.join(' | ')}`); }
    console.log(ka,kb,kind,await p); console.log(lines.slice(0,40).join('\n'));
  }
  await a.close(); await b.close();
}
await browser.close(); site.close(); process.exit(0);
