/** Schedules, `/api/schedules`: how one is made and changed, and how it and its runs are shown. */
import * as z from 'zod'
import { BatchOptions, Json, MAX_ITEMS } from '../../http/request/batch-options.ts'
import { list, PageLimit, text } from '../../http/request/fields.ts'

/** Items that a schedule keeps. */
const Items = list(Json, MAX_ITEMS, { min: 1 }).describe(
  'Items of each batch, 1 MB of JSON together with `input` and `options`.',
)

/** Options of a batch but for those that are points in time, or are about when it begins. */
export const ScheduleOptions = BatchOptions.omit({ runAt: true, deadline: true, debounce: true, throttle: true }).meta({
  id: 'ScheduleOptions',
})

const Fields = {
  name: text({ min: 1, max: 128 }).describe('What it is known by; each of an owner has another.'),
  cron: z
    .string()
    .max(256)
    .describe(
      'Five fields (minute, hour, day of the month, month, day of the week), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.',
    ),
  timezone: z.string().max(64).describe('IANA name of the time zone that `cron` is read in. Default: `UTC`.'),
  operation: z.string(),
  input: Json.describe('What holds for the whole batch; its operation says which.'),
  items: Items,
  options: ScheduleOptions.describe('Options of each batch.'),
  overlap: z
    .enum(['skip', 'allow'])
    .describe('What is done when it is due while the batch of its last run still runs. Default: `skip`.'),
}

/** `POST /api/schedules`. */
export const CreateSchedule = z
  .strictObject({
    ...Fields,
    timezone: Fields.timezone.optional(),
    input: Fields.input.optional(),
    options: Fields.options.optional(),
    overlap: Fields.overlap.optional(),
    paused: z.boolean().optional().describe('Made without being due, until it is resumed.'),
  })
  .meta({ id: 'CreateSchedule' })
export type CreateSchedule = z.infer<typeof CreateSchedule>

/** `PATCH /api/schedules/:id`: the fields that are to be others. */
export const ChangeSchedule = z.strictObject(Fields).partial().meta({ id: 'ChangeSchedule' })
export type ChangeSchedule = z.infer<typeof ChangeSchedule>

/** A time that a schedule was due at, or was run by hand at, and what came of it. */
export const ScheduleRun = z
  .object({
    dueAt: z.iso.datetime().describe('When it was due; by hand, when it was asked for.'),
    outcome: z
      .enum(['started', 'skipped', 'failed'])
      .describe('`skipped`: the batch of the previous run was still running. `failed`: no batch could be created.'),
    byHand: z.boolean(),
    batchId: z.string().nullable(),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable().describe('Why no batch could be created.'),
    at: z.iso.datetime().describe('When this was done.'),
  })
  .meta({ id: 'ScheduleRun' })
export type ScheduleRun = z.infer<typeof ScheduleRun>

/** A schedule in a list. */
export const ScheduleSummary = z
  .object({
    id: z.string(),
    name: z.string(),
    cron: z.string(),
    timezone: z.string(),
    operation: z.string(),
    itemCount: z.int(),
    overlap: z.enum(['skip', 'allow']),
    paused: z.boolean(),
    nextRuns: z.array(z.iso.datetime()).describe('The next five times that it is due; none while it is paused.'),
    lastBatchId: z.string().nullable().describe('The batch that was begun last.'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'ScheduleSummary' })
export type ScheduleSummary = z.infer<typeof ScheduleSummary>

/** A schedule with all that it keeps. */
export const Schedule = ScheduleSummary.extend({
  input: z.unknown(),
  items: z.array(z.unknown()),
  options: z.looseObject({}),
}).meta({ id: 'Schedule' })
export type Schedule = z.infer<typeof Schedule>

/** The answer with one schedule. */
export const ScheduleAnswer = z.object({ success: z.literal(true), schedule: Schedule }).meta({ id: 'ScheduleAnswer' })
export type ScheduleAnswer = z.infer<typeof ScheduleAnswer>

/** The answer to `DELETE /api/schedules/:id`. */
export const ScheduleDeleted = z
  .object({ success: z.literal(true), scheduleId: z.string() })
  .meta({ id: 'ScheduleDeleted' })
export type ScheduleDeleted = z.infer<typeof ScheduleDeleted>

/** The answer to `POST /api/schedules/:id/run`. */
export const ScheduleStarted = z
  .object({
    success: z.literal(true),
    scheduleId: z.string(),
    batchId: z.string(),
    totalJobs: z.int(),
    streamUrl: z.string(),
  })
  .meta({ id: 'ScheduleStarted' })
export type ScheduleStarted = z.infer<typeof ScheduleStarted>

/** `GET /api/schedules`. */
export const ListSchedules = z.strictObject({
  limit: PageLimit,
  cursor: z.uuid('Expected `next` of the page before.').optional().describe('`next` of the page before.'),
})

/** The answer to `GET /api/schedules`. */
export const ScheduleList = z
  .object({
    success: z.literal(true),
    schedules: z.array(ScheduleSummary),
    next: z.string().nullable().describe('What to send as `cursor` for the next page; null on the last.'),
  })
  .meta({ id: 'ScheduleList' })
export type ScheduleList = z.infer<typeof ScheduleList>

/** The answer to `GET /api/schedules/:id/runs`. */
export const ScheduleRuns = z
  .object({ success: z.literal(true), scheduleId: z.string(), runs: z.array(ScheduleRun) })
  .meta({ id: 'ScheduleRuns' })
export type ScheduleRuns = z.infer<typeof ScheduleRuns>
