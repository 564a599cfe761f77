/** Asynchronous answers: a receiver that accepted a call (202) finishes it at a signed address, while the job takes no concurrency slot. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { Attempt, ContinueAt, RunContext, RunResult } from '../../operation.ts'
import type { Clock, Database } from '../../ports.ts'
import { finish, valueOfText } from './answer.ts'
import { type NamedCall, signCallback } from './callback-token.ts'
import type { HttpInput } from './schemas.ts'

/** Header of a call that has the address to call back at. */
export const CALLBACK_HEADER = 'millrace-callback'
/** Path below which the addresses are. */
export const CALLBACKS = '/api/callbacks'

/** A call that may be answered later, as its job keeps it. `until` is when the wait ends, in milliseconds since the epoch. */
const Waiting = z.object({ call: z.string(), until: z.number(), taken: z.boolean() })
type Waiting = z.infer<typeof Waiting>

/** Parts of the server that answers which come later need. */
export interface CallbackServices {
  readonly signingKey: () => Promise<string>
  /** Address under which the world reaches the server; null where it is not known. */
  readonly publicUrl: string | null
}

/** Reads from the checkpoint of a job the call that may be answered later; null for none. */
export const waitingOf = (job: Attempt): Waiting | null => Waiting.safeParse(job.checkpoint).data ?? null

/**
 * Keeps a call before it is made, so that its answer is known whenever it comes, and makes the header with its address.
 * @returns the call, and the header
 */
export async function openCallback(
  job: Attempt,
  ctx: RunContext,
  { callback, timeoutMs }: HttpInput,
  { signingKey, publicUrl }: CallbackServices,
): Promise<{ waiting: Waiting; header: Readonly<Record<string, string>> } | null> {
  if (callback === undefined || publicUrl === null) return null
  const until = ctx.clock.now() + timeoutMs + callback.withinSeconds * 1_000
  // A call that is made once more keeps its name: an answer to either is the answer.
  const waiting = { call: waitingOf(job)?.call ?? uuidv7(), until, taken: false }
  await ctx.checkpoint(waiting)
  const token = await signCallback(await signingKey(), { jobId: job.jobId, call: waiting.call }, until)
  const url = `${publicUrl.replace(/\/+$/, '')}${CALLBACKS}/${job.jobId}?token=${token}`
  return { waiting, header: { [CALLBACK_HEADER]: url } }
}

/**
 * Continues a call that a receiver accepted.
 * @returns its result where the callback came, else the time of the next check
 * @throws MillraceError TIMEOUT once the wait is over; the next attempt makes the call anew
 */
export async function awaitCallback(
  job: Attempt,
  ctx: RunContext,
  waiting: Waiting,
  scrub: (text: string) => string,
): Promise<RunResult | ContinueAt> {
  const result = await findAnswer(job, ctx, waiting, scrub)
  if (result !== null) return result
  if (ctx.clock.now() < waiting.until) return { continueAt: waiting.until }
  await ctx.checkpoint({ ...waiting, taken: false })
  throw new MillraceError('TIMEOUT', 'The receiver took the call and did not call back in time.')
}

/** Notes that the receiver took the call, and waits. */
export async function beginWait(
  job: Attempt,
  ctx: RunContext,
  waiting: Waiting,
  scrub: (text: string) => string,
): Promise<RunResult | ContinueAt> {
  const taken = { ...waiting, taken: true }
  await ctx.checkpoint(taken)
  return awaitCallback(job, ctx, taken, scrub)
}

interface CallbackRow {
  content_type: string
  body: string
  outcome: 'completed' | 'failed' | 'retry'
  retry_after_ms: number | null
}

/** Characters of a receiver's reason that are kept. */
const MAX_REASON = 1_000

/** Makes the error of a call that its receiver reports as failed. The reason is text, or the member `message` of JSON. */
function reportedFailure(
  { body, content_type, outcome, retry_after_ms }: CallbackRow,
  scrub: (text: string) => string,
) {
  const value = body === '' ? '' : valueOfText(scrub(body), content_type)
  const said = typeof value === 'object' && value !== null && 'message' in value ? value.message : value
  const reason = (typeof said === 'string' ? said : JSON.stringify(said)).trim().slice(0, MAX_REASON).toWellFormed()
  return new MillraceError(
    'OPERATION_FAILED',
    `The receiver reported that it failed${reason === '' ? '.' : `: ${reason}`}`,
    {
      transient: outcome === 'retry',
      ...(retry_after_ms === null ? {} : { details: { retryAfterMs: retry_after_ms } }),
    },
  )
}

/**
 * Finds what a receiver called back with.
 * @returns the result; null where it did not yet
 * @throws MillraceError OPERATION_FAILED where it reported that the call failed
 */
export async function findAnswer(
  { jobId }: Attempt,
  { db, checkpoint }: Pick<RunContext, 'db' | 'checkpoint'>,
  { call }: Waiting,
  scrub: (text: string) => string,
): Promise<RunResult | null> {
  const [row] = await db.all<CallbackRow>(
    sql`SELECT content_type, body, outcome, retry_after_ms FROM http_callbacks WHERE job_id = ${jobId} AND call = ${call}`,
  )
  if (row === undefined) return null
  if (row.outcome !== 'completed') {
    // The next attempt makes a call of another name: an answer to this one is none to that.
    await checkpoint({})
    await db.run(sql`DELETE FROM http_callbacks WHERE job_id = ${jobId} AND call = ${call}`)
    throw reportedFailure(row, scrub)
  }
  const body = row.body === '' ? null : valueOfText(scrub(row.body), row.content_type)
  const headers: Record<string, string> = row.content_type === '' ? {} : { 'content-type': row.content_type }
  const run = finish({ status: 202, headers, body }, new TextEncoder().encode(row.body).byteLength)
  return {
    ...run,
    writes: (held) => [db.run(sql`DELETE FROM http_callbacks WHERE job_id = ${jobId} AND ${held}`)],
  }
}

/** An answer that a receiver calls back with. */
interface Callback {
  readonly contentType: string
  readonly body: string
  /** @default completed */
  readonly outcome?: CallbackRow['outcome'] | undefined
  /** Pause before the next attempt, in milliseconds. @default the usual one */
  readonly retryAfterMs?: number | null
}

/**
 * Keeps what a receiver calls back with, and has its job go on.
 * @returns false where the call waits no more: it was called back before, ended or was cancelled
 */
export async function acceptCallback(
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  { jobId, call }: NamedCall,
  { contentType, body, outcome = 'completed', retryAfterMs = null }: Callback,
): Promise<boolean> {
  const now = clock.now()
  const waits = sql`id = ${jobId} AND status IN ('running', 'scheduled', 'blocked', 'ready') AND checkpoint ->> '$.call' = ${call}`
  const [kept] = await db.batch([
    db.all(sql`
      INSERT INTO http_callbacks (job_id, call, batch_id, content_type, body, outcome, retry_after_ms, received_at)
      SELECT id, ${call}, batch_id, ${contentType}, ${body}, ${outcome}, ${retryAfterMs}, ${now} FROM jobs WHERE ${waits}
      ON CONFLICT DO NOTHING RETURNING job_id`),
    // A job that is only about to wait finds by this that it need not.
    db.run(sql`UPDATE jobs SET checkpoint = json_set(checkpoint, '$.due', json('true')) WHERE ${waits}`),
    db.run(sql`UPDATE jobs SET run_at = ${now} WHERE ${waits} AND status = 'scheduled'`),
  ])
  return kept.length > 0
}
