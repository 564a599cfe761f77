/** Schedules: made, listed, changed, paused, run by hand and deleted. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import type { AppDeps, Env } from '../../http/context.ts'
import { admitBy } from '../../http/middleware/admit.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { announceBatch } from '../../http/response/accepted.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import type { BatchStarter } from './batch-starter.ts'
import {
  changeSchedule,
  createSchedule,
  deleteSchedule,
  findSchedule,
  pauseSchedule,
  resumeSchedule,
} from './commands.ts'
import { presentRun, presentSchedule, presentSummary } from './present.ts'
import { listRuns, listSchedules, MAX_RUNS } from './queries.ts'
import { runNow } from './run.ts'
import {
  ChangeSchedule,
  CreateSchedule,
  ListSchedules,
  ScheduleAnswer,
  ScheduleDeleted,
  ScheduleList,
  ScheduleRuns,
  ScheduleStarted,
} from './schemas.ts'

const PAGE = 100
const SCHEDULE_ID = z.strictObject({ id: z.string().describe('Id of a schedule.') })
/** More than a schedule may keep, since JSON may be sent with spaces. */
const limitLargeBody = limitBody(4 * 1024 * 1024, 'A schedule may keep 1 MB of items, input and options.')

const make = {
  route: 'POST /api/schedules',
  id: 'createSchedule',
  summary: 'Create a schedule: a batch by cron',
  description:
    'Checked as a create of the batch would be. An expression or a time zone that is none is refused with 422.',
  body: jsonBody(CreateSchedule, {
    daily: {
      name: 'Working days',
      cron: '0 8 * * 1-5',
      timezone: 'Europe/Berlin',
      operation: 'echo',
      items: [{ value: 'good morning' }],
    },
    options: {
      name: 'Hourly',
      cron: '@hourly',
      operation: 'echo',
      items: [{ value: 1 }, { value: 2 }],
      options: { labels: ['hourly'], maxAttempts: 2 },
      overlap: 'allow',
      paused: true,
    },
  }),
  answers: { 201: json('Made, and on disk.', ScheduleAnswer, ['Location']) },
  errors: [400, 409, 413, 415, 422],
} satisfies Endpoint

const listAll = {
  route: 'GET /api/schedules',
  id: 'listSchedules',
  summary: "The caller's schedules, newest first",
  query: ListSchedules,
  answers: { 200: json('A page.', ScheduleList) },
  errors: [400],
} satisfies Endpoint

const read = {
  route: 'GET /api/schedules/:id',
  id: 'readSchedule',
  summary: 'A schedule, and the next times that it is due',
  path: SCHEDULE_ID,
  answers: { 200: json('The schedule.', ScheduleAnswer) },
  errors: [404],
} satisfies Endpoint

const listOfSchedule = {
  route: 'GET /api/schedules/:id/runs',
  id: 'listScheduleRuns',
  summary: 'The latest 100 runs of a schedule, and their batches',
  path: SCHEDULE_ID,
  answers: { 200: json('The latest first.', ScheduleRuns) },
  errors: [404],
} satisfies Endpoint

const change = {
  route: 'PATCH /api/schedules/:id',
  id: 'changeSchedule',
  summary: 'Change a schedule',
  description: 'Fields that are left out stay as they are. Batches that were begun are not touched.',
  path: SCHEDULE_ID,
  body: jsonBody(ChangeSchedule, { later: { cron: '30 9 * * 1-5' } }),
  answers: { 200: json('Changed.', ScheduleAnswer) },
  errors: [400, 404, 409, 413, 415, 422],
} satisfies Endpoint

/** Describes a route that does something to a schedule. */
const command = (verb: string, id: string, summary: string) =>
  ({
    route: `POST /api/schedules/:id/${verb}`,
    id,
    summary,
    path: SCHEDULE_ID,
    answers: { 200: json('Done.', ScheduleAnswer) },
    errors: [404],
  }) satisfies Endpoint

const pause = command('pause', 'pauseSchedule', 'Pause a schedule; running batches continue')
const resume = command('resume', 'resumeSchedule', 'Resume a paused schedule; missed times are not made up for')

const run = {
  route: 'POST /api/schedules/:id/run',
  id: 'runSchedule',
  summary: "Begin a schedule's batch now, whatever still runs, also while it is paused",
  path: SCHEDULE_ID,
  answers: { 202: json('Accepted, and on disk.', ScheduleStarted, ['Location']) },
  errors: [400, 404, 413, 429],
} satisfies Endpoint

const remove = {
  route: 'DELETE /api/schedules/:id',
  id: 'deleteSchedule',
  summary: 'Delete a schedule; the batches that it began stay',
  path: SCHEDULE_ID,
  answers: { 200: json('Deleted.', ScheduleDeleted) },
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [make, listAll, read, listOfSchedule, change, pause, resume, run, remove]

/**
 * Makes the routes.
 * @param loadBatches loads what makes batches
 */
export function scheduleRoutes(app: AppDeps, quotas: Quotas, loadBatches: () => Promise<BatchStarter>): Hono<Env> {
  const deps = { ...app, loadBatches, admit: admitBy(quotas, 'batch.create') }
  const found = (c: RouteContext<{ path: typeof SCHEDULE_ID }>) =>
    findSchedule(deps, c.get('caller').owner, c.req.valid('param').id)
  const answer = (c: Context<Env>, row: Parameters<typeof presentSchedule>[0]) =>
    c.json({ success: true, schedule: presentSchedule(row, deps.clock.now()) } satisfies ScheduleAnswer)
  return new Routes('/api/schedules', CODED_ERRORS)
    .add(
      make,
      async (c) => {
        const row = await createSchedule(deps, c.get('caller').owner, c.req.valid('json'))
        c.header('Location', publicPath(deps, `/api/schedules/${row.id}`))
        const schedule = presentSchedule(row, deps.clock.now())
        return c.json({ success: true, schedule } satisfies ScheduleAnswer, 201)
      },
      [limitLargeBody],
    )
    .add(listAll, async (c) => {
      const { cursor, limit = PAGE } = c.req.valid('query')
      const rows = await listSchedules(deps.db, c.get('caller').owner, { before: cursor, limit })
      const list: ScheduleList = {
        success: true,
        schedules: rows.map((row) => presentSummary(row, deps.clock.now())),
        next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
      }
      return c.json(list)
    })
    .add(read, async (c) => answer(c, await found(c)))
    .add(listOfSchedule, async (c) => {
      const { id } = await found(c)
      const runs = (await listRuns(deps.db, id, MAX_RUNS)).map(presentRun)
      return c.json({ success: true, scheduleId: id, runs } satisfies ScheduleRuns)
    })
    .add(change, async (c) => answer(c, await changeSchedule(deps, await found(c), c.req.valid('json'))), [
      limitLargeBody,
    ])
    .add(pause, async (c) => answer(c, await pauseSchedule(deps, await found(c))))
    .add(resume, async (c) => answer(c, await resumeSchedule(deps, await found(c))))
    .add(run, async (c) => {
      const schedule = await found(c)
      const { batchId, totalJobs } = await runNow(deps, schedule)
      const { streamUrl } = await announceBatch(c, deps, batchId)
      const started: ScheduleStarted = { success: true, scheduleId: schedule.id, batchId, totalJobs, streamUrl }
      return c.json(started, 202)
    })
    .add(remove, async (c) => {
      const { id } = await found(c)
      await deleteSchedule(deps.db, id)
      return c.json({ success: true, scheduleId: id } satisfies ScheduleDeleted)
    }).hono
}
