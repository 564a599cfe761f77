import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'
import { measureCpuSlowness, measureSlowness } from './test/support/machine-speed.ts'

const SLOWNESS = measureSlowness()
/** Ends what hangs, and nothing else: other work may take most of the machine after its speed was measured. */
const LIMIT_MS = Math.round(240_000 * SLOWNESS)

const SHARED = {
  testTimeout: LIMIT_MS,
  hookTimeout: LIMIT_MS,
  provide: { slowness: SLOWNESS, cpuSlowness: measureCpuSlowness() },
}
/** Most suites of servers wait most of the time; those without servers use the cores meanwhile. */
const WAITING = { ...SHARED, maxWorkers: 2 * availableParallelism(), sequence: { groupOrder: 1 } }
/** Suites that load the machine, measure it, or look at what else runs, with no others beside them than the cores can bear. */
const LOADING = { ...SHARED, maxWorkers: availableParallelism(), sequence: { groupOrder: 2 } }

/**
 * A file's name says where it runs, its folder which source it tests (CONTRIBUTING.md, "Tests"):
 * `x.test.ts` in a process of Node, without servers; `x.runtime.test.ts` there and inside workerd; `x.workerd.test.ts` inside workerd;
 * `x.node.test.ts` on Node with servers and processes; `x.http.test.ts` over HTTP against a server on Node and against the built Worker;
 * `x.cloudflare.test.ts` against the built Worker; `slow` before `test` takes it to the slow tier.
 */
const files = (...kinds: readonly string[]) => kinds.map((kind) => `test/**/*.${kind}.test.ts`)
const SLOW = files('slow')

const SERVER_NODE = { globalSetup: ['test/support/node-build.ts', 'test/support/template-database.ts'] }
/** Tests of a Worker run on Node and start it, a workerd of its own a file. */
const SERVER_CLOUDFLARE = {
  globalSetup: ['test/support/cloudflare/build.ts'],
  env: { MILLRACE_TEST_RUNTIME: 'cloudflare' },
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Of what runs in the test processes; servers, which are processes of their own, add nothing to it.
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: [...files('node', 'http', 'workerd', 'cloudflare'), ...SLOW],
          globalSetup: ['test/support/template-database.ts'],
          // Suites without processes leave nothing behind: a worker loads the sources once for all of them.
          isolate: false,
          ...WAITING,
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
        // Suites that name no runtime take workerd's parts.
        resolve: {
          alias: ['platform', 'fetch-origin'].map((name) => ({
            find: new RegExp(`^(?:.*/support|\\.)/${name}\\.ts$`),
            replacement: resolve(`test/support/workerd/${name}.ts`),
          })),
        },
        test: {
          name: 'workerd',
          include: files('runtime', 'runtime.slow', 'workerd'),
          // A worker loads the sources once for all of its suites, each of which empties the database and the blobs.
          isolate: false,
          globalSetup: ['test/support/workerd/servers.ts'],
          ...WAITING,
        },
      },
      { test: { name: 'server-node', include: files('node', 'http'), ...SERVER_NODE, ...WAITING } },
      { test: { name: 'server-cloudflare', include: files('http', 'cloudflare'), ...SERVER_CLOUDFLARE, ...WAITING } },
      { test: { name: 'slow-node', include: SLOW, ...SERVER_NODE, ...LOADING } },
      { test: { name: 'slow-cloudflare', include: files('http.slow'), ...SERVER_CLOUDFLARE, ...LOADING } },
    ],
  },
})
