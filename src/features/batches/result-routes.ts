/** Serves the results of a batch: merged by its operation, or job by job in three sets. */
import { type Context, Hono } from 'hono'
import { streamOf } from '../../formats/streams.ts'
import { demandScope } from '../../http/auth/authenticate.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readQuery } from '../../http/request/body.ts'
import { sendStream } from '../../http/response/streamed-response.ts'
import type { BatchState } from '../../live/state.ts'
import { findBatch } from './load-batch.ts'
import { type ItemResults, readItemResults } from './queries.ts'
import { readCompleted } from './result-queries.ts'
import { type ItemResult, ListResults } from './schemas.ts'

const ROWS_A_READ = 1_000

type Query = ReturnType<typeof ListResults.parse>

/** `GET /:id/results`. */
export function resultRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>().get('/:id/results', async (c) => {
    const query = readQuery(c, ListResults)
    const batch = await findBatch(c, deps)
    const scope = deps.operations[batch.operation]?.contentScope
    if (scope !== undefined) demandScope(c, scope)
    if (isNdjson(c, query)) return sendLines(c, deps, batch, query)
    const merge = deps.operations[batch.operation]?.merge ?? null
    if (merge !== null && query.set === undefined && query.as === undefined) {
      const { batchInput, jobs } = await readCompleted(deps.db, batch.id)
      return c.json({ success: true, ...merge(batchInput, jobs) })
    }
    return c.json(present(batch, query, await pageOf(deps, batch, query)))
  })
}

/** `format` goes before `Accept`; where neither says anything, bare items are NDJSON. */
function isNdjson(c: Context<Env>, { format, as }: Query): boolean {
  if (format !== undefined) return format === 'ndjson'
  return as === 'items' || /\bapplication\/(x-)?ndjson\b/i.test(c.req.header('Accept') ?? '')
}

function pageOf(
  deps: AppDeps,
  batch: BatchState,
  { set, cursor = 0, limit = ROWS_A_READ }: Query,
): Promise<ItemResults> {
  return readItemResults(deps.db, batch.id, { set, after: cursor, limit: Math.min(limit, ROWS_A_READ) })
}

/** A page of the bare items, or of the sets. */
function present(batch: BatchState, { set, as }: Query, { rows, next }: ItemResults) {
  const head = { success: true, batchId: batch.id, status: batch.status }
  if (as === 'items') return { ...head, items: rows.map(({ item }) => item), next }
  const of = (one: ItemResult['set']) =>
    set === undefined || set === one ? { [one]: rows.filter((row) => row.set === one) } : {}
  return { ...head, ...of('succeeded'), ...of('failed'), ...of('untouched'), next }
}

/** A line a job, read page by page as the client takes them. The first page is read before it is answered, so that its failure is told. */
async function sendLines(c: Context<Env>, deps: AppDeps, batch: BatchState, query: Query): Promise<Response> {
  c.header('Content-Type', 'application/x-ndjson; charset=utf-8')
  return sendStream(c, deps, streamOf(lines(deps, batch, query, await pageOf(deps, batch, query))))
}

async function* lines(deps: AppDeps, batch: BatchState, query: Query, first: ItemResults): AsyncGenerator<Uint8Array> {
  const utf8 = new TextEncoder()
  const shown = (row: ItemResult) => (query.as === 'items' ? row.item : row)
  let left = query.limit ?? Number.POSITIVE_INFINITY
  for (let page = first; ; ) {
    if (page.rows.length > 0) yield utf8.encode(page.rows.map((row) => `${JSON.stringify(shown(row))}\n`).join(''))
    left -= page.rows.length
    if (page.next === null || left <= 0) return
    page = await pageOf(deps, batch, { ...query, cursor: page.next, limit: left })
  }
}
