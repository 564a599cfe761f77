/** Group commit: outcomes that arrive while a commit is under way share the next one. */

import { MAX_STATEMENT_BYTES } from '../../formats/json-arrays.ts'
import type { Clock, Database, Log, Notifier } from '../../ports.ts'
import { nextTurn } from '../chunked-work.ts'
import type { Claimed, ClaimOrder } from '../transitions/claim.ts'
import { finish, type Outcome } from '../transitions/complete-jobs.ts'

/** Outcomes one commit takes. Few enough that the write lock is held for milliseconds. */
const MOST_TOGETHER = 400
const PAUSE_AFTER_ERROR_MS = 500
/** After so many tries it is taken to be the outcome that the database refuses, not the database that is out of order. */
const TRIES_AS_IT_IS = 5

/** The worker that a committer writes for. */
export interface Places {
  /** What to claim for the places that a group frees, in the commit that writes it; null for nothing. */
  order(freed: number): ClaimOrder | null
  /** Called once for each group that is written or fenced, with what was claimed under its order. */
  done(outcomes: readonly Outcome[], order: ClaimOrder | null, claimed: readonly Claimed[]): void
}

/** Writes outcomes in the order they come, together where it can. */
export class Committer {
  readonly #deps: { db: Database; clock: Clock; notifier: Notifier; log: Log }
  readonly #places: Places
  #queue: Outcome[] = []
  #writing = false
  #closed = false

  constructor(deps: { db: Database; clock: Clock; notifier: Notifier; log: Log }, places: Places) {
    this.#deps = deps
    this.#places = places
  }

  /** Hands over an outcome. It is written soon, and tried again for as long as the database does not take it. */
  add(outcome: Outcome): void {
    this.#queue.push(outcome)
    if (!this.#writing) void this.#writeAll()
  }

  /** Tries no more what the database does not take: the lease of such a job runs out, and it is run again. */
  close(): void {
    this.#closed = true
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    // A turn of the event loop, so that jobs that end in the same turn end in the same commit.
    await nextTurn()
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, MOST_TOGETHER)
      const order = this.#places.order(group.length)
      this.#places.done(group, order, await this.#write(group, order))
      await nextTurn()
    }
    this.#writing = false
  }

  async #write(group: readonly Outcome[], order: ClaimOrder | null): Promise<Claimed[]> {
    try {
      return await this.#finish(group, order)
    } catch (error) {
      this.#deps.log.warn(
        { err: error, jobs: group.length },
        'outcomes could not be written together; trying one by one',
      )
      for (const outcome of group) await this.#writeAlone(outcome)
      return []
    }
  }

  /** Tries until it is closed: what a job came to is not lost because the disk is full for a while. */
  async #writeAlone(outcome: Outcome): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#finish([tries > TRIES_AS_IT_IS ? refused(outcome) : outcome], null)
        return
      } catch (error) {
        this.#deps.log.error(
          { err: error, jobId: outcome.jobId, tries },
          'an outcome could not be written; trying again',
        )
        if (this.#closed) return
        await new Promise((resolve) => setTimeout(resolve, Math.min(10_000, PAUSE_AFTER_ERROR_MS * tries)))
      }
    }
  }

  async #finish(group: readonly Outcome[], order: ClaimOrder | null): Promise<Claimed[]> {
    const outcomes = group.map(checkSize)
    const { written, claimed } = await finish(this.#deps, outcomes, order)
    if (written.length < outcomes.length) {
      const fenced = outcomes.filter((outcome) => !written.includes(outcome))
      for (const { jobId } of fenced) {
        this.#deps.log.warn({ jobId }, 'a late result was refused: the job is held elsewhere')
      }
    }
    return claimed
  }
}

/** What becomes of a result that no statement can carry. */
function checkSize(outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed' || JSON.stringify(outcome.run.result).length <= MAX_STATEMENT_BYTES) return outcome
  const { run, ...held } = outcome
  return { ...held, kind: 'failed', code: 'TOO_LARGE', message: 'The result of this job is over 1 MB.' }
}

/** A completed run whose rows the database refuses ends as a failure, so that the batch can end. */
function refused(outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed') return outcome
  const { run, ...held } = outcome
  return {
    ...held,
    kind: 'failed',
    code: 'UNKNOWN',
    message: 'The result could not be stored. The server log has the details.',
  }
}
