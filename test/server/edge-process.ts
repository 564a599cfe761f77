/**
 * The built Worker as a server process: the platform's own runtime, with its database, blobs, queue and objects in a folder. Takes
 * `PORT`, `DATA_DIR` and `EDGE_BUILD` (the folder of the build) from the environment, hands the rest to the Worker, and says where it
 * listens as `src/node.ts` does.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { keysCommand } from '../../src/commands.ts'
import { openD1 } from '../../src/drivers/db-d1.ts'
import { type EdgeAnswer, EdgeQuestion } from './edge-questions.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')
const CRON_EVERY_MS = 10_000
const { PORT = '0', DATA_DIR = '', EDGE_BUILD = '', PATH: _path, HOME: _home, ...variables } = process.env

async function modulesOf(folder: string) {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.js'))
  // The entry comes first.
  const ordered = files.toSorted((a, b) => Number(b === 'worker.js') - Number(a === 'worker.js'))
  return ordered.map((name) => ({ type: 'ESModule' as const, path: join(folder, name) }))
}

async function start() {
  const server = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: Number(PORT),
      // As in wrangler.toml.
      modules: await modulesOf(EDGE_BUILD),
      modulesRoot: EDGE_BUILD,
      compatibilityDate: '2026-10-01',
      compatibilityFlags: ['enable_request_signal', 'global_fetch_strictly_public'],
      bindings: { HOST: '127.0.0.1', ...variables },
      d1Databases: ['DB'],
      r2Buckets: ['BLOBS'],
      queueProducers: { WAKE: { queueName: 'wake' } },
      queueConsumers: { wake: { maxBatchSize: 100, maxBatchTimeout: 0 } },
      durableObjects: {
        BATCHES: { className: 'MillraceBatch', useSQLite: true },
        TIMER: { className: 'MillraceTimer', useSQLite: true },
      },
      resourcePersistencePath: DATA_DIR,
    }),
  )
  return { server, url: await server.ready, db: await server.getD1Database('DB') }
}

const { server, url, db } = await start()

/** As `wrangler d1 migrations apply` does, on a database that may have some already. */
async function migrate(): Promise<void> {
  await db.prepare('CREATE TABLE IF NOT EXISTS d1_migrations (name TEXT PRIMARY KEY)').run()
  const { results } = await db.prepare('SELECT name FROM d1_migrations').all<{ name: string }>()
  const done = new Set(results.map(({ name }) => name))
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql') && !done.has(name))
  for (const name of files.toSorted()) {
    const statements = (await readFile(join(MIGRATIONS, name), 'utf8')).split('--> statement-breakpoint')
    const note = db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name)
    await db.batch([...statements.map((statement) => db.prepare(statement)), note])
  }
}

async function answer(question: EdgeQuestion): Promise<EdgeAnswer> {
  if (question.do === 'blobs') {
    const { objects } = await (await server.getR2Bucket('BLOBS')).list()
    return { lines: objects.map(({ key }) => key), code: 0 }
  }
  const [command, ...args] = question.args
  if (command !== 'keys') return { lines: [`There is no command "${command}" at the edge.`], code: 1 }
  try {
    return { lines: [await keysCommand({ db: openD1(db).db, clock: { now: Date.now } }, args)], code: 0 }
  } catch (error) {
    return { lines: [String(error)], code: 1 }
  }
}

await migrate()
// The cron trigger; on the platform it comes every minute.
setInterval(() => void server.getWorker().then((worker) => worker.scheduled({ cron: '* * * * *' })), CRON_EVERY_MS)
const end = () => void server.dispose().then(() => process.exit(0))
process.on('SIGTERM', end)
process.stdin.on('end', end).resume()
process.on('message', (message) => void answer(EdgeQuestion.parse(message)).then((said) => process.send?.(said)))
console.log(`Millrace listens on ${url.origin}`)
