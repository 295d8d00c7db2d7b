// A download that is paused, or whose network ends at half of it, goes on where it was: counted in bytes on the line.
import { largeModel, testModel } from '../fixtures/paths.ts';
import { Relay } from '../fixtures/relay.ts';
import { SlowLine } from '../fixtures/slow-line.ts';
import { expect, test as base } from '../fixtures/test.ts';
import { ModelsPage } from '../pages/models.ts';

const CHUNK_BYTES = 1 << 20;
/** On each of four connections. */
const BYTES_PER_S = 400_000;
/** Before it ends: what a busy browser has not read yet is lost with its connection, and is little on a line as slow as this. */
const LAST_BYTES_PER_S = 50_000;

const test = base.extend<{ own: Relay; line: SlowLine }>({
  own: async ({}, use) => {
    const relay = await Relay.start([testModel(), largeModel()]);
    await use(relay);
    await relay.stop();
  },
  line: async ({ own }, use) => {
    const line = await SlowLine.to(own.url, Infinity);
    await use(line);
    await line.close();
  },
});

for (const [how, name] of [['pause', 'paused at'], ['cut', 'cut off at']] as const) {
  test(`a download that is ${name} its half fetches less than a chunk again`, async ({ own, line, openTab }) => {
    const model = (await own.models()).find(({ name }) => name === 'large seeded')!;
    const { page, complaints } = await openTab({ baseURL: line.url, serviceWorkers: 'block' });
    const models = new ModelsPage(page);
    await models.open();
    const card = models.card(model.id);
    line.mend(BYTES_PER_S);
    line.brought = 0;
    await card.getByTestId('model-download').click();
    const bar = card.getByTestId('model-progress');
    await expect.poll(async () => Number(await bar.getAttribute('aria-valuenow')), { timeout: 60_000 }).toBeGreaterThanOrEqual(50);
    // Into the middle of the chunks that are on their way then; and the page reads all but a little of what has come.
    await page.waitForTimeout(1200);
    line.mend(LAST_BYTES_PER_S);
    await page.waitForTimeout(1500);
    if (how === 'pause') await card.getByTestId('model-pause').click();
    else line.cut();
    await expect(models.jobs).toHaveAttribute('data-state', how === 'pause' ? 'paused' : 'failed');
    await expect.poll(() => models.held(model.id), 'what is kept').toBeGreaterThan(model.bytes / 3);
    const held = await models.held(model.id);
    expect(held).toBeLessThan(model.bytes);

    line.mend();
    await card.getByTestId('model-resume').click();
    await models.expectKept(model.id, 'whole');
    const again = line.brought - model.bytes;
    console.log(`figure: a download ${name} ${((100 * held) / model.bytes).toFixed(0)} %: ${Math.max(0, again)} bytes beyond the ${model.bytes} of the model came over the line, heads of answers among them`);
    expect(again, 'what came twice').toBeLessThan(CHUNK_BYTES);
    await card.getByTestId('model-verify').click();
    await expect(models.jobs).toHaveAttribute('data-state', 'verified');
    await models.expectKept(model.id, 'whole');
    for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/ERR_|WebSocket|Failed to fetch/);
  });
}
