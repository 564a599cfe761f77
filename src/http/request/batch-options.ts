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

/** Options that hold for every batch, however it begins. */
const Common = {
  priority: z
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .optional()
    .describe("Head start over the owner's other jobs, in turns; negative to wait behind them."),
  maxAttempts: z.int().min(1).max(20).optional().describe('Tries a job.'),
  concurrency: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Jobs run at once; never more than the operation allows.'),
  labels: list(Label, 10).optional(),
  metadata: z
    .unknown()
    .refine(isSmall, `Expected at most ${MAX_METADATA_BYTES.toLocaleString('en')} bytes of JSON.`)
    .optional()
    .describe("The caller's own data: any JSON of at most 16 KB, repeated in events, lists, polling and webhooks."),
  budget: Budget.optional().describe('Pauses or cancels the rest of it once too much went wrong, or it cost too much.'),
}

/** Batches that may follow one another. docs/batches.md states it. */
export const MAX_CHAIN = 10

/** The `then` option of a create: a batch whose items are the results of this one. */
export const Then = z
  .strictObject({
    operation: z.string(),
    input: Json.optional().describe('What holds for the whole batch; its operation says which.'),
    get options() {
      return ThenOptions.optional()
    },
  })
  .meta({ id: 'Then' })
export type Then = z.infer<typeof Then>

const ThenOptions = z
  .strictObject({
    ...Common,
    webhook: WebhookRequest.optional().describe(
      'Told what becomes of it; with a `secret` of the caller, since no answer would show one that is made.',
    ),
    // biome-ignore lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
    get then() {
      return Then.optional()
    },
  })
  .meta({ id: 'ThenOptions' })

const DURATION = /^[1-9]\d{0,6}[smhd]$/
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_DURATION_MS = 7 * 86_400_000

/** Converts a checked duration, such as `30s`, to milliseconds. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 0)

/** A length of time, as the options of a create take it. */
const Duration = z
  .string()
  .refine(
    (text) => DURATION.test(text) && durationMs(text) <= MAX_DURATION_MS,
    'Expected a number with its unit, from "1s" to "7d", such as "30s", "5m" or "2h".',
  )

/** A key that creates share; one of each for an owner and an operation. */
const SharedKey = z
  .string()
  .min(1, 'Expected 1 to 128 characters.')
  .max(128, 'Expected 1 to 128 characters.')
  .regex(/^[^\p{Cs}\0]*$/u, 'Expected valid text without NUL.')

/** Options for running a batch. */
export const BatchOptions = z.strictObject({
  ...Common,
  runAt: Time.optional().describe('When its jobs may begin.'),
  deadline: Time.optional().describe('When what is left of it is failed.'),
  webhook: WebhookRequest.optional().describe('Told what becomes of it.'),
  // biome-ignore lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
  then: Then.optional().describe(
    'The batch that follows: made when this one ends, its items are the results of this one.',
  ),
  debounce: z
    .strictObject({
      key: SharedKey.describe('Creates of one operation under the same key are a series.'),
      period: Duration.describe(
        'It begins once no other create of the series came for so long; such a create takes its place.',
      ),
      timeout: Duration.optional().describe(
        'The longest that the first of a series is put off. Left out: without end.',
      ),
    })
    .optional()
    .describe('Of several creates in quick succession the last one runs.'),
  throttle: z
    .strictObject({
      key: SharedKey.describe('Creates of one operation under the same key are counted together.'),
      limit: z.int().min(1).max(1_000).describe('Batches that begin within any period.'),
      period: Duration,
    })
    .optional()
    .describe('Creates beyond the limit begin later, in their order; none is dropped.'),
})
