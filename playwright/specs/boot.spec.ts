// Every page opens: nothing on the console, nothing against the policy, nothing serious for assistive technology.
// Runs twice, with a GPU and without WebGPU.
import { seriousFaults } from '../fixtures/axe.ts';
import { expect, test } from '../fixtures/test.ts';
import { online } from '../pages/shown.ts';

const ROUTES = ['/', '/lend', '/swarm', '/models', '/keys', '/settings', '/join'];

for (const route of ROUTES) {
  test(`${route} opens, connects and is accessible`, async ({ openTab }) => {
    const { page } = await openTab();
    await page.goto(route);
    await online(page);
    expect(await seriousFaults(page)).toEqual([]);
  });
}

test('the two projects differ in what they say they differ in', async ({ openTab }, { project }) => {
  const { page } = await openTab();
  await page.goto('/');
  const adapter = await page.evaluate(async () => {
    const gpu = (navigator as unknown as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
    return (await gpu?.requestAdapter()) != null;
  });
  expect(adapter).toBe(project.name === 'webgpu');
});

test('the page answers with the policy it is tested under', async ({ relay }) => {
  const policy = (await fetch(relay.url)).headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", "'wasm-unsafe-eval'", "require-trusted-types-for 'script'"]) {
    expect(policy).toContain(part);
  }
  expect(policy).not.toMatch(/'unsafe-(inline|eval)'/);
});
