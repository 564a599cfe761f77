/** Serves the results of a batch: merged by its operation, or job by job in three sets. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { streamOf } from '../../formats/streams.ts'
import { demandScope } from '../../http/auth/authenticate.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Endpoint } from '../../http/openapi/endpoint.ts'
import { BATCH_ID, demandSameRun, findBatch } from '../../http/request/find-batch.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { sendStream } from '../../http/response/streamed-response.ts'
import { Routes } from '../../http/routes.ts'
import type { BatchState } from '../../live/state.ts'
import { readCompleted } from '../../rows/completed-jobs.ts'
import { type ItemResults, readItemResults } from './queries.ts'
import { type ItemResult, ListResults, ResultSets } from './schemas.ts'

const ROWS_A_READ = 1_000

type Query = z.infer<typeof ListResults>

const readResults = {
  route: 'GET /api/batch/:id/results',
  id: 'readResults',
  summary: 'What a batch came to',
  description:
    'Heat sheets: one schedule, merged. Other operations: their jobs in three sets. `format=ndjson`, or an `Accept` of it, gives a line a job; a connection that breaks off before its clean end brought only a part.',
  access: 'link',
  path: BATCH_ID,
  query: ListResults,
  answers: {
    200: {
      description: 'Merged, or in sets.',
      content: {
        'application/json': { schema: ResultSets },
        'application/x-ndjson': {
          schema: z.string().describe('An `ItemResult` a line; with `as=items` the item alone.'),
        },
      },
    },
  },
  errors: [400, 404],
} satisfies Endpoint

/**
 * Describes the route.
 * @param merged what operations merge the results of their jobs to
 */
export function resultEndpoints(merged: readonly z.ZodType[]): readonly Endpoint[] {
  const { answers, ...rest } = readResults
  const { description, content } = answers[200]
  const schema = z.union([...merged, ResultSets])
  return [{ ...rest, answers: { 200: { description, content: { ...content, 'application/json': { schema } } } } }]
}

export function resultRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/batch', CODED_ERRORS).add(readResults, async (c) => {
    const query = c.req.valid('query')
    const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
    const scope = deps.operations[batch.operation]?.contentScope
    if (scope !== undefined) demandScope(c, scope)
    if (isNdjson(query, c.req.header('Accept'))) return sendLines(c, deps, batch, query)
    const merge = deps.operations[batch.operation]?.merge ?? null
    if (merge !== null && query.set === undefined && query.as === undefined) {
      const { batchInput, jobs } = await readCompleted(deps.db, batch.id)
      await demandSameRun(deps.db, batch)
      return c.json({ success: true, ...merge(batchInput, jobs) })
    }
    return c.json(present(batch, query, await pageOf(deps, batch, query)))
  }).hono
}

/** `format` goes before `Accept`; where neither says anything, bare items are NDJSON. */
function isNdjson({ format, as }: Query, accept = ''): boolean {
  if (format !== undefined) return format === 'ndjson'
  return as === 'items' || /\bapplication\/(x-)?ndjson\b/i.test(accept)
}

/** @throws MillraceError as {@link demandSameRun} does: an empty page of a batch that is gone is no end */
async function pageOf(
  deps: AppDeps,
  batch: BatchState,
  { set, cursor = 0, limit = ROWS_A_READ }: Query,
): Promise<ItemResults> {
  const page = await readItemResults(deps.db, batch.id, { set, after: cursor, limit: Math.min(limit, ROWS_A_READ) })
  await demandSameRun(deps.db, batch)
  return page
}

/** A page of the bare items, or of the sets. */
function present(batch: BatchState, { set, as }: Query, { rows, next }: ItemResults): ResultSets {
  const head = { success: true as const, batchId: batch.id, status: batch.status }
  if (as === 'items') return { ...head, items: rows.map(({ item }) => item), next }
  const of = (one: ItemResult['set']) =>
    set === undefined || set === one ? { [one]: rows.filter((row) => row.set === one) } : {}
  return { ...head, ...of('succeeded'), ...of('failed'), ...of('untouched'), next }
}

/** Streams one line a job, reading page by page under backpressure. The first page is read before the headers are sent, so that its failure has a status. */
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
