/** The native surface, `/api/batch`: batches of any operation. */
import * as z from 'zod'
import { list } from '../../http/request/fields.ts'
import { WebhookRequest } from '../../http/request/webhook-request.ts'

const Label = z
  .string()
  .trim()
  .min(1, 'Expected 1 to 64 characters.')
  .max(64, 'Expected 1 to 64 characters.')
  .regex(/^[^\p{Cs}\0]*$/u, 'Expected valid text without NUL.')

/** A whole number in a query string, where everything is text. */
function wholeNumber({ min, max }: { min: number; max: number }) {
  const expected = `Expected a whole number from ${min} to ${max}.`
  return z
    .string()
    .regex(/^\d{1,15}$/, expected)
    .transform(Number)
    .pipe(z.int().min(min, expected).max(max, expected))
}

/** Whatever JSON holds: what was parsed as JSON need not be walked to know that it is some. */
const Json = z.unknown()
// Not by `meta`, which would name a copy: the original is what it holds again.
z.globalRegistry.add(Json, { id: 'Json' })

/** Items that a batch can hold. */
const MAX_BATCH_ITEMS = 100_000_000

/** Items that one request makes; more come in slices. docs/batches.md states it. */
export const MAX_ITEMS = 100_000
const TOO_MANY = `Expected at most ${MAX_ITEMS.toLocaleString('en')} items. Make the batch with "open": true and send them in slices.`

/** A point in time as the options of a batch take it. */
const Time = z.iso.datetime({ offset: true, error: 'Expected a time with its zone, such as 2030-01-01T08:00:00Z.' })

/** Options for running a batch. */
export const BatchOptions = z.strictObject({
  priority: z
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .optional()
    .describe("Head start over the owner's other jobs, in turns; negative to wait behind them."),
  runAt: Time.optional().describe('When its jobs may begin.'),
  maxAttempts: z.int().min(1).max(20).optional().describe('Tries a job.'),
  concurrency: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Jobs run at once; never more than the operation allows.'),
  deadline: Time.optional().describe('When what is left of it is failed.'),
  labels: list(Label, 10).optional(),
  webhook: WebhookRequest.optional().describe('Told what becomes of it.'),
})

/** `POST /api/batch`. */
export const CreateBatch = z
  .strictObject({
    operation: z.string(),
    input: Json.optional().describe('What holds for the whole batch; its operation says which.'),
    items: list(Json, MAX_ITEMS, { tooLong: TOO_MANY }).optional().describe('One a job. Left out with `open`.'),
    open: z.boolean().optional().describe('Takes items later, by `POST /api/batch/:id/items`, until it is sealed.'),
    options: BatchOptions.optional(),
  })
  .meta({ id: 'CreateBatch' })
export type CreateBatch = z.infer<typeof CreateBatch>

/** The answer to `POST /api/batch`. */
export const BatchAccepted = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    totalJobs: z.int(),
    streamUrl: z.string(),
    created: z.boolean().describe('False when the same request under the same `Idempotency-Key` was accepted before.'),
    webhookSecret: z
      .string()
      .optional()
      .describe('The secret made for its webhook, where none was given. It is shown in this answer alone.'),
  })
  .meta({ id: 'BatchAccepted' })
export type BatchAccepted = z.infer<typeof BatchAccepted>

const Page = {
  limit: wholeNumber({ min: 1, max: 1_000 }).optional().describe('At most 1,000.'),
}

/** Cursor of a list of numbered things: where the page begins. */
const Cursor = wholeNumber({ min: 0, max: MAX_BATCH_ITEMS }).optional().describe('`next` of the page before.')

/** `GET /api/batch`. */
export const ListBatches = z.object({
  ...Page,
  status: z.enum(['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled']).optional(),
  operation: z.string().optional(),
  label: Label.optional(),
  cursor: z.string().max(128).optional().describe('`next` of the page before.'),
})

/** `GET /api/batch/:id/jobs`. */
export const ListJobs = z.object({
  ...Page,
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']).optional(),
  cursor: Cursor,
})

/** `GET /api/batch/:id/results`. */
export const ListResults = z.object({
  ...Page,
  set: z
    .enum(['succeeded', 'failed', 'untouched'])
    .optional()
    .describe('`succeeded`; `failed` for good; `untouched`: all the rest, so that it can be sent again.'),
  format: z
    .enum(['json', 'ndjson'])
    .optional()
    .describe('JSON comes in pages; NDJSON whole, unless `limit` says how many lines.'),
  as: z
    .enum(['items'])
    .optional()
    .describe('`items`: nothing but the items as they were sent; as NDJSON, unless `format` is `json`.'),
  cursor: Cursor,
})

/** `POST /api/batch/:id/items`. */
export const AppendItems = z.object({
  from: wholeNumber({ min: 0, max: MAX_BATCH_ITEMS })
    .optional()
    .describe(
      'Place of the first item in the whole batch, from 0; may be left out while the batch is empty. The same slice sent again at the same place is not doubled.',
    ),
})

/** `POST /api/batch/:id/seal`; the body may be left out. */
export const SealBatch = z
  .strictObject({
    total: z
      .int()
      .min(0)
      .max(MAX_BATCH_ITEMS)
      .optional()
      .describe('How many items there should be; refused where there is another number.'),
  })
  .meta({ id: 'SealBatch' })

/** The answer to `GET /api/batch`. A batch also has the facts of its operation, such as `swimmerName`. */
export const BatchList = z
  .object({
    success: z.literal(true),
    batches: z.array(
      z.looseObject({
        id: z.string(),
        operation: z.string(),
        status: z.enum(['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled']),
        labels: z.array(z.string()),
        totalJobs: z.int(),
        completedJobs: z.int(),
        failedJobs: z.int(),
        cancelledJobs: z.int(),
        paused: z.boolean(),
        open: z.boolean(),
        createdAt: z.iso.datetime(),
        finishedAt: z.iso.datetime().nullable(),
      }),
    ),
    next: z.string().nullable().describe('What to send as `cursor` for the next page; null on the last.'),
  })
  .meta({ id: 'BatchList' })
export type BatchList = z.infer<typeof BatchList>

/** The answer to `GET /api/batch/:id/jobs`. A job also has what its operation sums up. */
export const JobList = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    jobs: z.array(
      z.looseObject({
        id: z.string(),
        sequence: z.int(),
        filename: z.string().nullable(),
        status: z.string(),
        progressPercent: z.int(),
        progressMessage: z.string().nullable(),
        errorCode: z.string().nullable(),
        errorMessage: z.string().nullable(),
      }),
    ),
    next: z.int().nullable().describe('What to send as `cursor` for the next page; null on the last.'),
  })
  .meta({ id: 'JobList' })
export type JobList = z.infer<typeof JobList>

/** The answer to cancel, pause, resume and delete. */
export const BatchSteered = z.object({ success: z.literal(true), batchId: z.string() }).meta({ id: 'BatchSteered' })
export type BatchSteered = z.infer<typeof BatchSteered>

/** The answer to seal. */
export const BatchSealed = BatchSteered.extend({ totalJobs: z.int() }).meta({ id: 'BatchSealed' })
export type BatchSealed = z.infer<typeof BatchSealed>

/** The answer to retry. */
export const BatchRetried = BatchSteered.extend({ retriedJobs: z.int() }).meta({ id: 'BatchRetried' })
export type BatchRetried = z.infer<typeof BatchRetried>

/** The answer to `POST /api/batch/:id/items`. */
export const ItemsAppended = BatchSteered.extend({
  received: z.int().describe('Items that were read.'),
  added: z.int().describe('Those among them that were not there before.'),
  next: z.int().describe('Place of the item that comes next.'),
}).meta({ id: 'ItemsAppended' })
export type ItemsAppended = z.infer<typeof ItemsAppended>

/** A job of `GET …/results`: where it stands, and what it gave or why it did not. */
export const ItemResult = z
  .object({
    index: z.int().describe('Place in the batch, from 0.'),
    jobId: z.string(),
    set: z.enum(['succeeded', 'failed', 'untouched']),
    item: z.unknown(),
    result: z.unknown().optional(),
    errorCode: z.string().optional(),
    errorMessage: z.string().optional(),
  })
  .meta({ id: 'ItemResult' })
export type ItemResult = z.infer<typeof ItemResult>

/** The answer to `GET …/results` of operations that do not merge: a page of the jobs, in three sets, or the one asked for. */
export const ResultSets = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    status: z.enum(['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled']),
    succeeded: z.array(ItemResult).optional(),
    failed: z.array(ItemResult).optional(),
    untouched: z.array(ItemResult).optional(),
    items: z.array(z.unknown()).optional().describe('With `as=items`, in place of the sets.'),
    next: z
      .int()
      .nullable()
      .describe(
        'What to send as `cursor` for the next page; null on the last. A page ends early where its jobs come to 4 MB.',
      ),
  })
  .meta({ id: 'ResultSets' })
