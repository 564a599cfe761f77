/** Following the tasks of the card surface, going on with failed imports, the tokens earned, the health of it all. */
import { type Context, Hono } from 'hono'
import { retryBatch } from '../../engine/transitions/batch-commands.ts'
import { MillraceError } from '../../errors.ts'
import { hasScope } from '../../http/auth/authenticate.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readQuery } from '../../http/request/body.ts'
import { sendStream } from '../../http/response/streamed-response.ts'
import { readTokens } from './queries/cards.ts'
import { type CardTask, countWorkers, readCardTask, readCardTaskResult } from './queries/tasks.ts'
import { type Health, ListTokens, type TaskStatus } from './schemas.ts'
import { type ExportParts, presentExport, presentResult, presentUnfinished, presentWithheld } from './task-results.ts'

const PAGE = 100
const VERSION = '1.0.0'

/** `GET /status/:task_id`, `POST /import/:task_id/resume`, `GET /tokens`, `GET /health`. */
export function taskRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>()
    .get('/status/:task_id', async (c) => {
      const task = await findTask(c, deps)
      c.header('Cache-Control', 'no-store')
      if (task.finishedAt === null) return c.json(underWay(task))
      return ended(c, deps, task, task.finishedAt)
    })
    .post('/import/:task_id/resume', async (c) => {
      const task = await findTask(c, deps)
      if (task.operation !== 'cards.import') throw notFound()
      const slices = await retryBatch(deps, task.id)
      const message = `Bulk import resumed: ${slices} slices that were not imported run again`
      return c.json({ task_id: task.id, status: 'PENDING', message, check_status_url: `/bulk/status/${task.id}` })
    })
    .get('/tokens', async (c) => {
      const { limit = PAGE, cursor } = readQuery(c, ListTokens)
      return c.json(await readTokens(deps.db, c.get('caller').owner, { before: cursor, limit }))
    })
    .get('/health', async (c) => {
      const workers = Math.max(deps.workersOnDemand === true ? 1 : 0, await countWorkers(deps))
      const health: Health = {
        status: workers > 0 ? 'healthy' : 'degraded',
        service: 'bulk-operations',
        version: VERSION,
        celery_workers: workers > 0 ? 'healthy' : 'unavailable',
        worker_count: workers,
      }
      return c.json(health)
    })
}

function notFound(): MillraceError {
  return new MillraceError('NOT_FOUND', 'Task not found. It may have been deleted, or belong to someone else.')
}

async function findTask(c: Context<Env, '/:task_id'>, deps: AppDeps): Promise<CardTask> {
  const task = await readCardTask(deps.db, c.get('caller').owner, c.req.param('task_id'))
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
  if (task.operation !== 'cards.export') return c.json({ ...head, result: presentResult(task, found) })
  if (found.first === null) return c.json({ ...head, result: presentUnfinished(task, found) })
  if (!hasScope(c, 'exports:read')) return c.json({ ...head, result: presentWithheld(task, found.first) })
  return sendExport(c, deps, head, await presentExport(deps, c.get('caller').owner, task, found.first))
}

/** Sends the text of an export as it is read: it is never held whole. */
function sendExport(
  c: Context<Env>,
  deps: AppDeps,
  head: object,
  { result, text }: ExportParts,
): Response | Promise<Response> {
  if (text === null) return c.json({ ...head, result: { ...result, export_data: null } })
  const utf8 = new TextEncoder()
  const around = JSON.stringify({ ...head, result: { ...result, export_data: '' } })
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
