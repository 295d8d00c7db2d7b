// How the browser tests run: the system's Chromium, once with a software GPU and once without WebGPU.
// Two files at once, but for the tests that read a clock: they run alone, at the end.
// No retries: a test that fails now and then is a finding.
import { defineConfig } from '@playwright/test';
import { chromium } from './fixtures/chromium.ts';

const QUIET = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
/** New tabs spend half of all their time on code that is optimised and hardly runs: only what runs ten times as much is. */
const LATE_OPTIMISING = '--js-flags=--wasm-tiering-budget=130000000';

/** What says how long something took, or how fast it was: a test beside it would be measured too. */
const TIMED = /@timed/;

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
    { name: 'thin-path', testMatch: 'thin-path.spec.ts', use: browser([...SOFTWARE_GPU, LATE_OPTIMISING]) },
    { name: 'webgpu', testIgnore: ['thin-path.spec.ts', 'no-webgpu.spec.ts'], grepInvert: TIMED, dependencies: ['thin-path'], use: browser([...SOFTWARE_GPU, LATE_OPTIMISING]) },
    { name: 'no-webgpu', testMatch: ['boot.spec.ts', 'no-webgpu.spec.ts'], dependencies: ['thin-path'], use: browser([LATE_OPTIMISING]) },
    { name: 'timed', testIgnore: 'thin-path.spec.ts', grep: TIMED, dependencies: ['webgpu', 'no-webgpu'], workers: 1, use: browser(SOFTWARE_GPU) },
  ],
});
