/** What jobs came to is written, or said to be impossible to write; one that is does not cost the others anything. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch, readJobItems } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

const large: Operation = {
  ...echo,
  name: 'large',
  run: async () => ({ result: 'x'.repeat(1_100_000), summary: {}, tallies: {} }),
}

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [large] })
})
afterEach(() => engine.close())

const finished = (id: string) =>
  until(async () => {
    const batch = await readBatch(engine.db, id, 'me')
    return batch?.finished === true ? batch : null
  }, 40_000)

it('a result that the database refuses ends as a failure, and those beside it are kept', async () => {
  await engine.db.run(sql`
    CREATE TRIGGER refuse BEFORE UPDATE ON jobs WHEN new.result = '"refused"' BEGIN SELECT raise(ABORT, 'not this one'); END`)
  const values = ['a', 'b', 'refused', 'c', 'd']
  const { batchId } = await engine.submit(values.map((value) => ({ value })))
  await engine.work()
  try {
    expect(await finished(batchId)).toMatchObject({ status: 'partial', completed: 4, failed: 1, lastSeq: 7 })
    const jobs = await readJobItems(engine.db, echo, batchId, { after: 0, limit: 10 })
    expect(jobs.map(({ errorCode }) => errorCode)).toEqual([null, null, 'UNKNOWN', null, null])
    expect(engine.log.lines.some((line) => line.includes('not this one'))).toBe(true)
  } finally {
    await engine.db.run(sql`DROP TRIGGER refuse`)
  }
})

it('a result over 1 MB ends as a failure that says so', async () => {
  const { batchId } = await engine.submit([{}], { operation: large })
  await engine.work()
  expect(await finished(batchId)).toMatchObject({ status: 'failed', failed: 1 })
  const [job] = await readJobItems(engine.db, large, batchId, { after: 0, limit: 1 })
  expect(job).toMatchObject({ errorCode: 'TOO_LARGE', errorMessage: 'The result of this job is over 1 MB.' })
})
