import { launch, openPeer, prepare, serve } from './browser.mjs';
import { startRelay } from './relay.mjs';
process.env.NO_BUILD='1';
await prepare();
const relay = await startRelay(); const site = await serve(); const browser = await launch();
const st = async (p) => JSON.parse(await p.status());
const wa = async (p) => { for(;;){ const a=(await st(p)).addresses.find(a=>a.includes('/p2p-circuit/webrtc')); if(a) return a; await new Promise(r=>setTimeout(r,50)); } };
for (const [ka,kb] of (process.env.PAIRS??'ours-ours,ours-js,js-ours').split(',').map(x=>x.split('-'))) {
  const a = await openPeer(browser, site.url, ka), b = await openPeer(browser, site.url, kb);
  await a.listen(relay.address); await b.listen(relay.address);
  await a.connect(await wa(b)); const bId=(await st(b)).peer_id;
  const out=[];
  for (let i=0;i<6;i++) { try { out.push((await a.echo(bId, 16<<20)).toFixed(0)); } catch(e) { out.push(String(e.message).slice(0,40)); } }
  const pours=[]; for (let i=0;i<4;i++) { pours.push((await a.pour(bId, 16<<20)).toFixed(0)); }
  console.log(ka,kb,'echo ms',out.join(' '),'pour ms',pours.join(' '));
  const s = await a.page.evaluate(async()=>0);
  await a.close(); await b.close();
}
await browser.close(); site.close(); process.exit(0);
