/** The log of deliveries: pages, owners, and its end. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteBatch, stopBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { listBatches } from '../../../src/features/batches/queries.ts'
import { listDeliveries, readDelivery } from '../../../src/features/webhooks/queries.ts'
import type { Delivery } from '../../../src/features/webhooks/schemas.ts'
import { openEngine, until } from '../../support/fixture.ts'
import { create, type Engine, log, sender } from './fixture.ts'

let engine: Engine
beforeEach(async () => {
  engine = await openEngine({ operations: [sender], allowPrivate: true })
})
afterEach(() => engine.close())

describe('the log', () => {
  it('is paged newest first, filtered, and shows an owner nothing of another', async () => {
    const ids: string[] = []
    for (const owner of ['me', 'you', 'me']) {
      const { batchId } = await create(
        engine,
        Array.from({ length: 3 }, () => ({})),
        { url: 'http://127.0.0.1:9/', events: ['job_failed', 'batch_completed'] },
        owner,
      )
      await stopBatch(engine, batchId, 'DEADLINE_EXCEEDED')
      ids.push(batchId)
    }
    const all = await log(engine)
    expect(all.map(({ batchId }) => ids.indexOf(batchId))).toEqual([2, 2, 2, 2, 0, 0, 0, 0])
    const paged: Delivery[] = []
    for (let before: string | undefined; ; ) {
      const page = await log(engine, { limit: 3, before })
      paged.push(...page)
      before = page.at(-1)?.id
      if (page.length < 3) break
    }
    expect(paged).toEqual(all)
    expect(await log(engine, { batchId: ids[0] })).toEqual(all.slice(4))
    expect(await log(engine, { batchId: ids[1] })).toEqual([])
    expect(await log(engine, { status: 'completed' })).toEqual([])
    const mine = all[0]?.id ?? ''
    expect(await readDelivery(engine.db, 'me', mine)).toEqual(all[0])
    expect(await readDelivery(engine.db, 'you', mine)).toBeNull()
    // Nor does the batch that the deliveries belong to show anywhere.
    expect((await listBatches(engine.db, 'me', { limit: 10 })).map(({ id }) => id)).toEqual([ids[2], ids[0]])
  })

  it('reads a page without sorting, by its indexes', async () => {
    const seen: string[] = []
    const spy: typeof engine.db = Object.assign(Object.create(engine.db), {
      all: (query: Parameters<typeof engine.db.all>[0]) =>
        engine.db.all(sql`EXPLAIN QUERY PLAN ${query}`).then((rows) => {
          seen.push(JSON.stringify(rows))
          return []
        }),
    })
    await listDeliveries(spy, 'me', { limit: 10, before: '00000000-0000-0000-0000-000000000000-7' })
    expect(seen[0]).toContain('webhooks_owner')
    expect(seen[0]).toContain('jobs_batch_sequence')
    expect(seen[0]).toContain('sequence<?')
    expect(seen[0]).not.toContain('TEMP B-TREE')
  })

  it('goes with its batch', async () => {
    const { batchId } = await create(engine, [{}], { url: 'http://127.0.0.1:9/' })
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await log(engine)).toHaveLength(1)
    await deleteBatch(engine, batchId)
    expect(await log(engine)).toEqual([])
    await engine.work()
    await until(async () => {
      const left = await engine.db.all(
        sql`SELECT id FROM batches UNION ALL SELECT id FROM jobs UNION ALL SELECT id FROM webhooks UNION ALL SELECT batch_id FROM events`,
      )
      return left.length === 0 ? true : null
    })
  })
})
