// How the benchmarks in the browser run: one after the other, each with as much time as it needs.
// `cargo xtask bench` starts them and keeps their tables.
import { defineConfig } from '@playwright/test';
import base from './playwright.config.ts';

export default defineConfig({
  ...base,
  testDir: 'bench',
  testMatch: '*.bench.ts',
  workers: 1,
  timeout: 1_800_000,
  projects: [base.projects!.find((project) => project.name === 'webgpu')!].map(({ use }) => ({ name: 'bench', use: use! })),
});
