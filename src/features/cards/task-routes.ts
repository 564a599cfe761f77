/** Routes of tasks of the card surface: status, results, resume of failed imports; also tokens and health. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { countWorkers } from '../../engine/queue-depth.ts'
import { retryBatch } from '../../engine/transitions/batch-commands.ts'
import { MillraceError } from '../../errors.ts'
import { streamOf } from '../../formats/streams.ts'
import { hasScope } from '../../http/auth/authenticate.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { SENTENCE_ERRORS } from '../../http/response/error-formats.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { sendStream } from '../../http/response/streamed-response.ts'
import { Routes } from '../../http/routes.ts'
import { VERSION } from '../../version.ts'
import { rejectedCards } from './import/rejected.ts'
import { readTokens } from './queries/cards.ts'
import { type CardTask, readCardTask, readCardTaskResult } from './queries/tasks.ts'
import { Health, ListTokens, TaskResumed, TaskStatus, Tokens } from './schemas.ts'
import { type ExportParts, presentExport, presentResult, presentUnfinished, presentWithheld } from './task-results.ts'

const PAGE = 100

const TASK_ID = z.strictObject({
  task_id: z.string().describe('Id of a task, or the `Idempotency-Key` of its request.'),
})

const readTask = {
  route: 'GET /bulk/status/:task_id',
  id: 'readTask',
  summary: 'Where a task stands, and what it came to',
  path: TASK_ID,
  answers: { 200: json('The task.', TaskStatus) },
  errors: [404],
} satisfies Endpoint

const resume = {
  route: 'POST /bulk/import/:task_id/resume',
  id: 'resumeImport',
  summary: 'Import what an import that has ended did not',
  path: TASK_ID,
  answers: { 200: json('It goes on.', TaskResumed) },
  errors: [404, 409],
} satisfies Endpoint

const downloadRejected = {
  route: 'GET /bulk/import/:task_id/rejected',
  id: 'downloadRejectedCards',
  summary: 'All cards that an import rejected, with the reason of each',
  description:
    'A CSV: `row` (of a CSV as spreadsheets number it, else the place from 1), `error`, then what was sent: the columns of a CSV, or `record`.',
  path: TASK_ID,
  answers: {
    200: {
      description: 'The file.',
      content: { 'text/csv': { schema: z.string() } },
      headers: ['Content-Disposition'],
    },
  },
  errors: [404],
} satisfies Endpoint

const listTokens = {
  route: 'GET /bulk/tokens',
  id: 'listTokens',
  summary: 'Tokens earned, newest first, and their sum',
  query: ListTokens,
  answers: { 200: json('A page.', Tokens) },
  errors: [400],
} satisfies Endpoint

const readHealth = {
  route: 'GET /bulk/health',
  id: 'readCardHealth',
  summary: 'Whether workers answer',
  access: 'public',
  answers: { 200: json('Healthy, or degraded.', Health) },
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readTask, resume, downloadRejected, listTokens, readHealth]

export function taskRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/bulk', SENTENCE_ERRORS)
    .add(readTask, async (c) => {
      const task = await findTask(deps, c.get('caller').owner, c.req.valid('param').task_id)
      c.header('Cache-Control', 'no-store')
      if (task.finishedAt === null) return c.json(underWay(task))
      return ended(c, deps, task, task.finishedAt)
    })
    .add(resume, async (c) => {
      const task = await findTask(deps, c.get('caller').owner, c.req.valid('param').task_id)
      if (task.operation !== 'cards.import') throw notFound()
      const slices = await retryBatch(deps, task.id)
      return c.json({
        task_id: task.id,
        status: 'PENDING',
        message: `Bulk import resumed: ${slices} slices that were not imported run again`,
        check_status_url: publicPath(deps, `/bulk/status/${task.id}`),
      } satisfies TaskResumed)
    })
    .add(downloadRejected, async (c) => {
      const task = await findTask(deps, c.get('caller').owner, c.req.valid('param').task_id)
      if (task.operation !== 'cards.import') throw notFound()
      c.header('Content-Type', 'text/csv; charset=utf-8; header=present')
      c.header('Content-Disposition', `attachment; filename="rejected-${task.id}.csv"`)
      c.header('Cache-Control', 'no-store')
      return sendStream(c, deps, streamOf(rejectedCards(deps, task.id)))
    })
    .add(listTokens, async (c) => {
      const { limit = PAGE, cursor } = c.req.valid('query')
      return c.json((await readTokens(deps.db, c.get('caller').owner, { before: cursor, limit })) satisfies Tokens)
    })
    .add(readHealth, async (c) => {
      const workers = Math.max(deps.workersOnDemand === true ? 1 : 0, await countWorkers(deps.db, deps.clock.now()))
      return c.json({
        status: workers > 0 ? 'healthy' : 'degraded',
        service: 'bulk-operations',
        version: VERSION,
        celery_workers: workers > 0 ? 'healthy' : 'unavailable',
        worker_count: workers,
      } satisfies Health)
    }).hono
}

function notFound(): MillraceError {
  return new MillraceError('NOT_FOUND', 'Task not found. It may have been deleted, or belong to someone else.')
}

async function findTask(deps: AppDeps, owner: string, id: string): Promise<CardTask> {
  const task = await readCardTask(deps.db, owner, id)
  if (task === null) throw notFound()
  return task
}

function underWay({ id, state, current, total, error }: CardTask): TaskStatus {
  const percent = total === 0 ? 0 : Math.floor((100 * current) / total)
  return {
    task_id: id,
    status: state,
    progress: { current: Math.floor(current), total, percent },
    ...(error === null ? {} : { error }),
  }
}

async function ended(c: Context<Env>, deps: AppDeps, task: CardTask, finishedAt: number): Promise<Response> {
  const found = await readCardTaskResult(deps.db, task.id)
  const head = {
    task_id: task.id,
    status: task.state,
    ...(task.error === null ? {} : { error: task.error }),
    completed_at: new Date(finishedAt).toISOString(),
  }
  const answer = (result: TaskStatus['result']) => c.json({ ...head, result } satisfies TaskStatus)
  if (task.operation !== 'cards.export') return answer(presentResult(deps, task, found))
  if (found.first === null) return answer(presentUnfinished(task, found))
  if (!hasScope(c, 'exports:read')) return answer(presentWithheld(task, found.first))
  return sendExport(c, deps, head, await presentExport(deps, c.get('caller').owner, task, found.first))
}

/** Streams the text of an export, which is never in memory as a whole. */
function sendExport(
  c: Context<Env>,
  deps: AppDeps,
  head: Omit<TaskStatus, 'result'>,
  { result, text }: ExportParts,
): Response | Promise<Response> {
  if (text === null) return c.json({ ...head, result: { ...result, export_data: null } } satisfies TaskStatus)
  const utf8 = new TextEncoder()
  const around = JSON.stringify({ ...head, result: { ...result, export_data: '' } } satisfies TaskStatus)
  const decoder = new TextDecoder()
  const escaped = (bytes?: Uint8Array) =>
    utf8.encode(JSON.stringify(decoder.decode(bytes, { stream: bytes !== undefined })).slice(1, -1))
  const inner = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(utf8.encode(around.slice(0, -3))),
    transform: (bytes, controller) => controller.enqueue(escaped(bytes)),
    flush(controller) {
      controller.enqueue(escaped())
      controller.enqueue(utf8.encode(around.slice(-3)))
    },
  })
  c.header('Content-Type', 'application/json')
  return sendStream(c, deps, text.pipeThrough(inner))
}
