/** What a batch came to: merged by its operation, or job by job in three sets. */
import { type Context, Hono } from 'hono'
import { readQuery } from '../../http/body.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { BatchState } from '../../live/state.ts'
import { readItemResults } from '../../reads/lists.ts'
import { readCompleted } from '../../reads/results.ts'
import type { ItemResult } from '../../wire/native.ts'
import { ListResults } from '../../wire/native.ts'
import { findBatch } from './find.ts'

const ROWS_A_READ = 1_000

/** `GET /:id/results`. */
export function resultRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>().get('/:id/results', async (c) => {
    const query = readQuery(c, ListResults)
    const batch = await findBatch(c, deps)
    const merge = deps.operations[batch.operation]?.merge ?? null
    if (query.as === 'items' || query.format === 'ndjson' || wantsNdjson(c)) {
      const line = query.as === 'items' ? ({ item }: ItemResult) => item : (row: ItemResult) => row
      c.header('Content-Type', 'application/x-ndjson; charset=utf-8')
      return c.body(ndjson(deps, batch, query.set, line))
    }
    if (merge !== null && query.set === undefined) {
      const { batchInput, jobs } = await readCompleted(deps.db, batch.id)
      return c.json({ success: true, ...merge(batchInput, jobs) })
    }
    return c.json(await listed(deps, batch, query))
  })
}

const wantsNdjson = (c: Context<Env>) => /\bapplication\/(x-)?ndjson\b/i.test(c.req.header('Accept') ?? '')

/** A page of the sets. */
async function listed(
  deps: AppDeps,
  batch: BatchState,
  query: { set?: ItemResult['set'] | undefined; cursor?: number | undefined; limit?: number | undefined },
) {
  const limit = query.limit ?? ROWS_A_READ
  const rows = await readItemResults(deps.db, batch.id, { set: query.set, after: query.cursor ?? 0, limit })
  const of = (set: ItemResult['set']) =>
    query.set === undefined || query.set === set ? { [set]: rows.filter((row) => row.set === set) } : {}
  const last = rows.at(-1)
  return {
    success: true,
    batchId: batch.id,
    status: batch.status,
    ...of('succeeded'),
    ...of('failed'),
    ...of('untouched'),
    next: rows.length === limit && last !== undefined ? last.index + 1 : null,
  }
}

/** A line a job, read page by page as the client takes them. */
function ndjson(
  deps: AppDeps,
  batch: BatchState,
  set: ItemResult['set'] | undefined,
  line: (row: ItemResult) => unknown,
): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder()
  let after = 0
  return new ReadableStream({
    async pull(controller) {
      const rows = await readItemResults(deps.db, batch.id, { set, after, limit: ROWS_A_READ })
      const last = rows.at(-1)
      if (last !== undefined) {
        after = last.index + 1
        controller.enqueue(utf8.encode(rows.map((row) => `${JSON.stringify(line(row))}\n`).join('')))
      }
      if (rows.length < ROWS_A_READ) controller.close()
    },
  })
}
