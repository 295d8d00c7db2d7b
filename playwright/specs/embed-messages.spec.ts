// What passes between the embed's frame and the page that holds it: each end believes its own counterpart alone, small
// messages alone, and a page may only ask for less.
import type { Frame, Page } from '@playwright/test';
import { Host } from '../fixtures/host.ts';
import { test } from '../fixtures/site.ts';
import { type OpenTab, expect } from '../fixtures/test.ts';

/** Hears what the frame's tag tells, and what comes to the page before the loader judges it. */
const LISTENER = `<script>
  globalThis.heard = [];
  globalThis.said = [];
  addEventListener('message', ({ data }) => said.push(data));
  for (const type of ['ready', 'state', 'stats', 'error']) addEventListener('gpu:' + type, ({ detail }) => heard.push({ type, at: performance.now(), ...detail }));
</script>`;

const tag = (relay: string, site: string, more = '') =>
  `<script async src="${relay}/embed/v1.js" data-site="${site}" data-services="lend" data-lang="en" data-theme="light" ${more}></script>`;

/** The page of the host with the frame ready, and the token that only the two ends know: a page that has it can say no more than the loader says for it. */
async function visit(openTab: OpenTab, host: Host): Promise<{ page: Page; frame: Frame; token: string }> {
  const { page } = await openTab();
  await page.goto(host.origin);
  await expect.poll(() => heard(page, 'ready')).toHaveLength(1);
  const frame = (await (await page.locator('iframe[title="Manyhands"]').elementHandle())!.contentFrame())!;
  const token: string = await page.evaluate(() => (globalThis as any).said.find((data: any) => data?.gpu?.type === 'ready').gpu.token);
  expect(token).toMatch(/^[0-9a-f]{32}$/);
  return { page, frame, token };
}

const heard = (page: Page, type: string): Promise<any[]> => page.evaluate((type) => (globalThis as any).heard.filter((one: any) => one.type === type), type);
const theme = (frame: Frame) => frame.evaluate(() => document.documentElement.dataset['theme']);
const frameOf = (page: Page) => page.frameLocator('iframe[title="Manyhands"]');

test('the page believes its own frame alone: not another window, not another origin, not a wrong token, nothing long', async ({ relay, host, site, openTab }) => {
  const stranger = await Host.start();
  stranger.show('<p>a stranger</p>');
  // Beside the frame: a page of somebody else's, one of the relay's own that is not the frame, and one without an origin.
  host.show(`${LISTENER}${tag(relay.url, site)}
    <iframe id="stranger" src="${stranger.origin}"></iframe>
    <iframe id="ours" src="${relay.url}/embed/v1?site=${site}"></iframe>
    <iframe id="nobody" sandbox="allow-scripts" srcdoc="<p>nobody</p>"></iframe>`);
  const { page, frame, token } = await visit(openTab, host);
  const inside = async (id: string) => (await (await page.locator(`#${id}`).elementHandle())!.contentFrame())!;
  await expect.poll(async () => (await inside('ours')).url()).toContain('/embed/v1');
  const before = (await page.evaluate(() => (globalThis as any).heard.length)) as number;
  const forge = (from: Frame | Page, gpu: object, to: 'parent' | 'self' = 'parent') => from.evaluate(
    ({ gpu, to }) => (to === 'self' ? window : window.parent).postMessage({ gpu }, '*'), { gpu, to },
  );
  const all = ['ready', 'state', 'stats', 'error'].map((type) => ({ v: 1, token, type, state: 'working', code: 'forged', jobs: 1, tokens: 1, bytes: 1 }));
  for (const message of all) {
    for (const id of ['stranger', 'ours', 'nobody']) await forge(await inside(id), message);
    await forge(page, message, 'self');
    await forge(frame, { ...message, token: '0'.repeat(32) });
    await forge(frame, { ...message, token: undefined });
    await forge(frame, { ...message, v: 2 });
    await forge(frame, { ...message, padding: 'x'.repeat(5000) });
  }
  await forge(frame, { v: 1, token, type: 'start', state: 'working' });
  // The frame's height is the frame's own to say, and has bounds.
  const height = () => page.locator('iframe[title="Manyhands"]').evaluate((element) => (element as HTMLIFrameElement).height);
  const tall = await height();
  for (const id of ['stranger', 'ours', 'nobody']) await forge(await inside(id), { v: 1, token, type: 'size', height: 500 });
  // Whatever comes in order is heard in order: behind this one, all of the above was judged.
  await forge(frame, { v: 1, token, type: 'state', state: 'marker' });
  await expect.poll(async () => (await heard(page, 'state')).at(-1)?.state).toBe('marker');
  expect(await page.evaluate((before) => (globalThis as any).heard.slice(before).map(({ type, state }: any) => `${type} ${state}`), before)).toEqual(['state marker']);
  // Each of them did come to the page.
  expect(await page.evaluate(() => (globalThis as any).said.filter((data: any) => data?.gpu?.code === 'forged').length)).toBe(all.length * 8);
  expect(await height()).toBe(tall);
  await forge(frame, { v: 1, token, type: 'size', height: 1e9 });
  await expect.poll(height).toBe('640');
  await stranger.stop();
});

test('the frame believes the page that greeted it alone, and nothing longer than four kilobytes', async ({ relay, host, site, openTab }) => {
  const stranger = await Host.start();
  stranger.show('<p>a stranger</p>');
  host.show(`${LISTENER}${tag(relay.url, site)}<iframe id="stranger" src="${stranger.origin}"></iframe>`);
  const { page, frame, token } = await visit(openTab, host);
  const tell = (gpu: object) => page.evaluate((gpu) => document.querySelector<HTMLIFrameElement>('iframe[title="Manyhands"]')!.contentWindow!.postMessage({ gpu }, '*'), gpu);
  const dark = { v: 1, token, type: 'setConfig', theme: 'dark' };
  const refused = [
    { ...dark, padding: 'x'.repeat(4096) },
    { ...dark, token: '0'.repeat(32) },
    { ...dark, v: 2 },
    { ...dark, theme: 'url(x)' },
    // A second greeting changes nothing: neither who is heard nor by which token.
    { v: 1, type: 'hello', token: 'f'.repeat(32) },
    { ...dark, token: 'f'.repeat(32) },
  ];
  for (const message of refused) await tell(message);
  // Another window on the page, with the right token.
  const beside = (await (await page.locator('#stranger').elementHandle())!.contentFrame())!;
  const reached = await beside.evaluate((gpu) => {
    const { frames, length } = window.parent;
    for (let at = 0; at < length; at += 1) frames[at]!.postMessage({ gpu }, '*');
    return length;
  }, dark);
  expect(reached).toBe(2);
  await page.waitForTimeout(300);
  expect(await theme(frame)).toBe('light');
  await tell({ ...dark, padding: 'x'.repeat(3500) });
  await expect.poll(() => theme(frame)).toBe('dark');
  await stranger.stop();
});

test('a page may ask for less of its visitor, never for more', async ({ relay, host, site, openTab }) => {
  host.show(`${LISTENER}${tag(relay.url, site, 'data-max-duty="50"')}`);
  const { page } = await visit(openTab, host);
  await page.evaluate(() => {
    const { gpu } = document.querySelector('script[data-site]') as any;
    gpu.setConfig({ maxDuty: 10 });
    for (const maxDuty of [1e9, 100, 11, 0, -5, Number.NaN, Number.POSITIVE_INFINITY, '7', null]) gpu.setConfig({ maxDuty });
  });
  const popup = page.context().waitForEvent('page');
  await frameOf(page).getByTestId('embed-lend').click();
  const window = await popup;
  await expect(window.locator('li').nth(1)).toContainText('at most 10 % of the time');
  expect(new URL(window.url()).searchParams.get('max-duty')).toBe('10');
  await window.close();
});

test('a page hears of the state by an event and by the name that its tag gives, and of figures every five seconds at most', async ({ relay, host, site, openTab }) => {
  host.show(`${LISTENER}<script>
    globalThis.called = [];
    function onState(detail) { called.push(detail.state); }
  </script>${tag(relay.url, site, 'data-on-state="onState" data-on-error="nothingOfThatName"')}`);
  const { page } = await visit(openTab, host);
  const popup = page.context().waitForEvent('page');
  await frameOf(page).getByTestId('embed-lend').click();
  const window = await popup;
  await expect.poll(() => page.evaluate(() => (globalThis as any).called)).toEqual(expect.arrayContaining(['idle', 'asking']));
  // At one moment: more may come at any.
  const { called, heard: events } = await page.evaluate(() => ({ called: (globalThis as any).called, heard: (globalThis as any).heard }));
  expect(called).toEqual(events.filter(({ type }: any) => type === 'state').map(({ state }: any) => state));
  // Our own window tells its frame as often as something changes.
  await window.evaluate(async () => {
    for (let jobs = 0; jobs < 60; jobs += 1) {
      opener.postMessage({ twin: { type: 'stats', jobs, tokens: jobs, bytes: jobs } }, location.origin);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  const stats = await heard(page, 'stats');
  expect(stats.map(({ jobs }) => jobs)[0]).toBe(0);
  expect(stats).toHaveLength(2);
  expect(Object.keys(stats[1]).sort()).toEqual(['at', 'bytes', 'jobs', 'tokens', 'type']);
  // By the page's own clock, which is not the frame's.
  expect(stats[1].at - stats[0].at).toBeGreaterThan(4900);
  await window.close();
});

test('data-consent has one value: "required" stands, and with any other there is no frame, and a sentence says why', async ({ relay, host, site, openTab }) => {
  host.show(LISTENER + tag(relay.url, site, 'data-consent="required"'));
  const { page } = await visit(openTab, host);
  await expect(page.locator('iframe')).toHaveCount(1);
  for (const consent of ['optional', 'none', 'given', '']) {
    host.show(LISTENER + tag(relay.url, site, `data-consent="${consent}"`));
    const tab = await openTab();
    await tab.page.goto(host.origin);
    await expect.poll(() => tab.complaints.splice(0)).toEqual([expect.stringMatching(/data-consent="\w*" is refused\. A person is always asked/)]);
    await expect(tab.page.locator('iframe')).toHaveCount(0);
    await tab.page.context().close();
  }
});
