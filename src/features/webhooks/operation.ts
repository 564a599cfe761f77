/**
 * The operation `webhook`: sends one event to its receiver, signed as Standard Webhooks 1.0 has it
 * (https://github.com/standard-webhooks/standard-webhooks). The engine makes its jobs; callers cannot.
 */
import { sql } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import { MillraceError } from '../../errors.ts'
import type { Attempt, Database, Operation, Operations, RunContext, Sent } from '../../ports.ts'
import { DELIVERY_ATTEMPTS, DELIVERY_PAUSES_MS, WEBHOOK_OPERATION } from '../../schema/webhooks.ts'
import { WebhookPayload } from './schemas.ts'

/** Milliseconds that a receiver gets to answer; Standard Webhooks recommends 15 to 30 seconds. */
const ANSWER_MS = 15_000
const DAY_MS = 24 * 60 * 60 * 1_000

/** Latest try of a delivery, as the log of deliveries shows it. */
export interface DeliveryTry {
  readonly responseStatus: number | null
  /** Milliseconds since the epoch. */
  readonly at: number
}

/**
 * Makes the operation.
 * @param others whose batches it tells of
 * @param answerMs how long a receiver may take, in milliseconds
 */
export function webhook(others: Operations, answerMs = ANSWER_MS): Operation {
  return {
    name: WEBHOOK_OPERATION,
    concurrency: null,
    maxAttempts: DELIVERY_ATTEMPTS,
    timeLimitMs: 2 * answerMs + 30_000,
    summaryDefaults: {},
    fromItems: null,
    merge: null,
    batchTotals: () => ({}),

    plan() {
      throw new MillraceError('INVALID_REQUEST', 'Deliveries are made by the batches that ask for them.')
    },

    /** The schedule, a tenth of it at random so that what failed together does not return together; later where the receiver asks for it. */
    backoff(attempt, error) {
      const pause = DELIVERY_PAUSES_MS[attempt - 1] ?? DAY_MS
      const asked = error.details?.retryAfterSeconds
      const wait = typeof asked === 'number' ? Math.min(asked * 1_000, DAY_MS) : 0
      return Math.round(Math.max(pause, wait) * (1 + Math.random() / 10))
    },

    async run(job, ctx) {
      const message = await readMessage(ctx.db, job, others)
      const sent = await send(job, message, ctx, answerMs)
      if (sent.status >= 200 && sent.status < 300) {
        const result: DeliveryTry = { responseStatus: sent.status, at: ctx.clock.now() }
        return { result, summary: {}, tallies: {} }
      }
      await note(ctx, sent.status)
      if (sent.status !== 410) throw refused(sent)
      await ctx.db.run(
        sql`UPDATE webhooks SET disabled_at = ${ctx.clock.now()} WHERE id = ${job.batchId} AND disabled_at IS NULL`,
      )
      throw new MillraceError('NOT_FOUND', 'The receiver answered 410 (gone), so it is told nothing more.')
    },

    deleteOwnedRows: (db, ids) => [db.run(sql`DELETE FROM webhooks WHERE id IN (SELECT value FROM json_each(${ids}))`)],
  }
}

interface Message {
  readonly url: string
  readonly secret: string
  readonly body: string
}

async function send(job: Attempt, message: Message, ctx: RunContext, answerMs: number): Promise<Sent> {
  const at = new Date(ctx.clock.now())
  const headers = {
    'content-type': 'application/json',
    'webhook-id': job.jobId,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(message.secret).sign(job.jobId, at, message.body),
  }
  const { url, body } = message
  try {
    return await ctx.fetcher.send(url, { body, headers, timeoutMs: answerMs, signal: ctx.signal })
  } catch (error) {
    // Stopped from outside: not the receiver's fault, and no try of its own.
    ctx.signal.throwIfAborted()
    await note(ctx, null)
    if (!(error instanceof MillraceError) || error.code !== 'TIMEOUT') throw error
    throw new MillraceError('TIMEOUT', `The receiver did not answer within ${answerMs / 1_000} s.`, {
      cause: error,
    })
  }
}

/** Keeps what a try that failed came to; a job's error says it in words alone. */
function note(ctx: RunContext, responseStatus: number | null): Promise<void> {
  const last: DeliveryTry = { responseStatus, at: ctx.clock.now() }
  return ctx.checkpoint(last)
}

/** Whatever is not a success is tried again, as the standard has it: a 404 may be a deployment under way. */
function refused({ status, retryAfterSeconds }: Sent): MillraceError {
  return new MillraceError(
    status === 429 ? 'RATE_LIMIT' : 'SERVICE_UNAVAILABLE',
    `The receiver answered ${status}.`,
    retryAfterSeconds === null ? {} : { details: { retryAfterSeconds } },
  )
}

interface EventRow {
  url: string
  secret: string
  disabled_at: number | null
  batch_id: string
  operation: string
  type: string
  at: number
  job_id: string | null
  job_sequence: number | null
  data: string
}

/** Reads the event that a delivery tells of. It never changes, so every try sends the same bytes. */
async function readMessage(db: Database, job: Attempt, others: Operations): Promise<Message> {
  const [row] = await db.all<EventRow>(sql`
    SELECT w.url, w.secret, w.disabled_at, b.id AS batch_id, b.operation, e.type, e.at, e.job_id, e.job_sequence, e.data
    FROM webhooks w JOIN batches b ON b.id = w.batch_id JOIN events e ON e.batch_id = b.id AND e.seq = ${job.sequence}
    WHERE w.id = ${job.batchId}`)
  if (row === undefined) throw new MillraceError('NOT_FOUND', 'The batch that this tells of was deleted.')
  if (row.disabled_at !== null) {
    throw new MillraceError(
      'NOT_FOUND',
      'The receiver answered 410 (gone) to an earlier delivery, so it is told nothing more.',
    )
  }
  return { url: row.url, secret: row.secret, body: JSON.stringify(payload(row, others[row.operation])) }
}

function payload(row: EventRow, operation: Operation | undefined): WebhookPayload {
  const data: unknown = JSON.parse(row.data)
  const { tallies, ...fields } = Object.fromEntries(Object.entries(data ?? {}))
  const ended = row.type === 'batch_completed'
  return WebhookPayload.parse({
    type: row.type,
    timestamp: new Date(row.at).toISOString(),
    data: {
      batchId: row.batch_id,
      operation: row.operation,
      ...(row.job_id === null ? {} : { jobId: row.job_id, sequence: row.job_sequence }),
      ...fields,
      ...(ended ? { ...operation?.batchTotals(tallies ?? {}), resultsUrl: `/api/batch/${row.batch_id}/results` } : {}),
    },
  })
}
