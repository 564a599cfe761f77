/** Jobs that are over at once are claimed before there is a place for them; where one is not, it waits for no place that another has. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stopBatch } from '../../src/engine/transitions/batch-commands.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

const PLACES = 4
let now = 0
let most = 0
const counted: Operation = {
  ...echo,
  name: 'counted',
  async run() {
    most = Math.max(most, ++now)
    await null
    now--
    return { result: null, summary: {}, tallies: {} }
  },
}

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  now = 0
  most = 0
  engine = await openEngine({ operations: [counted] })
})
afterEach(() => engine.close())

const finished = (id: string) =>
  until(async () => {
    const batch = await readBatch(engine.db, id, 'me')
    return batch?.finished === true ? batch : null
  })
const items = (count: number, item: Record<string, unknown> = {}) => Array.from({ length: count }, () => item)

/** How many jobs each worker holds, by the beginning of its leases. */
async function holders(): Promise<Record<string, number>> {
  const rows = await engine.db.all<{ worker: string; jobs: number }>(
    sql`SELECT substr(lease, 1, 36) AS worker, count(*) AS jobs FROM jobs WHERE status = 'running' GROUP BY worker`,
  )
  return Object.fromEntries(rows.map(({ worker, jobs }) => [worker, jobs]))
}

/** A worker that takes jobs to be quick, and holds jobs of which it has places for a few. */
async function holdAhead(jobs: number) {
  const id = crypto.randomUUID()
  const worker = await engine.work({ id, concurrency: PLACES })
  await finished((await engine.submit(items(600), { operation: counted })).batchId)
  const { batchId } = await engine.submit(items(jobs, { waitMs: 30_000 }))
  await until(async () => ((await holders())[id] === jobs ? true : null))
  return { id, worker, batchId }
}

describe('quick jobs', () => {
  it('share commits by the hundred, though only a few run at once', async () => {
    const { batchId } = await engine.submit(items(1_000), { operation: counted })
    let commits = 0
    engine.notifier.subscribe(batchId, () => {
      commits++
    })
    await engine.work({ concurrency: PLACES })
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 1_000 })
    expect(most).toBe(PLACES)
    expect(commits).toBeLessThan(1_000 / PLACES / 4)
  })
})

describe('jobs that were claimed ahead and are not quick', () => {
  it('are handed back within seconds, to be run by whoever has places', async () => {
    const first = await holdAhead(10)
    const other = crypto.randomUUID()
    await engine.work({ id: other, concurrency: 20 })
    await until(async () => ((await holders())[other] === 10 - PLACES ? true : null))
    expect(await holders()).toEqual({ [first.id]: PLACES, [other]: 10 - PLACES })
    const row = await engine.db.get<{ attempts: number; events: number }>(
      sql`SELECT max(attempt) AS attempts, (SELECT count(*) FROM events WHERE batch_id = ${first.batchId}) AS events
        FROM jobs WHERE batch_id = ${first.batchId}`,
    )
    expect(row).toEqual({ attempts: 1, events: 1 })
  })

  it('end at once when their batch is cancelled', async () => {
    const { batchId } = await holdAhead(10)
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await finished(batchId)).toMatchObject({ status: 'cancelled', cancelled: 10 })
  })

  it('are handed back at once by a worker that stops, which lets those that run end', async () => {
    const { worker, batchId } = await holdAhead(10)
    const stopped = worker.stop(1_000)
    await until(async () => {
      const row = await engine.db.get<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE batch_id = ${batchId} AND status = 'running'`,
      )
      return row?.n === PLACES ? true : null
    }, 900)
    await stopped
    expect(await holders()).toEqual({})
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 0, failed: 0, finished: false })
  })
})
