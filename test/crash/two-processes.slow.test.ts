/** Two server processes on one database file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import Connection from 'libsql'
import { expect, it, vi } from 'vitest'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { freshFolder, startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'
import { type Ledger, submitUntil } from './client.ts'
import { allEnded, MIGRATIONS } from './crash.ts'
import { checkBooks, readDone } from './invariants.ts'
import { chosenSeed, seeded } from './random.ts'

const open = (folder: string) => openLibsql(pathToFileURL(join(folder, 'millrace.db')).href, { migrations: MIGRATIONS })

/** Attempts that ended in a process, by what it says of itself. */
async function attempts(server: TestServer): Promise<number> {
  const text = await (await server.fetch('/metrics')).text()
  const counts = [...text.matchAll(/^millrace_attempt_seconds_count\{[^}]*\} (\d+)/gm)].map((match) => Number(match[1]))
  return counts.reduce((sum, count) => sum + count, 0)
}

it('share its work and count it once, started at the same time on a file that is not there yet', {
  timeout: scaled(300_000),
}, async () => {
  const dataDir = await freshFolder()
  const seed = chosenSeed()
  console.log(`CRASH_SEED=${seed}`)
  const servers = await Promise.all(
    [1, 2].map(() => startServer({ dataDir, env: { CONCURRENCY: '8', LOG_LEVEL: 'warn' } })),
  )
  try {
    const ledger: Ledger = { promised: [], lost: 0, wrong: [] }
    const end = new AbortController()
    const clients = servers.flatMap(({ url }, s) =>
      [1, 2].map((c) =>
        submitUntil({ url, random: seeded(seed + 2 * s + c), ledger, name: `s${s}c${c}`, signal: end.signal }),
      ),
    )
    while (ledger.promised.length < 150) await new Promise((resolve) => setTimeout(resolve, 50))
    end.abort()
    await Promise.all(clients)
    const { db, close } = await open(dataDir)
    await allEnded(db)
    expect(await checkBooks(db, ledger)).toEqual([])
    const done = await readDone(db)
    close()
    expect(ledger.lost).toBe(0)
    const worked = await Promise.all(servers.map(attempts))
    console.log(JSON.stringify({ ...done, attemptsOfEach: worked }))
    for (const count of worked) expect(count).toBeGreaterThan(done.jobs / 10)
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  }
})

/** The middle of some numbers. */
const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

it('wait for each other to write without standing still', { timeout: scaled(60_000) }, async () => {
  const folder = await freshFolder()
  const { db, close } = await open(folder)
  const script = join(import.meta.dirname, 'lock-holder.ts')
  const holder = spawn(process.execPath, [script, join(folder, 'millrace.db'), '2000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(holder, 'close')
  await once(holder.stdout, 'data')
  // The calls that find the lock taken. While one of them is in SQLite, the event loop stands still.
  const refused: number[] = []
  const exec = Connection.prototype.exec
  vi.spyOn(Connection.prototype, 'exec').mockImplementation(function (this: Connection.Database, source) {
    const began = performance.now()
    try {
      return exec.call(this, source)
    } catch (error) {
      refused.push(performance.now() - began)
      throw error
    }
  })
  let turns = 0
  const turning = setInterval(() => turns++, 1)
  const write = db.run(sql`INSERT INTO secrets (name, value) VALUES ('test', 'written')`)
  const read = await db.get<{ n: number }>(sql`SELECT count(*) AS n FROM secrets`)
  const turnsAtRead = turns
  await write
  clearInterval(turning)
  vi.restoreAllMocks()
  const wait = median(refused)
  console.log(
    `${turns} turns of the event loop while another process held the lock; of ${refused.length} calls that found it taken half took no more than ${wait.toFixed(2)} ms`,
  )
  expect(read.n).toBe(0)
  expect(turns - turnsAtRead).toBeGreaterThan(10)
  // Half of them, because a machine with much to do makes any of them take long.
  expect(wait).toBeLessThan(50)
  expect(refused.length).toBeGreaterThan(0)
  expect(await db.get(sql`SELECT value FROM secrets WHERE name = 'test'`)).toEqual({ value: 'written' })
  await ended
  close()
  await rm(folder, { recursive: true, force: true })
})
