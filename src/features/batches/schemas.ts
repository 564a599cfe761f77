/** The native surface, `/api/batch`: batches of any operation. */
import * as z from 'zod'
import { BatchOptions, Json, Label, MAX_BATCH_ITEMS, MAX_ITEMS } from '../../http/request/batch-options.ts'
import { list, PageLimit, wholeNumber } from '../../http/request/fields.ts'
import { JobFacts, Metadata, Sequence } from './follow-schemas.ts'

const TOO_MANY = `Expected at most ${MAX_ITEMS.toLocaleString('en')} items. Make the batch with "open": true and send them in slices.`

/** `POST /api/batch`. */
export const CreateBatch = z
  .strictObject({
    operation: z.string(),
    input: Json.optional().describe('What holds for the whole batch; its operation says which.'),
    items: list(Json, MAX_ITEMS, { tooLong: TOO_MANY })
      .optional()
      .describe(
        "One a job. Left out with `open`. An item that is an object may have an `id` of the caller's own, unique in its batch.",
      ),
    open: z.boolean().optional().describe('Takes items later, by `POST /api/batch/:id/items`, until it is sealed.'),
    options: BatchOptions.optional(),
    dryRun: z
      .boolean()
      .optional()
      .describe('Checks and plans all of it, and answers what came of that; keeps nothing.'),
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
    startsAt: z.iso.datetime().optional().describe('When it may begin, with `debounce` or `throttle`.'),
    created: z.boolean().describe('False when the same request under the same `Idempotency-Key` was accepted before.'),
    webhookSecret: z
      .string()
      .optional()
      .describe('The secret generated for its webhook, where none was given. It is shown in this answer alone.'),
    notice: z
      .string()
      .optional()
      .describe('Said where its jobs are for workers over HTTP, and none has asked for any in the last minute.'),
  })
  .meta({ id: 'BatchAccepted' })
export type BatchAccepted = z.infer<typeof BatchAccepted>

/** The answer to `POST /api/batch` with `dryRun`. */
export const DryRunReport = z
  .object({
    success: z.literal(true),
    dryRun: z.literal(true),
    operation: z.string(),
    items: z.int(),
    valid: z.int().describe('Items that would become jobs.'),
    invalid: z.int().describe('Items that are wrong. Where there are any, the create itself would be refused.'),
    errors: z
      .array(
        z.object({ index: z.int().describe('Place of the item, from 0.'), field: z.string(), message: z.string() }),
      )
      .describe('The first thing that is wrong of each item; of the first 100 of them.'),
    totalJobs: z.int().describe('Jobs of the valid items.'),
    estimatedSeconds: z
      .int()
      .nullable()
      .describe(
        'How long these would run, as the last batches of this operation did; null where none has ended here. Not counted is how long they wait.',
      ),
  })
  .meta({ id: 'DryRunReport' })
export type DryRunReport = z.infer<typeof DryRunReport>

/** Cursor of a list of numbered things: where the page begins. */
const Cursor = wholeNumber({ min: 0, max: MAX_BATCH_ITEMS }, 'Expected `next` of the page before.')
  .optional()
  .describe('`next` of the page before.')

/** `GET /api/batch`. */
export const ListBatches = z.strictObject({
  limit: PageLimit,
  status: z.enum(['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled']).optional(),
  operation: z.string().optional(),
  label: Label.optional(),
  cursor: z.uuid('Expected `next` of the page before.').optional().describe('`next` of the page before.'),
})

/** `GET /api/batch/:id/jobs`. */
export const ListJobs = z.strictObject({
  limit: PageLimit,
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']).optional(),
  cursor: Cursor,
})

/** `GET /api/batch/:id/results`. */
export const ListResults = z.strictObject({
  limit: PageLimit,
  set: z
    .enum(['succeeded', 'failed', 'untouched'])
    .optional()
    .describe('`succeeded`; `failed` for good; `untouched`: all others, which can be sent anew.'),
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
export const AppendItems = z.strictObject({
  from: wholeNumber({ min: 0, max: MAX_BATCH_ITEMS })
    .optional()
    .describe(
      'Position of the first item in the whole batch, from 0; may be omitted while the batch is empty. The same slice repeated at the same position is not doubled.',
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
        metadata: Metadata,
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
        sequence: Sequence,
        ...JobFacts,
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
export const BatchChanged = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    total: z.int().describe('Jobs that it is about: those that had not ended, of a deleted batch all.'),
  })
  .meta({ id: 'BatchChanged' })
export type BatchChanged = z.infer<typeof BatchChanged>

const Changed = BatchChanged.omit({ total: true })

/** The answer to seal. */
export const BatchSealed = Changed.extend({ totalJobs: z.int() }).meta({ id: 'BatchSealed' })
export type BatchSealed = z.infer<typeof BatchSealed>

/** The answer to retry. */
export const BatchRetried = Changed.extend({ retriedJobs: z.int() }).meta({ id: 'BatchRetried' })
export type BatchRetried = z.infer<typeof BatchRetried>

/** The answer to `POST /api/batch/:id/items`. */
export const ItemsAppended = Changed.extend({
  received: z.int().describe('Items that were read.'),
  added: z.int().describe('Those among them that were not there before.'),
  next: z.int().describe('Place of the item that comes next.'),
}).meta({ id: 'ItemsAppended' })
export type ItemsAppended = z.infer<typeof ItemsAppended>

/** A job of `GET …/results`: where it stands, and what it gave or why it did not. */
export const ItemResult = z
  .object({
    index: z
      .int()
      .describe('Place in the batch, from 0, as in `items` of the create and in `from`: one less than `sequence`.'),
    jobId: z.string(),
    itemId: JobFacts.itemId,
    filename: JobFacts.filename,
    url: JobFacts.url,
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
export type ResultSets = z.infer<typeof ResultSets>
