import { resolve } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const SHARED = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // Many tests watch real processes on a machine that others may be using; a second failure is no accident, and both are reported.
  retry: process.env.CI === undefined ? 0 : 1,
}

/** Suites that run on Node and inside workerd. */
const BOTH = [
  'engine/control',
  'engine/steering',
  'engine/staged',
  'engine/engine',
  'engine/running',
  'engine/reserve',
  'engine/drain',
  'engine/storage',
  'engine/storage-quota',
  'engine/database-time',
  'operations/heat-sheet/stretches',
  'http/quotas',
  'http/keys',
  'cards/states',
  'cards/bounds',
  'cards/running',
  'cards/time',
  'drivers/wake-and-notify',
  'live/channel',
  'cards/stretches',
  'webhooks/log',
  'formats/records',
  'formats/csv',
  'formats/describe-error',
  'formats/exact-json',
  'formats/sse',
  'formats/streams',
  'reads/estimates',
  'reads/scoring',
].map((name) => `test/${name}.test.ts`)

/** Suites that talk to a server over HTTP, and run against both homes. */
const SERVED = [
  ...[
    'extract',
    'shared',
    'native',
    'open-batches',
    'results',
    'refusals',
    'early-refusals',
    'hostile-bodies',
    'stream',
    'auth',
    'scopes',
    'scope-ways',
    'public-pages',
    'limits',
    'job-codes',
    'cache',
  ].map((name) => `server/${name}`),
  ...['order', 'owner', 'owner-shares', 'polling', 'lifecycle', 'browser'].map((name) => `live/${name}`),
  ...['reads', 'chunks', 'writes'].map((name) => `routes/${name}`),
  ...['import', 'intake', 'deadline', 'surface', 'export'].map((name) => `cards/${name}`),
  'webhooks/server',
  'client/follow',
  'client/client',
  'fuzz/http',
  'openapi/walk',
  'openapi/sweep',
].map((name) => `test/${name}.test.ts`)

/** Suites that talk to the Worker and to nothing else. */
const OF_THE_EDGE = ['live/edge', 'server/edge-dev', 'server/edge-memory', 'server/edge-libsql'].map(
  (name) => `test/${name}.test.ts`,
)

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/edge/**', ...OF_THE_EDGE],
          globalSetup: ['test/server/node-build.ts'],
          ...SHARED,
        },
      },
      {
        // The same suites inside workerd, on the platform's own database and blobs, as Miniflare runs them.
        plugins: [
          cloudflareTest(async () => ({
            // Where its objects come from.
            main: 'src/cloudflare.ts',
            miniflare: {
              compatibilityDate: '2026-10-01',
              compatibilityFlags: ['nodejs_compat'],
              d1Databases: ['DB'],
              r2Buckets: ['BLOBS'],
              queueProducers: { WAKE: 'wake' },
              durableObjects: {
                BATCHES: { className: 'MillraceBatch', useSQLite: true },
                TIMER: { className: 'MillraceTimer', useSQLite: true },
              },
              bindings: { MIGRATIONS: await readD1Migrations('drizzle') },
            },
          })),
        ],
        // Suites that know no home take the edge's parts.
        resolve: {
          alias: ['home', 'fetch-origin'].map((name) => ({
            find: new RegExp(`^(?:.*/engine|\\.)/${name}\\.ts$`),
            replacement: resolve(`test/edge/${name}.ts`),
          })),
        },
        test: {
          name: 'workerd',
          include: ['test/edge/**/*.test.ts', ...BOTH],
          globalSetup: ['test/edge/servers.ts'],
          ...SHARED,
        },
      },
      {
        // Suites run on Node and talk to a server that is the built Worker, a workerd of its own a file.
        test: {
          name: 'edge',
          include: [...SERVED, ...OF_THE_EDGE],
          globalSetup: ['test/server/edge-build.ts'],
          env: { MILLRACE_TEST_HOME: 'edge' },
          ...SHARED,
        },
      },
    ],
  },
})
