/**
 * The operation `webhook`: sends one event to its receiver, signed as Standard Webhooks 1.0 has it
 * (https://github.com/standard-webhooks/standard-webhooks). The engine makes its jobs; callers cannot.
 */
import { sql } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import { MillraceError } from '../../errors.ts'
import { EVENT_COLUMNS, type EventRow, presentEvent } from '../../events.ts'
import type { Attempt, Operation, Operations, RunContext } from '../../operation.ts'
import { type Database, NETWORK_FAULTS, type NetworkFault, type Sent } from '../../ports.ts'
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

/** Settings of deliveries. */
export interface WebhookSettings {
  /** Time that a receiver may take, in milliseconds. @default 15,000 */
  readonly answerMs?: number
  /** Path below which the addresses in payloads are. @default the root */
  readonly basePath?: string
}

/**
 * Makes the operation.
 * @param others operations whose batches it reports
 */
export function webhook(others: Operations, { answerMs = ANSWER_MS, basePath = '' }: WebhookSettings = {}): Operation {
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
      const message = await readMessage(ctx.db, job, others, basePath)
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
    throw noAnswer(error, answerMs)
  }
}

const FAULT_WORDS: Readonly<Record<NetworkFault, string>> = {
  'unknown name': 'There is no receiver under the name in its address.',
  'name service': "The name in the receiver's address could not be looked up just now.",
  refused: 'The receiver refused the connection.',
  certificate: 'The security certificate of the receiver could not be verified.',
  reset: 'The receiver reset the connection before it had answered.',
  lost: 'The receiver refused or reset the connection before it had answered.',
  garbled: 'The receiver answered with something that is not HTTP.',
  unreachable: 'The receiver could not be reached.',
}

/** Makes the error of a receiver that gave no answer, in words for the reader of the log: the Fetcher's own are about links to files. */
function noAnswer(error: unknown, answerMs: number): unknown {
  if (!(error instanceof MillraceError)) return error
  if (error.code === 'TIMEOUT') {
    return new MillraceError('TIMEOUT', `The receiver did not answer within ${answerMs / 1_000} s.`, { cause: error })
  }
  const fault = NETWORK_FAULTS.find((one) => one === error.details?.fault)
  return fault === undefined ? error : new MillraceError('NETWORK_ERROR', FAULT_WORDS[fault], { cause: error })
}

/** Keeps what a try that failed came to; a job's error says it in words alone. */
function note(ctx: RunContext, responseStatus: number | null): Promise<void> {
  const last: DeliveryTry = { responseStatus, at: ctx.clock.now() }
  return ctx.checkpoint(last)
}

/** Makes the error of an answer that is no success. Each is retried, as the Standard Webhooks demand: a 404 may be a deployment under way. */
function refused({ status, retryAfterSeconds }: Sent): MillraceError {
  return new MillraceError(
    status === 429 ? 'RATE_LIMIT' : 'SERVICE_UNAVAILABLE',
    `The receiver answered ${status}.`,
    retryAfterSeconds === null ? {} : { details: { retryAfterSeconds } },
  )
}

interface DeliveryRow extends EventRow {
  receiver: string
  secret: string
  disabled_at: number | null
  batch_id: string
  operation: string
  batch_metadata: string | null
}

/** Reads the event that a delivery reports. It never changes, so every attempt sends the same bytes. */
async function readMessage(db: Database, job: Attempt, others: Operations, basePath: string): Promise<Message> {
  const [row] = await db.all<DeliveryRow>(sql`
    SELECT w.url AS receiver, w.secret, w.disabled_at, b.id AS batch_id, b.operation, b.metadata AS batch_metadata, ${EVENT_COLUMNS}
    FROM webhooks w JOIN batches b ON b.id = w.batch_id JOIN events e ON e.batch_id = b.id AND e.seq = ${job.sequence}
    WHERE w.id = ${job.batchId}`)
  if (row === undefined) throw new MillraceError('NOT_FOUND', 'The batch that this tells of was deleted.')
  if (row.disabled_at !== null) {
    throw new MillraceError(
      'NOT_FOUND',
      'The receiver answered 410 (gone) to an earlier delivery, so it is told nothing more.',
    )
  }
  return { url: row.receiver, secret: row.secret, body: JSON.stringify(payload(row, others[row.operation], basePath)) }
}

function payload(row: DeliveryRow, operation: Operation | undefined, basePath: string): WebhookPayload {
  // Each delivery carries the caller's metadata: the receiver may know nothing else of the batch.
  const { job, data, totals } = presentEvent({ ...row, metadata: row.batch_metadata }, operation)
  const { tallies, ...fields } = data
  return WebhookPayload.parse({
    type: row.type,
    timestamp: new Date(row.at).toISOString(),
    data: {
      batchId: row.batch_id,
      operation: row.operation,
      ...job,
      ...fields,
      ...totals,
      ...(row.type === 'batch_completed' ? { resultsUrl: `${basePath}/api/batch/${row.batch_id}/results` } : {}),
    },
  })
}
