// How the browser tests run: the system's Chromium, once with a software GPU and once without WebGPU.
// No retries: a test that fails now and then is a finding.
import { defineConfig } from '@playwright/test';
import { chromium } from './fixtures/chromium.ts';

const QUIET = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const browser = (args: string[]) => ({
  launchOptions: { executablePath: chromium(), args: [...QUIET, ...args] },
});

export default defineConfig({
  testDir: 'specs',
  outputDir: 'test-results',
  reporter: [['list']],
  retries: 0,
  // The tabs of one test already use every core of a small machine.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  use: {
    browserName: 'chromium',
    headless: true,
    trace: 'retain-on-failure',
  },
  // In order: the thin path first, since nothing else matters where it fails.
  projects: [
    { name: 'thin-path', testMatch: 'thin-path.spec.ts', use: browser(SOFTWARE_GPU) },
    { name: 'webgpu', testIgnore: ['thin-path.spec.ts', 'no-webgpu.spec.ts'], use: browser(SOFTWARE_GPU) },
    { name: 'no-webgpu', testMatch: ['boot.spec.ts', 'no-webgpu.spec.ts'], use: browser([]) },
  ],
});
