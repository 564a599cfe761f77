/** The built Worker in the platform's own runtime, with its database, blobs, queue and objects in a folder, and its schema up to date. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { D1Database } from '@cloudflare/workers-types'
import { convertV4MiniflareOptions, Miniflare, Response } from 'miniflare'
import { createNodeAssets } from '../../src/drivers/assets-node.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')

/** How it is started. */
export interface EdgeServerOptions {
  /** Of the build: see `scripts/build-edge.ts`. */
  readonly build: string
  readonly dataDir: string
  /** 0 for one that is free. */
  readonly port: number
  /** What a deployment would have under `[vars]`. */
  readonly variables?: Readonly<Record<string, string | undefined>>
  /** Whether an inspector can ask how it is; `server.getInspectorURL()` says where. */
  readonly inspect?: boolean
}

async function modulesOf(folder: string) {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.js'))
  // The entry comes first.
  const ordered = files.toSorted((a, b) => Number(b === 'worker.js') - Number(a === 'worker.js'))
  return ordered.map((name) => ({ type: 'ESModule' as const, path: join(folder, name) }))
}

/** Starts it on loopback; answers when it listens. */
export async function openEdgeServer({ build, dataDir, port, variables = {}, inspect = false }: EdgeServerOptions) {
  const server = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port,
      ...(inspect ? { inspectorPort: 0 } : {}),
      // As in wrangler.toml.
      modules: await modulesOf(build),
      modulesRoot: build,
      compatibilityDate: '2026-10-01',
      compatibilityFlags: [
        'enable_request_signal',
        'global_fetch_strictly_public',
        'new_module_registry',
        'no_nodejs_compat',
        'no_nodejs_compat_v2',
      ],
      bindings: { HOST: '127.0.0.1', ...variables },
      d1Databases: ['DB'],
      r2Buckets: ['BLOBS'],
      serviceBindings: {
        // A build for tests has no folder of them.
        ASSETS: async ({ url }) => {
          const body = await createNodeAssets().read(basename(url))
          return new Response(body, { status: body === null ? 404 : 200 })
        },
      },
      queueProducers: { WAKE: { queueName: 'wake' } },
      queueConsumers: { wake: { maxBatchSize: 100, maxBatchTimeout: 0 } },
      durableObjects: {
        BATCHES: { className: 'MillraceBatch', useSQLite: true },
        TIMER: { className: 'MillraceTimer', useSQLite: true },
      },
      resourcePersistencePath: dataDir,
    }),
  )
  const url = await server.ready
  const d1 = await server.getD1Database('DB')
  await migrate(d1)
  return { server, url, d1 }
}

/** As `wrangler d1 migrations apply` does, on a database that may have some already. */
async function migrate(d1: D1Database): Promise<void> {
  await d1.prepare('CREATE TABLE IF NOT EXISTS d1_migrations (name TEXT PRIMARY KEY)').run()
  const { results } = await d1.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const done = new Set(results.map(({ name }) => name))
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql') && !done.has(name))
  for (const name of files.toSorted()) {
    const statements = (await readFile(join(MIGRATIONS, name), 'utf8')).split('--> statement-breakpoint')
    const note = d1.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name)
    await d1.batch([...statements.map((statement) => d1.prepare(statement)), note])
  }
}
