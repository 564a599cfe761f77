/** One attempt at a job: run under a time limit, with every way it can end turned into an outcome. */
import { backoff } from '../../backoff.ts'
import { MillraceError } from '../../errors.ts'
import type { Operation, Operations, RunContext } from '../../operation.ts'
import type { Clock, EndedAttempt, Log } from '../../ports.ts'
import { asStorageError } from '../../storage-errors.ts'
import type { ClaimedJob } from '../transitions/claim.ts'
import type { LeaseToken, Outcome } from '../transitions/complete-jobs.ts'
import { cancels, isStopCode, STOP_MESSAGES, type StopCode } from '../transitions/stop-codes.ts'

/** Reason why a running attempt is stopped. `lost`: another worker may hold the job, so nothing may be written. */
export type StopReason = StopCode | 'lost' | 'shutdown' | 'time limit'

/** Thrown into an attempt through its AbortSignal. */
export class Stopped extends Error {
  readonly reason: StopReason
  constructor(reason: StopReason) {
    super(`Stopped: ${reason}`)
    this.name = 'Stopped'
    this.reason = reason
  }
}

/** Characters of an error's message that are kept: lists hold a thousand of them. */
const LONGEST_MESSAGE = 4_000
/** Between attempts, where the operation says nothing else. */
export const ATTEMPT_BACKOFF = { firstMs: 1_000, mostMs: 60_000 }
/** Pause before a run that met a storage fault continues; its slot is free for others meanwhile. */
const STORAGE_PAUSE_MS = 5_000

/**
 * Runs one attempt to its end; never throws.
 * @returns the outcome; null when the lease was lost and nothing may be written
 */
export async function runAttempt(
  deps: { clock: Clock; log: Log; operations: Operations },
  job: ClaimedJob,
  stop: AbortController,
  ctx: RunContext,
): Promise<Outcome | null> {
  const { jobId, batchId, sequence, lease, hasConcurrencyLimit, hasFollowUp, hasBudget } = job
  const held = { jobId, batchId, sequence, lease, hasConcurrencyLimit, hasFollowUp, hasBudget }
  const operation = deps.operations[job.operation]
  if (operation === undefined) {
    const message = `This server does not know the operation "${job.operation}".`
    return { ...held, kind: 'failed', code: 'UNKNOWN', message }
  }
  if (stop.signal.aborted) {
    const outcome = outcomeOf(deps, job, operation, held, stop.signal.reason)
    return outcome === null ? null : notStarted(outcome)
  }
  const timer = setTimeout(() => stop.abort(new Stopped('time limit')), operation.timeLimitMs)
  // An operation that does not listen to its signal must not keep its slot.
  const stopped = new Promise<never>((_, reject) =>
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true }),
  )
  try {
    const run = await Promise.race([operation.run(job, ctx), stopped])
    if (run === 'continue') return continueLater(deps.clock, held)
    return 'continueAt' in run ? continueLater(deps.clock, held, run.continueAt) : { ...held, kind: 'completed', run }
  } catch (thrown) {
    // Whatever a stopped run throws, the reason it was stopped for is what counts.
    return outcomeOf(deps, job, operation, held, stop.signal.aborted ? stop.signal.reason : thrown)
  } finally {
    clearTimeout(timer)
  }
}

/** The outcome of a job that was claimed, but of which nothing was run. */
export function notStarted(outcome: Outcome): Outcome {
  return outcome.kind === 'completed' ? outcome : { ...outcome, begun: false }
}

/** The outcome of a job whose batch was stopped. */
export function stoppedOutcome(held: LeaseToken, code: StopCode): Outcome {
  const kind = cancels(code) ? 'cancelled' : 'failed'
  return { ...held, kind, code, message: STOP_MESSAGES[code] }
}

/** Goes on in a fresh run from its checkpoint, on whichever worker; not an attempt. @param runAt when; default: at once */
export function continueLater(
  clock: Clock,
  { jobId, batchId, sequence, lease, hasConcurrencyLimit, hasFollowUp, hasBudget }: LeaseToken,
  runAt = clock.now(),
): Outcome {
  const held = { jobId, batchId, sequence, lease, hasConcurrencyLimit, hasFollowUp, hasBudget }
  return { ...held, kind: 'retry', runAt, refund: true, loss: false, code: null, message: null }
}

function outcomeOf(
  deps: { clock: Clock; log: Log },
  job: ClaimedJob,
  operation: Operation,
  held: LeaseToken,
  thrown: unknown,
): Outcome | null {
  const now = deps.clock.now()
  if (thrown instanceof Stopped && thrown.reason === 'lost') return null
  if (thrown instanceof Stopped && isStopCode(thrown.reason)) {
    return stoppedOutcome(held, thrown.reason)
  }
  if (thrown instanceof Stopped && thrown.reason === 'shutdown') {
    const message = 'The server is restarting; this goes on afterwards.'
    return { ...held, kind: 'retry', runAt: now, refund: true, loss: false, code: 'SERVICE_UNAVAILABLE', message }
  }
  const fault = asStorageError(thrown)
  if (fault !== null) {
    // Not an attempt: it says nothing of the job, and however long it lasts the job must not fail of it.
    deps.log.warn(
      { event: 'job.storage_fault', err: thrown, fault: fault.fault, jobId: job.jobId },
      'a job met a storage fault; it goes on when the storage works again',
    )
    const runAt = now + Math.round(STORAGE_PAUSE_MS * (0.5 + Math.random() / 2))
    const message = 'The storage of the server does not take anything just now; this goes on when it does.'
    return { ...held, kind: 'retry', runAt, refund: true, loss: false, code: fault.code, message }
  }
  const error = asMillraceError(deps.log, job, operation, thrown)
  return failedOutcome(job, held, error, { now, pauseMs: operation.backoff?.(job.attempt, error) })
}

/**
 * The outcome of an attempt that failed: tried again where the error may pass and attempts are left.
 * @param options.pauseMs until the next attempt; undefined: exponential, up to a minute
 */
export function failedOutcome(
  job: Pick<ClaimedJob, 'attempt' | 'maxAttempts'>,
  held: LeaseToken,
  error: MillraceError,
  { now, pauseMs }: { readonly now: number; readonly pauseMs: number | undefined },
): Outcome {
  if (error.transient && job.attempt < job.maxAttempts) {
    const pause = pauseMs ?? backoff(job.attempt, ATTEMPT_BACKOFF)
    const message = `${storable(error.message)} Trying again (${job.attempt + 1} of ${job.maxAttempts}).`
    return { ...held, kind: 'retry', runAt: now + pause, refund: false, loss: false, code: error.code, message }
  }
  return { ...held, kind: 'failed', code: error.code, message: storable(error.message) }
}

/** Text as it comes out of a database again: SQLite ends a text at NUL, and halves of surrogate pairs are no text. */
function storable(message: string): string {
  const text = message.replaceAll('\0', '\u{fffd}').toWellFormed()
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE).toWellFormed()} …` : text
}

function asMillraceError(log: Log, job: ClaimedJob, operation: Operation, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  if (thrown instanceof Stopped) {
    const seconds = Math.round(operation.timeLimitMs / 1000)
    return new MillraceError('TIMEOUT', `This took longer than the ${seconds} seconds it may take.`)
  }
  log.error({ err: thrown, jobId: job.jobId, operation: job.operation }, 'a job failed with an unexpected error')
  return new MillraceError('UNKNOWN', 'Something went wrong that we did not foresee. The server log has the details.')
}

/** Makes the record of an attempt that ended with `outcome`. */
export function endedAttempt(job: ClaimedJob, outcome: Outcome, beganAt: number, endedAt: number): EndedAttempt {
  const { operation, batchId, jobId, attempt } = job
  const code = outcome.kind === 'completed' ? null : outcome.code
  return { operation, batchId, jobId, attempt, outcome: outcome.kind, code, beganAt, endedAt }
}
