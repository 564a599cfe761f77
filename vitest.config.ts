import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const SHARED = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // Many tests watch real processes on a machine that others may be using; a second failure is no accident, and both are reported.
  retry: process.env.CI === undefined ? 0 : 1,
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/edge/**'],
          ...SHARED,
        },
      },
      {
        // The same suites inside workerd, on the platform's own database and blobs, as Miniflare runs them.
        plugins: [
          cloudflareTest(async () => ({
            miniflare: {
              compatibilityDate: '2026-10-01',
              compatibilityFlags: ['nodejs_compat'],
              d1Databases: ['DB'],
              r2Buckets: ['BLOBS'],
              bindings: { MIGRATIONS: await readD1Migrations('drizzle') },
            },
          })),
        ],
        test: { name: 'workerd', include: ['test/edge/**/*.test.ts'], ...SHARED },
      },
    ],
  },
})
