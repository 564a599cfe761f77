/** A crash run: clients submit, the server is killed at random instants, and the books are gone through when all is done. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import type { Database } from '../../src/ports.ts'
import { type Ledger, submitUntil } from './client.ts'
import { freePort, MortalServer } from './crash-victim.ts'
import { checkBooks, type Done, readDone } from './invariants.ts'
import { seeded } from './random.ts'

export const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')
const CLIENTS = 3

/** What came of a run. */
export interface CrashReport extends Done {
  readonly seed: number
  /** Lives that were ended while the server worked. */
  readonly kills: number
  /** Lives that were ended before the server listened. */
  readonly unborn: number
  /** Requests whose answer was lost, and that were sent again. */
  readonly lostAnswers: number
  /** Sentences; none when every promise was kept. */
  readonly faults: readonly string[]
}

/**
 * Kills a server until `enough`, lets the last life finish the work, and goes through the books. The data folder is kept where a promise
 * was broken; the faults name it.
 * @param enough is asked after each kill
 */
export async function crash(options: { seed: number; enough: (kills: number) => boolean }): Promise<CrashReport> {
  const { seed } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
  const server = new MortalServer({ dataDir, port: await freePort(), env: { CONCURRENCY: '16' } })
  const ledger: Ledger = { promised: [], lost: 0, wrong: [] }
  const end = new AbortController()
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    submitUntil({ url: server.url, random: seeded(seed + i + 1), ledger, name: `c${i}`, signal: end.signal }),
  )
  const random = seeded(seed)
  let kills = 0
  let unborn = 0
  let birthMs = 500
  while (!options.enough(kills) && ledger.wrong.length === 0) {
    const beganAt = performance.now()
    const listening = server.start()
    // One life in eight ends while it is still being born: in migrations, in taking back what the last one held.
    const born = random() < 1 / 8 ? await within(listening, random() * birthMs) : await listening
    if (born) {
      // A life is as long as two births at most, so that a busy machine sees as much work in it as an idle one.
      birthMs = performance.now() - beganAt
      await pause(random() * 2 * birthMs)
    }
    const code = await server.kill()
    if (code !== null) ledger.wrong.push(`The server ended by itself, with code ${code}: ${server.output}`)
    if (born) kills++
    else unborn++
  }
  end.abort()
  await server.start()
  await Promise.all(clients)
  const { db, close } = await openLibsql(pathToFileURL(join(dataDir, 'millrace.db')).href, { migrations: MIGRATIONS })
  await allEnded(db)
  await server.kill()
  const faults = await checkBooks(db, ledger)
  const done = await readDone(db)
  close()
  if (faults.length === 0) await rm(dataDir, { recursive: true, force: true })
  else faults.push(`The data folder is ${dataDir}; the server said: ${server.output}`)
  return { seed, kills, unborn, lostAnswers: ledger.lost, faults, ...done }
}

/** Whether it came true in this time. */
function within(promise: Promise<boolean>, ms: number): Promise<boolean> {
  return Promise.race([promise, pause(ms).then(() => false)])
}

/** Waits for every batch to end; gives up where nothing has ended for long, so that the books tell what is left. */
export async function allEnded(db: Database): Promise<void> {
  const patienceMs = 60_000
  let last = -1
  let movedAt = Date.now()
  for (;;) {
    const row = await db.get<{ open: number; ended: number }>(sql`
      SELECT (SELECT count(*) FROM batches WHERE finished_at IS NULL) AS open, (SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL) AS ended`)
    if (row.open === 0) return
    if (row.ended !== last) movedAt = Date.now()
    else if (Date.now() - movedAt > patienceMs) return
    last = row.ended
    await pause(100)
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
