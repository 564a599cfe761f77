/** Schemas of what every batch shows, whatever its operation: events, status, errors. */
import * as z from 'zod'

/** Facts of a job that lists, polling and events have in common. */
export const JobFacts = {
  itemId: z
    .string()
    .nullable()
    .describe("The caller's own id for its item, sent as the item's `id`; null where it has none."),
  filename: z
    .string()
    .nullable()
    .describe(
      'Name of the document: of a file as it was sent; of a link as `Content-Disposition` has it, until then (and without one) the last segment of its path; null where there is none.',
    ),
  url: z.string().nullable().describe('Link that the document is behind; null for what was sent.'),
  attempt: z.int().describe('Attempts so far, the running one included; 0 before the first.'),
  maxAttempts: z.int(),
  startedAt: z.iso.datetime().nullable().describe('When its first attempt began; null before.'),
  finishedAt: z.iso.datetime().nullable().describe('When it ended; null before.'),
}
export const Sequence = z.int().describe('Place in the batch, from 1: one more than the `index` of results.')
const JobFields = { jobId: z.string(), sequence: Sequence }
/** Events that an earlier release wrote have no facts. */
const EventFields = { ...JobFields, ...z.object(JobFacts).partial().shape }

/** The caller's own data. */
export const Metadata = z.unknown().optional().describe("The caller's own data, as it was sent with the batch.")

/** A job in `batch_completed` and in lists. */
export const JobResult = z
  .looseObject({
    ...JobFields,
    ...JobFacts,
    status: z.string(),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
  })
  .meta({ id: 'JobResult' })
export type JobResult = z.infer<typeof JobResult>

/** Fields of every logged event. An operation adds fields, never types. */
const Common = { batchId: z.string(), at: z.iso.datetime() }

export const BatchStarted = z.looseObject({
  type: z.literal('batch_started'),
  ...Common,
  totalJobs: z.int(),
  metadata: Metadata,
})
/** State, not history: the latest counts, and it has no event number. */
export const JobProgress = z.looseObject({
  type: z.literal('job_progress'),
  batchId: z.string(),
  ...EventFields,
  status: z.string(),
  progressPercent: z.int().min(0).max(100),
  progressMessage: z.string(),
})
export const JobCompleted = z.looseObject({ type: z.literal('job_completed'), ...Common, ...EventFields })
export const JobFailed = z.looseObject({
  type: z.literal('job_failed'),
  ...Common,
  ...EventFields,
  errorCode: z.string(),
  errorMessage: z.string(),
})
/** The limit of its budget that a batch exceeded. */
const Excess = {
  limit: z.enum(['maxFailures', 'maxFailureRate', 'maxCost']),
  value: z.number().describe('What the batch came to, counted as the budget counts.'),
  max: z.number(),
}

/** The rest of a batch that exceeded its budget is paused or cancelled. */
export const BudgetExceeded = z.looseObject({
  type: z.literal('budget_exceeded'),
  ...Common,
  ...Excess,
  action: z.enum(['pause', 'cancel']),
})

/** The budget of a batch in its state. */
export const BudgetFacts = z
  .object({
    maxFailures: z.int().optional(),
    maxFailureRate: z.number().optional(),
    minEnded: z.int().optional(),
    maxCost: z.number().optional(),
    onExceeded: z.enum(['pause', 'cancel']),
    exceeded: z
      .object({ ...Excess, at: z.iso.datetime() })
      .nullable()
      .describe('Null while all limits are kept, and after it is resumed.'),
  })
  .meta({ id: 'BudgetFacts' })

/** A result of the batch before that became no item. */
const ChainErrors = z
  .array(
    z.object({
      index: z.int().nullable().describe('Place in the batch before, from 0; null where the reason is not one result.'),
      field: z.string().nullable(),
      message: z.string(),
    }),
  )
  .describe('The first 20.')

/** All results of the batch before have been looked at, and this one takes no more items. */
export const ChainFed = z.looseObject({
  type: z.literal('chain_fed'),
  ...Common,
  chainedFrom: z.string().describe('The batch before.'),
  totalJobs: z.int(),
  rejectedResults: z
    .int()
    .describe('Results that are no items of the operation; the batch ends `partial` or `failed` for them.'),
  errors: ChainErrors,
})

/** Results of the batch before, in the state of one that follows. */
export const ChainFacts = z
  .object({
    from: z.string().describe('The batch before.'),
    expectedItems: z.int().describe('Results that were to become items.'),
    rejectedResults: z.int().describe('Those that became none; counted once all have been looked at.'),
    errors: ChainErrors,
  })
  .meta({ id: 'ChainFacts' })

/** The batch that follows, in the state of the one before. */
export const NextFacts = z
  .object({
    operation: z.string(),
    batchIds: z
      .array(z.string())
      .describe(
        'Empty until this one ends. More than one where it was retried: each end whose jobs gave new results has its own.',
      ),
  })
  .meta({ id: 'NextFacts' })

export const BatchCompleted = z.looseObject({
  type: z.literal('batch_completed'),
  ...Common,
  status: z.enum(['completed', 'partial', 'failed', 'cancelled']),
  completedJobs: z.int(),
  failedJobs: z.int(),
  cancelledJobs: z.int(),
  results: z.array(JobResult).optional().describe('Up to 100 jobs; with more, `resultsUrl` says where they are.'),
  resultsUrl: z.string().optional(),
  nextBatchId: z
    .string()
    .nullable()
    .optional()
    .describe('The batch that follows, where one was to; null where there is none after all.'),
  nextSkipped: z.enum(['none_succeeded', 'cancelled']).optional().describe('Why no batch follows.'),
  supersededBy: z.string().optional().describe('The batch that took its place, under the same debounce key.'),
  metadata: Metadata,
})

/** An event of a batch's stream. */
export const BatchEvent = z
  .discriminatedUnion('type', [
    BatchStarted,
    JobProgress,
    JobCompleted,
    JobFailed,
    BudgetExceeded,
    ChainFed,
    BatchCompleted,
  ])
  .meta({ id: 'BatchEvent' })
export type BatchEvent = z.infer<typeof BatchEvent>

/** `GET /api/batch/:id`. */
export const PollBatch = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,6}$/, 'Expected a whole number of seconds, such as 25.')
    .transform(Number)
    .optional()
    .describe('With `If-None-Match`: seconds to hold the answer until the state changes; at most 25.'),
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
export const FollowBatch = z.strictObject({
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
    budget: BudgetFacts.optional().describe('Where it has one.'),
    startsAt: z.iso
      .datetime()
      .optional()
      .describe('When its jobs may begin, where that was put off; also in the past.'),
    // biome-ignore lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
    then: NextFacts.optional().describe('Where a batch is to follow.'),
    chain: ChainFacts.optional().describe('Where it follows another.'),
    supersededBy: z.string().optional().describe('The batch that took its place, under the same debounce key.'),
    metadata: Metadata,
  })
  .meta({ id: 'BatchFacts' })

/** The polling answer of `GET /api/batch/:id`. */
export const BatchStatus = z.object({
  success: z.literal(true),
  batch: BatchFacts,
  jobs: z.array(
    z.looseObject({
      id: z.string(),
      sequence: Sequence,
      ...JobFacts,
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
export type PolledStatus = z.infer<typeof PolledStatus>

/** The data of the `resync` with which a stream of all batches begins: those that have not ended. */
export const OwnerState = z.object({ success: z.literal(true), batches: z.array(BatchFacts) })
export type OwnerState = z.infer<typeof OwnerState>
