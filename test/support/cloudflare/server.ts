/** The built Worker in the platform's own runtime, with its database, blobs, queue and objects in a folder, and its schema up to date. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { D1Database } from '@cloudflare/workers-types'
import { convertV4MiniflareOptions, Miniflare, Response } from 'miniflare'
import { modulesOf } from '../../../scripts/edge-modules.ts'
import { createNodeAssets } from '../../../src/drivers/assets-node.ts'
import { nodeTaskFiles } from '../../../src/drivers/task-files-node.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'drizzle')

/** How it is started. */
export interface CloudflareServerOptions {
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

/** Answers as the folder of assets does in a deployment; a build for tests has none. */
async function readAsset(url: string): Promise<Response> {
  const [, model] = new URL(url).pathname.split('/models/')
  const body = await (model === undefined ? createNodeAssets().read(basename(url)) : nodeTaskFiles.read(model))
  return new Response(body, { status: body === null ? 404 : 200 })
}

/** Starts it on loopback; answers when it listens. */
export async function openCloudflareServer({
  build,
  dataDir,
  port,
  variables = {},
  inspect = false,
}: CloudflareServerOptions) {
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
        ASSETS: ({ url }) => readAsset(url),
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
  // On a machine that is busy for seconds workerd closes a connection that Miniflare is about to use; the migrations are one commit.
  await migrate(d1).catch(() => migrate(d1))
  return { server, url, d1 }
}

/** As `wrangler d1 migrations apply` does, on a database that may have some already; in one batch, which is one request. */
async function migrate(d1: D1Database): Promise<void> {
  await d1.prepare('CREATE TABLE IF NOT EXISTS d1_migrations (name TEXT PRIMARY KEY)').run()
  const { results } = await d1.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const done = new Set(results.map(({ name }) => name))
  const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql') && !done.has(name)).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(MIGRATIONS, name), 'utf8')))
  const statements = texts.flatMap((text) => text.split('--> statement-breakpoint')).map((text) => d1.prepare(text))
  const notes = names.map((name) => d1.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name))
  if (names.length > 0) await d1.batch([...statements, ...notes])
}
