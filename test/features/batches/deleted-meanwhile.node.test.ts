/** A batch that is deleted while its jobs are read: what was read may be a part of them, and is given to nobody as the whole. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { readPage } from '../../../src/live/event-log.ts'
import { createOperations } from '../../../src/operations.ts'
import type { Database } from '../../../src/ports.ts'
import type { Send } from '../../http/openapi/world.ts'
import { until } from '../../support/until.ts'
import { openWholeApp } from '../../support/whole-app.ts'

/** Batch that is deleted by the next read of jobs; null for none. */
let doomed: string | null = null
let db: Database
let app: Awaited<ReturnType<typeof openWholeApp>>
let send: Send

/** A database in which a batch, and half of its jobs, are gone just before jobs are listed. */
function deleting(inner: Database): Database {
  return new Proxy(inner, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        const [fields] = args
        if (
          name === 'select' &&
          doomed !== null &&
          typeof fields === 'object' &&
          fields !== null &&
          'stage' in fields
        ) {
          const id = doomed
          doomed = null
          void Promise.resolve(inner.run(sql`UPDATE batches SET deleted_at = 1 WHERE id = ${id}`))
          void Promise.resolve(inner.run(sql`DELETE FROM jobs WHERE batch_id = ${id} AND sequence > 1`))
        }
        return Reflect.apply(member, target, args)
      }
    },
  })
}

beforeAll(async () => {
  app = await openWholeApp((inner) => {
    db = deleting(inner)
    return db
  })
  send = await app.as('alice')
})
afterAll(() => app.close())

async function makeEnded(): Promise<string> {
  const made = await send('POST', '/api/batch', { operation: 'echo', items: [{}, {}, {}] })
  const { batchId } = z.object({ batchId: z.string() }).parse(await made.json())
  const Ended = z.object({ batch: z.object({ finishedAt: z.string().nullable() }) })
  await until(async () => {
    const state = Ended.parse(await (await send('GET', `/api/batch/${batchId}`)).json())
    return state.batch.finishedAt
  })
  return batchId
}

it.each(['', '?after=0', '/jobs'])('is not there for GET /api/batch/:id%s', async (rest) => {
  const id = await makeEnded()
  doomed = id
  const answer = await send('GET', `/api/batch/${id}${rest}`)
  expect([answer.status, doomed]).toEqual([404, null])
})

it('is not there for the state that a stream begins with', async () => {
  const id = await makeEnded()
  doomed = id
  const answer = await send('GET', `/api/batch/${id}/stream`, undefined, { 'Last-Event-ID': '999' })
  expect([answer.status, doomed]).toEqual([404, null])
  await answer.body?.cancel()
})

it('has no closing event with a part of its results', async () => {
  const id = await makeEnded()
  doomed = id
  expect(await readPage(db, { operations: createOperations() }, { id, operation: 'echo' }, 0)).toBeNull()
  expect(doomed).toBeNull()
})
