/** Schemas of what every batch shows, whatever its operation: events, status, errors. */
import * as z from 'zod'

const JobFields = { jobId: z.string(), sequence: z.int() }

/** A job in `batch_completed` and in lists. */
export const JobResult = z
  .looseObject({
    ...JobFields,
    filename: z.string().nullable(),
    status: z.string(),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
  })
  .meta({ id: 'JobResult' })
export type JobResult = z.infer<typeof JobResult>

/** Fields of every logged event. An operation adds fields, never types. */
const Common = { batchId: z.string(), at: z.iso.datetime() }

export const BatchStarted = z.looseObject({ type: z.literal('batch_started'), ...Common, totalJobs: z.int() })
/** State, not history: the latest counts, and it has no event number. */
export const JobProgress = z.looseObject({
  type: z.literal('job_progress'),
  batchId: z.string(),
  ...JobFields,
  status: z.string(),
  progressPercent: z.int().min(0).max(100),
  progressMessage: z.string(),
})
export const JobCompleted = z.looseObject({ type: z.literal('job_completed'), ...Common, ...JobFields })
export const JobFailed = z.looseObject({
  type: z.literal('job_failed'),
  ...Common,
  ...JobFields,
  errorCode: z.string(),
  errorMessage: z.string(),
})
export const BatchCompleted = z.looseObject({
  type: z.literal('batch_completed'),
  ...Common,
  status: z.enum(['completed', 'partial', 'failed', 'cancelled']),
  completedJobs: z.int(),
  failedJobs: z.int(),
  cancelledJobs: z.int(),
  results: z.array(JobResult).optional().describe('Up to 100 jobs; with more, `resultsUrl` says where they are.'),
  resultsUrl: z.string().optional(),
})

/** An event of a batch's stream. */
export const BatchEvent = z
  .discriminatedUnion('type', [BatchStarted, JobProgress, JobCompleted, JobFailed, BatchCompleted])
  .meta({ id: 'BatchEvent' })
export type BatchEvent = z.infer<typeof BatchEvent>

/** `GET /api/batch/:id`. */
export const PollBatch = z.object({
  wait: z
    .string()
    .regex(/^\d{1,6}$/, 'Expected a whole number of seconds, such as 25.')
    .transform(Number)
    .optional()
    .describe('With `If-None-Match`: seconds to hold the answer until it is another; at most 25 are held.'),
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'Expected the number of an event, such as 12; 0 for all.')
    .transform(Number)
    .optional()
    .describe(
      'Number of the last event the caller has: the answer carries those after it too. For callers that streams do not reach.',
    ),
})

/** Fields that `?after=` adds to the answer of `GET /api/batch/:id`. */
export const PolledEvents = z.object({
  events: z
    .array(z.object({ id: z.int(), data: BatchEvent }))
    .describe('The next events, each as its frame in the stream; a page of them.'),
  eventsTo: z.int().describe('The number to ask on `after`. Below `batch.lastEventId` there is more already.'),
})
export type PolledEvents = z.infer<typeof PolledEvents>

/** The query string of streams. */
export const FollowBatch = z.object({
  lastEventId: z
    .string()
    .optional()
    .describe("Number of the last event the caller has, for callers that can't send `Last-Event-ID`; the header wins."),
})

/** `POST /api/batch/stream-token`, `POST /api/batch/:id/stream-token`. */
export const StreamLink = z
  .object({
    success: z.literal(true),
    streamUrl: z.string().describe('From the root of the server, with its token where calls need a key.'),
    expiresAt: z.iso.datetime().nullable().describe('Null where it does not end.'),
  })
  .meta({ id: 'StreamLink' })
export type StreamLink = z.infer<typeof StreamLink>

/** A batch in its state. What is left are facts of its operation, such as `swimmerName`. */
export const BatchFacts = z
  .looseObject({
    id: z.string(),
    operation: z.string(),
    status: z.enum(['pending', 'processing', 'completed', 'failed', 'partial', 'cancelled']),
    totalJobs: z.int(),
    completedJobs: z.int(),
    failedJobs: z.int(),
    cancelledJobs: z.int(),
    paused: z.boolean().describe('Starts no more jobs until it is resumed.'),
    open: z.boolean().describe('Takes more items, until it is sealed.'),
    lastEventId: z.int().describe('Number of its last event; where a stream from now on begins.'),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'BatchFacts' })

/** The polling answer of `GET /api/batch/:id`. */
export const BatchStatus = z.object({
  success: z.literal(true),
  batch: BatchFacts,
  jobs: z.array(
    z.looseObject({
      id: z.string(),
      sequence: z.int(),
      filename: z.string().nullable(),
      status: z.string().describe('`pending`, `downloading`, `processing`, `completed`, `failed`, `cancelled`.'),
      progressPercent: z.int(),
      progressMessage: z.string().nullable(),
      error: z.string().nullable(),
      errorCode: z.string().nullable(),
    }),
  ),
})
export type BatchStatus = z.infer<typeof BatchStatus>

/** The same, with what `?after=` adds. */
export const PolledStatus = BatchStatus.extend(PolledEvents.partial().shape).meta({ id: 'PolledStatus' })

/** The data of the `resync` with which a stream of all batches begins: those that have not ended. */
export const OwnerState = z.object({ success: z.literal(true), batches: z.array(BatchFacts) })
