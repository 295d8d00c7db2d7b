// How the browser tests run: the system's Chromium, once with a software GPU and once without WebGPU.
// Two files at once, but for those that read a clock: they run alone, at the end.
// No retries: a test that fails now and then is a finding.
import { defineConfig } from '@playwright/test';
import { chromium } from './fixtures/chromium.ts';

const QUIET = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** They say how long something took, or how fast it was: a test beside them would be measured too. */
const TIMED = ['conditions', 'leave', 'lines', 'relay-lost', 'speed'].map((name) => `${name}.spec.ts`);

const browser = (args: string[]) => ({
  launchOptions: { executablePath: chromium(), args: [...QUIET, ...args] },
});

export default defineConfig({
  testDir: 'specs',
  outputDir: 'test-results',
  reporter: [['list']],
  retries: 0,
  workers: 2,
  timeout: 90_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  use: {
    browserName: 'chromium',
    headless: true,
    // Recording every test costs as much as running it. `--trace on` records the one that is looked into.
    trace: 'off',
    screenshot: 'only-on-failure',
  },
  // In order: the thin path first, since nothing else matters where it fails.
  projects: [
    { name: 'thin-path', testMatch: 'thin-path.spec.ts', use: browser(SOFTWARE_GPU) },
    { name: 'webgpu', testIgnore: ['thin-path.spec.ts', 'no-webgpu.spec.ts', ...TIMED], dependencies: ['thin-path'], use: browser(SOFTWARE_GPU) },
    { name: 'no-webgpu', testMatch: ['boot.spec.ts', 'no-webgpu.spec.ts'], dependencies: ['thin-path'], use: browser([]) },
    { name: 'timed', testMatch: TIMED, dependencies: ['webgpu', 'no-webgpu'], workers: 1, use: browser(SOFTWARE_GPU) },
  ],
});
