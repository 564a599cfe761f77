/** Measures the cost of a claim and of a completion beside many jobs that they do not concern. */
import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { type ClaimedJob, claim } from '../../src/engine/transitions/claim.ts'
import { completeJobs, type Outcome } from '../../src/engine/transitions/complete-jobs.ts'
import { openEngine } from './engine.ts'
import { median } from './report.ts'

const CROWDS = [
  ['ready', 0],
  ...(['ready', 'scheduled', 'completed'] as const).flatMap((kind) => [
    [kind, 100_000] as const,
    [kind, 1_000_000] as const,
  ]),
] as const
const ROUNDS = 200

/** An engine beside a crowd, and what was measured there in milliseconds. */
interface Place {
  readonly engine: Awaited<ReturnType<typeof openEngine>>
  readonly kind: string
  readonly crowd: number
  readonly one: number[]
  readonly done: number[]
  readonly hundred: number[]
}

/** @returns a part of the report */
export async function claimTable(): Promise<string> {
  await using stack = new AsyncDisposableStack()
  const places: Place[] = []
  for (const [kind, crowd] of CROWDS) {
    const engine = stack.use(await openEngine())
    // Those that are measured come first by their turns; the crowd is another owner's, far behind.
    await engine.submit(Array.from({ length: ROUNDS * 102 }, (_, value) => ({ value })))
    await fill(engine, kind, crowd)
    places.push({ engine, kind, crowd, one: [], done: [], hundred: [] })
  }
  // In turn, so that each meets the same moments of the machine.
  for (let i = 0; i < ROUNDS; i++) for (const place of places) await measure(place)
  const lines = places.map(({ kind, crowd, one, done, hundred }) => {
    const beside = crowd === 0 ? 'none' : `${crowd.toLocaleString('en')} ${kind === 'ready' ? 'waiting' : kind}`
    const [claimUs, finishUs, manyUs] = [one, done, hundred].map((times) => 1_000 * median(times))
    return `| ${beside} | ${claimUs?.toFixed(0)} | ${finishUs?.toFixed(0)} | ${((manyUs ?? 0) / 100).toFixed(1)} |`
  })
  return `### Claiming beside others

Microseconds, medians of ${ROUNDS} in turn, each a commit of its own synced to disk; every claim is checked to have brought what it asked for.

| other jobs in the table | claim of one | its finish | a job of a claim of 100 |
|---|---|---|---|
${lines.join('\n')}`
}

async function measure({ engine, one, done, hundred }: Place): Promise<void> {
  const [jobs, claimMs] = await timed(() => claim(engine, { lease: randomUUID(), limit: 1, leaseMs: 60_000 }))
  const [{ written }, finishMs] = await timed(() => completeJobs(engine, jobs.map(completed)))
  const [many, manyMs] = await timed(() => claim(engine, { lease: randomUUID(), limit: 100, leaseMs: 60_000 }))
  if (written.length !== 1 || many.length !== 100) throw new Error('A claim did not bring what it asked for.')
  if (jobs.concat(many).some(({ owner }) => owner !== 'bench')) throw new Error('A claim took a job out of turn.')
  one.push(claimMs)
  done.push(finishMs)
  hundred.push(manyMs)
  await completeJobs(engine, many.map(completed))
}

function completed(job: ClaimedJob): Outcome {
  return { ...job, kind: 'completed', run: { result: null, summary: {}, tallies: {} } }
}

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now()
  const result = await run()
  return [result, performance.now() - began]
}

/** Puts a crowd of jobs into the tables as the engine leaves them there. */
async function fill(engine: Awaited<ReturnType<typeof openEngine>>, kind: string, crowd: number): Promise<void> {
  if (crowd === 0) return
  const { db } = engine
  const later = Date.now() + 86_400_000
  await db.run(sql`
    INSERT INTO batches (id, owner, operation, status, input, total, facts, tallies, last_seq, created_at)
    VALUES ('crowd', 'crowd', 'no-op', 'processing', '{}', ${crowd}, '{}', '{}', 1, 0)`)
  for (let from = 1; from <= crowd; from += 50_000) {
    await db.run(sql`
      WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${Math.min(crowd + 1, from + 50_000)})
      INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, input, turn, run_at, max_attempts, created_at, finished_at)
      SELECT printf('crowd-%030d', i), 'crowd', 'crowd', 'no-op', i, ${kind}, '{"value":1}', 1000000000 + i,
        CASE WHEN ${kind} = 'scheduled' THEN ${later} + i END, 3, 0, CASE WHEN ${kind} = 'completed' THEN 0 END FROM n`)
  }
  const row = await db.get<{ n: number }>(
    sql`SELECT count(*) AS n FROM jobs WHERE batch_id = 'crowd' AND status = ${kind}`,
  )
  if (row.n !== crowd) throw new Error(`The crowd is ${row.n} jobs.`)
}
