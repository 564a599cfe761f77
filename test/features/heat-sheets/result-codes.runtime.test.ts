/** Codes of results end after their days, for whoever has them, and are revoked by their owner alone. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { heatSheet as operation } from '../../../src/features/heat-sheets/operation.ts'
import { readShared, revokeCode } from '../../../src/features/heat-sheets/queries.ts'
import { results } from '../../../src/features/heat-sheets/tables.ts'
import { batches } from '../../../src/schema/batches.ts'
import { jobs } from '../../../src/schema/jobs.ts'
import { openEngine } from '../../support/fixture.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
const FOUND = { meetName: 'Millpond Open', sessionDate: null, events: [], warnings: [], sharedWarnings: [] }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeAll(async () => {
  engine = await openEngine({ operations: [operation] })
})
afterAll(() => engine.close())

/** A result of a batch that was read at a time. */
async function resultAt(code: string, createdAt: number): Promise<void> {
  const { batchId } = await engine.submit([{}])
  await engine.db.update(batches).set({ input: { swimmer: 'Ada Quill' } })
  await engine.db.update(jobs).set({ result: FOUND })
  const [job] = await engine.db.select({ id: jobs.id, batchId: jobs.batchId }).from(jobs)
  await engine.db.insert(results).values({
    code,
    owner: 'me',
    batchId: job?.batchId ?? batchId,
    jobId: job?.id ?? '',
    md5: 'm',
    parser: 1,
    swimmer: 'ada quill',
    createdAt,
  })
}

it('is good for thirty days from its making', async () => {
  const made = engine.clock.now()
  await resultAt('k7yw2qz0', made)
  expect(await readShared(engine.db, 'K7YW2QZ0', made + 30 * DAY_MS - 1)).toMatchObject({
    code: 'k7yw2qz0',
    swimmerName: 'Ada Quill',
    expiresAt: made + 30 * DAY_MS,
  })
  expect(await readShared(engine.db, 'k7yw2qz0', made + 30 * DAY_MS)).toBeNull()
})

it('is revoked by its owner alone', async () => {
  await resultAt('k7yw2qz1', engine.clock.now())
  expect(await revokeCode(engine.db, 'somebody', 'k7yw2qz1')).toBeNull()
  expect(await readShared(engine.db, 'k7yw2qz1', engine.clock.now())).not.toBeNull()
  expect(await revokeCode(engine.db, 'me', 'K7yw2qz1')).toBe('k7yw2qz1')
  expect(await readShared(engine.db, 'k7yw2qz1', engine.clock.now())).toBeNull()
})
