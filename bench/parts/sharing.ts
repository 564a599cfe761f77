/** Two processes on one file: how long the event loop of each stands still, and how much of that is waiting for the other's writes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { openEngine } from './engine.ts'
import { round } from './queue.ts'

const SECONDS = 8

/** Measurements of a process about itself; times in milliseconds. */
export const Sharer = z.object({
  batches: z.int(),
  jobsRun: z.int(),
  /** Times for which the event loop stood still, for any reason. */
  loopP99: z.number(),
  loopMax: z.number(),
  /** Number of times, and for how long, it stood still because another process was writing. */
  waits: z.int(),
  waitP99: z.number(),
  waitMax: z.number(),
})
export type Sharer = z.infer<typeof Sharer>

/** @returns a part of the report */
export async function besideEachOther(): Promise<string> {
  const [alone] = await share(1)
  const together = await share(2)
  const lines = [
    ['alone', alone] as const,
    ...together.map((one, i) => [`${i === 0 ? 'one' : 'the other'} of two`, one] as const),
  ].flatMap(([name, one]) =>
    one === undefined
      ? []
      : [
          `| ${name} | ${one.jobsRun.toLocaleString('en')} | ${[one.loopP99, one.loopMax, one.waitP99, one.waitMax].map((ms) => ms.toFixed(1)).join(' | ')} |`,
        ],
  )
  return `### Two processes on one file

Each process submits batches of 200 no-op jobs and runs whatever is ready, 20 at once, for ${SECONDS} seconds. Milliseconds for which the event loop stood
still: for any reason (own commits, the machine's other work), and because SQLite waited for the other process's write lock. At the end every job is counted
once.

| process | attempts | any reason, p99 | longest | waiting for the other, p99 | longest |
|---|---|---|---|---|---|
${lines.join('\n')}`
}

async function share(processes: number): Promise<Sharer[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  await (await openEngine(folder))[Symbol.asyncDispose]()
  const seen = await Promise.all(
    Array.from({ length: processes }, () => round(Sharer, 'sharing-process.ts', folder, SECONDS)),
  )
  const engine = await openEngine(folder)
  await engine.work(100)
  for (;;) {
    const left = await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM batches WHERE finished_at IS NULL`)
    if (left.n === 0) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const row = await engine.db.get<{ jobs: number; told: number; counted: number }>(sql`
    SELECT (SELECT count(*) FROM jobs WHERE status = 'completed') AS jobs, (SELECT count(*) FROM events WHERE type = 'job_completed') AS told,
      (SELECT total(completed) FROM batches) AS counted`)
  const wanted = 200 * seen.reduce((sum, { batches }) => sum + batches, 0)
  if (row.jobs !== wanted || row.told !== wanted || row.counted !== wanted) {
    throw new Error(`${wanted} jobs were submitted: ${JSON.stringify(row)}`)
  }
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
  return seen
}
