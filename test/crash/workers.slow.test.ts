/** `kill -9` of Python workers, and now and then of their server, at random instants: no item is lost, none is counted twice. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { PythonWorker } from '../features/workers/python-worker.ts'
import { find } from '../support/programs.ts'
import { scaled } from '../support/time-limits.ts'
import { allEnded, MIGRATIONS } from './crash.ts'
import { freePort, MortalServer } from './crash-victim.ts'
import { checkBooks, readDone } from './invariants.ts'
import { between, chosenSeed, seeded } from './random.ts'

const python = find('python3')
const WORKERS = 3
/** `WORKER_KILLS` of them, or so many; every eighth time the server as well. */
const KILLS = Number(process.env.WORKER_KILLS ?? 16)
const BATCHES = 6
const ITEMS = 300

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Sends until it is answered: the server may be dead just now. */
async function post(url: string, path: string, body: unknown, key = ''): Promise<string> {
  for (;;) {
    try {
      const headers = { 'Content-Type': 'application/json', ...(key === '' ? {} : { 'Idempotency-Key': key }) }
      const answer = await fetch(`${url}${path}`, {
        method: path.startsWith('/api/operations') ? 'PUT' : 'POST',
        headers,
        body: JSON.stringify(body),
      })
      if (answer.ok) return await answer.text()
    } catch {
      // It is started anew in a moment.
    }
    await pause(50)
  }
}

it.skipIf(python === null)(
  `counts every item once over ${KILLS} kills of workers`,
  { timeout: scaled(120_000 + 8_000 * KILLS) },
  async () => {
    const seed = chosenSeed()
    console.log(`CRASH_SEED=${seed} node_modules/.bin/vitest run test/crash/workers.slow.test.ts`)
    const random = seeded(seed)
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-workers-'))
    const server = new MortalServer({ dataDir, port: await freePort() })
    await server.start()
    const start = () =>
      new PythonWorker(python ?? '', server.url, { concurrency: 4, batch: between(random, 4, 40), lease: 5 })
    const workers = Array.from({ length: WORKERS }, start)
    await post(server.url, '/api/operations/py.count', { maxAttempts: 3 })
    const amounts = Array.from({ length: BATCHES * ITEMS }, () => between(random, 1, 100))
    for (let batch = 0; batch < BATCHES; batch++) {
      const items = amounts
        .slice(batch * ITEMS, (batch + 1) * ITEMS)
        .map((amount) => ({ amount, seconds: between(random, 0, 30) / 1_000 }))
      const options = batch % 2 === 0 ? {} : { concurrency: between(random, 3, 12) }
      await post(server.url, '/api/batch', { operation: 'py.count', items, options }, `count-${batch}`)
    }
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(between(random, 50, 400))
      if (kill % 8 === 7) {
        await server.kill()
        await server.start()
      }
      const victim = between(random, 0, WORKERS - 1)
      // One in four is asked to stop, and hands back what it holds.
      await workers[victim]?.end(random() < 0.25 ? 'SIGTERM' : 'SIGKILL')
      workers[victim] = start()
    }
    const { db, close } = await openLibsql(pathToFileURL(join(dataDir, 'millrace.db')).href, { migrations: MIGRATIONS })
    await allEnded(db)
    for (const worker of workers) await worker.end('SIGKILL')
    await server.kill()
    const faults = await checkBooks(db, { promised: [], lost: 0, wrong: [] })
    const done = await readDone(db)
    const sums = await db.get<{ completed: number; amount: number; results: number; attempts: number }>(sql`
    SELECT (SELECT total(completed) FROM batches) AS completed, (SELECT total(tallies ->> 'amount') FROM batches) AS amount,
      (SELECT total(result ->> 'amount') FROM jobs) AS results, (SELECT max(attempt) FROM jobs) AS attempts`)
    close()
    console.log(JSON.stringify({ ...done, ...sums }))
    expect(faults.filter((fault) => !/batches were promised/.test(fault))).toEqual([])
    const amount = amounts.reduce((sum, one) => sum + one, 0)
    // A loss is no attempt: no job needed a second.
    expect(sums).toEqual({ completed: BATCHES * ITEMS, amount, results: amount, attempts: 1 })
    expect(done.takenBack).toBeGreaterThan(0)
    await rm(dataDir, { recursive: true, force: true })
  },
)
