/** Follows a batch by long polls, each of which the server answers once the state has changed. */

import { sleep } from '../backoff.ts'
import type { BatchEvent, BatchStatus, PolledEvents } from '../features/batches/follow-schemas.ts'
import { type Http, readJson } from './http.ts'
import { type Item, isEnded, logged, type Position, resynced, type Target } from './items.ts'
import { linkSignals } from './signals.ts'

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
  let sent = new Map<string, string>()
  for (;;) {
    const earliest = Date.now() + betweenPollsMs
    const { answer, tag } = await poll(etag)
    at.failures = 0
    if (answer !== null) {
      yield* itemsOf(answer, at)
      // A tag stands for a whole state; before the next poll waits for a change, the follower must have all events of that state.
      if (at.cursor < answer.batch.lastEventId) continue
      if (isEnded(answer)) return true
      etag = tag
      const progress = new Map(progressOf(answer).map((event) => [event.jobId, event]))
      for (const [jobId, event] of progress) {
        if (sent.get(jobId) !== JSON.stringify(event)) yield { event }
      }
      sent = new Map([...progress].map(([jobId, event]) => [jobId, JSON.stringify(event)]))
    }
    if (!more()) return false
    await sleep(Math.max(0, earliest - Date.now()), signal)
  }

  /** The state, and its tag; null where it is still the one of `known`. */
  async function poll(known: string | null) {
    const either = linkSignals([signal], pollMs + answerMs)
    try {
      const response = await http.send(`/${encodeURIComponent(batchId)}`, {
        query: { wait: Math.round(pollMs / 1_000), after: at.cursor, token },
        headers: known === null ? {} : { 'If-None-Match': known },
        signal: either.signal,
      })
      const answer = response.status === 304 ? null : await readJson<BatchStatus & PolledEvents>(response)
      return { answer, tag: response.headers.get('ETag') }
    } finally {
      either.release()
    }
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
  // Skips events that a later run of the batch superseded.
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
