/** Following a batch by long polls: the server holds each until something has changed. */
import type { BatchEvent, BatchStatus, PolledEvents } from '../features/batches/follow-schemas.ts'
import { failure, type Http } from './http.ts'
import { type Item, isEnded, logged, type Position, resynced, type Target } from './items.ts'
import { sleep } from './timing.ts'

/** Statuses of a job that does not run; every other is its operation's word for what it does. */
const AT_REST = new Set(['pending', 'completed', 'failed', 'cancelled'])

/**
 * Polls a batch as long as `more` says, and once at least.
 * @returns whether the batch is over and the follower has all of it
 * @throws ApiError
 */
export async function* pollBatch(
  http: Http,
  { batchId, token }: Target,
  at: Position,
  signal: AbortSignal,
  more: () => boolean,
): AsyncGenerator<Item, boolean, void> {
  const { pollMs, answerMs, betweenPollsMs } = http.timing
  let etag: string | null = null
  let told = new Map<string, string>()
  for (;;) {
    const earliest = Date.now() + betweenPollsMs
    const limit = AbortSignal.timeout(pollMs + answerMs)
    const response = await http.send(`/${encodeURIComponent(batchId)}`, {
      query: { wait: Math.round(pollMs / 1_000), after: at.cursor, token },
      headers: etag === null ? {} : { 'If-None-Match': etag },
      signal: AbortSignal.any([signal, limit]),
    })
    at.failures = 0
    if (response.status !== 304) {
      const answer: BatchStatus & PolledEvents = await response.json().catch((error: unknown) => {
        throw failure(error)
      })
      yield* itemsOf(answer, at)
      // A tag stands for all that was known; before the next change is waited for, the follower must have all of it.
      if (at.cursor < answer.batch.lastEventId) continue
      if (isEnded(answer)) return true
      etag = response.headers.get('ETag')
      const progress = new Map(progressOf(answer).map((event) => [event.jobId, event]))
      for (const [jobId, event] of progress) {
        if (told.get(jobId) !== JSON.stringify(event)) yield { event }
      }
      told = new Map([...progress].map(([jobId, event]) => [jobId, JSON.stringify(event)]))
    }
    if (!more()) return false
    await sleep(Math.max(0, earliest - Date.now()), signal)
  }
}

function* itemsOf(answer: BatchStatus & PolledEvents, at: Position): Generator<Item, void, void> {
  const { events, eventsTo, ...state } = answer
  if (at.cursor > state.batch.lastEventId) {
    yield resynced(at, state, state.batch.lastEventId)
    return
  }
  for (const { id, data } of events) {
    const item = logged(at, id, data)
    if (item !== null) yield item
  }
  // Events that a later run of the batch replaced are passed over.
  at.cursor = Math.max(at.cursor, eventsTo)
}

function progressOf({ batch, jobs }: BatchStatus): Extract<BatchEvent, { type: 'job_progress' }>[] {
  return jobs
    .filter(({ status }) => !AT_REST.has(status))
    .map(({ id, sequence, status, progressPercent, progressMessage }) => ({
      type: 'job_progress',
      batchId: batch.id,
      jobId: id,
      sequence,
      status,
      progressPercent,
      progressMessage: progressMessage ?? '',
    }))
}
