/** The operation `echo`: returns its input, after the delay and the failures that the input asks for. For trying the engine, and for its tests. */
import * as z from 'zod'
import { sleep } from '../../backoff.ts'
import { MillraceError } from '../../errors.ts'
import { list, text } from '../../http/request/fields.ts'
import { refuseItem } from '../../http/request/refusals.ts'
import { parse, safeParse } from '../../http/request/safe-parse.ts'
import type { Operation } from '../../operation.ts'

/** Items of one request, as the native surface takes them. */
const MAX_ITEMS = 100_000

const MAX_AMOUNT = 1e15

const Item = z.strictObject({
  /** Given back as the job's result. */
  value: z.unknown().default(null),
  /** Duration of the job, in milliseconds; at most a minute. */
  waitMs: z.int().min(0).max(60_000).default(0),
  /** Number of progress reports while it waits. */
  steps: z.int().min(0).max(100).default(0),
  /** Number of attempts that fail, with a transient error, before one succeeds. */
  failures: z.int().min(0).max(100).default(0),
  /** Fails at once and for good, with this message. */
  error: text({ min: 1, max: 1_000 }).optional(),
  /** A number added up over the batch; bounded, so that every sum is a number that JSON holds. */
  amount: z.number().min(-MAX_AMOUNT).max(MAX_AMOUNT).default(1),
  /** Cost of the job, counted against the budget of the batch. */
  cost: z.number().min(0).max(MAX_AMOUNT).default(0),
})
const Request = z.object({ items: list(Item, MAX_ITEMS) })
/** Jobs are kept as they were sent: what is left out of them is filled in when they run. */
const Sent = z.object({ items: z.array(z.unknown()) })

export const echo: Operation = {
  name: 'echo',
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: 90_000,
  summaryDefaults: {},

  plan(request) {
    const parsed = safeParse(Request, request)
    if (!parsed.success) throw refuseItem(['body'], request, parsed.error)
    return { input: {}, facts: {}, jobs: Sent.parse(request).items.map((input) => ({ input })) }
  },

  fromItems: (_input, items) => ({ items }),

  async run(job, ctx) {
    const item = parse(Item, job.input)
    const pause = item.waitMs / (item.steps + 1)
    for (let step = 1; step <= item.steps; step++) {
      await sleep(pause, ctx.signal)
      ctx.progress((100 * step) / (item.steps + 1), `Step ${step} of ${item.steps}`)
    }
    if (pause > 0) await sleep(pause, ctx.signal)
    if (item.error !== undefined) throw new MillraceError('UNKNOWN', item.error)
    if (job.attempt <= item.failures) {
      throw new MillraceError('SERVICE_UNAVAILABLE', `Failed on attempt ${job.attempt}, as asked.`)
    }
    return {
      result: item.value,
      summary: {},
      tallies: { amount: item.amount, ...(item.cost > 0 ? { cost: item.cost } : {}) },
    }
  },

  batchTotals: (tallies) => ({ amount: tallies.amount ?? 0 }),

  merge: null,
}
