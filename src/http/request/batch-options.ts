/** The options of a batch, and the pieces of a create that other requests for batches have too. */
import * as z from 'zod'
import { list } from './fields.ts'
import { WebhookRequest } from './webhook-request.ts'

/** A label by which batches are filtered in lists. */
export const Label = z
  .string()
  .trim()
  .min(1, 'Expected 1 to 64 characters.')
  .max(64, 'Expected 1 to 64 characters.')
  .regex(/^[^\p{Cs}\0]*$/u, 'Expected valid text without NUL.')

/** Whatever JSON holds: what was parsed as JSON need not be walked to know that it is some. */
export const Json = z.unknown()
// Not by `meta`, which would register a copy: schemas that nest it refer to the original.
z.globalRegistry.add(Json, { id: 'Json' })

/** Items that a batch can hold. */
export const MAX_BATCH_ITEMS = 100_000_000

/** Items that one request makes; more come in slices. docs/batches.md states it. */
export const MAX_ITEMS = 100_000

/** A point in time as the options of a batch take it. */
const Time = z.iso.datetime({ offset: true, error: 'Expected a time with its zone, such as 2030-01-01T08:00:00Z.' })

const MAX_METADATA_BYTES = 16_384
const isSmall = (value: unknown) =>
  new TextEncoder().encode(JSON.stringify(value) ?? '').byteLength <= MAX_METADATA_BYTES

/** Limits of which at least one is given. */
const hasLimit = (budget: object) => ['maxFailures', 'maxFailureRate', 'maxCost'].some((limit) => limit in budget)

/** The `budget` option of a create. */
const Budget = z
  .strictObject({
    maxFailures: z
      .int()
      .min(0, 'Expected a whole number of failures, such as 10.')
      .max(MAX_BATCH_ITEMS)
      .optional()
      .describe('Failures for good that are taken; one more exceeds it.'),
    maxFailureRate: z
      .number()
      .min(0, 'Expected a share from 0 to 1, such as 0.1 for a tenth.')
      .max(1, 'Expected a share from 0 to 1, such as 0.1 for a tenth.')
      .optional()
      .describe('Share of failures among the jobs that ended, 0 to 1.'),
    minEnded: z
      .int()
      .min(1)
      .max(MAX_BATCH_ITEMS)
      .optional()
      .describe('Jobs that have ended before `maxFailureRate` is looked at. Default 20.'),
    maxCost: z
      .number()
      .min(0, 'Expected a number of at least 0.')
      .optional()
      .describe('Sum of what completed jobs emitted under the name `cost`.'),
    onExceeded: z
      .enum(['pause', 'cancel'])
      .optional()
      .describe(
        'What is done with the rest. Default `pause`; a budget that was exceeded counts anew once the batch is resumed.',
      ),
  })
  .refine(hasLimit, 'Expected maxFailures, maxFailureRate or maxCost.')

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
  metadata: z
    .unknown()
    .refine(isSmall, `Expected at most ${MAX_METADATA_BYTES.toLocaleString('en')} bytes of JSON.`)
    .optional()
    .describe("The caller's own data: any JSON of at most 16 KB, told again in events, lists, polling and webhooks."),
  budget: Budget.optional().describe('Pauses or cancels the rest of it once too much went wrong, or it cost too much.'),
  webhook: WebhookRequest.optional().describe('Told what becomes of it.'),
})
