/**
 * Group commit: outcomes that arrive while a commit is under way, or soon after it, share the next one.
 *
 * A commit syncs to disk and, on one file, blocks the event loop. So the next one waits for as long as the last one took twice over, while jobs
 * run whose outcomes it can take as well; prefetched jobs use the slots meanwhile. It does not wait where slots are idle, or few outcomes come.
 */

import { backoff, sleep } from '../../backoff.ts'
import { MAX_STATEMENT_BYTES } from '../../formats/json-arrays.ts'
import type { Clock, Database, Log, Notifier } from '../../ports.ts'
import { findStorageFault, isRefusal } from '../../storage-errors.ts'
import { yieldToEventLoop } from '../chunked-work.ts'
import type { Meter } from '../meter.ts'
import type { ClaimedJob, ClaimRequest } from '../transitions/claim.ts'
import { completeJobs, type Outcome } from '../transitions/complete-jobs.ts'

/** Outcomes one commit takes. Few enough that the write lock is held for milliseconds. */
const MAX_TOGETHER = 400
/** Longest wait for more outcomes after a commit, in milliseconds. */
const MAX_GATHER_MS = 50
/** Outcomes of a group after which more are waited for: where fewer come, those of a small batch would only be late. */
const MIN_GROUP = 8
/** Short, since this is how long a worker may stand still after the storage works again. */
const BACKOFF = { firstMs: 250, mostMs: 5_000 }
/** Tries of an outcome that the database refuses for what is in it, before it ends as a failure. Nothing else counts as such a try. */
const MAX_REFUSALS = 5
/** Between two log lines about a storage fault that lasts. */
const LOG_EVERY_MS = 30_000

/** The worker that a committer writes for. */
export interface Slots {
  /** Returns the claim for the worker's slots that a group frees, made in the commit that writes the group; null for none. */
  order(freed: number): ClaimRequest | null
  /** Called once for each group that is written or fenced, with what was claimed under its order. */
  done(outcomes: readonly Outcome[], order: ClaimRequest | null, claimed: readonly ClaimedJob[]): void
  /** Returns true where slots are idle that a commit may fill, so that it is made at once. */
  idle(): boolean
  /** Called before `done`, with the time that the first outcome of the group waited until it was written, in milliseconds. */
  written(waitedMs: number): void
}

/** Ports and services that a group commit uses. */
interface CommitterDeps {
  readonly db: Database
  readonly clock: Clock
  readonly notifier: Notifier
  readonly log: Log
  readonly meter: Meter
}

/** A group after it was tried: what is settled, and what was claimed for the slots that this frees. */
interface Tried {
  readonly settled: readonly Outcome[]
  readonly claimed: readonly ClaimedJob[]
}

/**
 * Writes outcomes in the order they come, together where it can.
 *
 * A storage fault (a full disk, a lock that is held) is waited out: the whole group is tried again, for as long as it takes. Of a group
 * that fails otherwise each outcome is tried alone. One that fails alone is set aside for a while, so that it does not hold up the others;
 * one whose data the database refuses {@link MAX_REFUSALS} times ends as a failure.
 */
export class GroupCommit {
  readonly #deps: CommitterDeps
  readonly #slots: Slots
  #queue: Outcome[] = []
  readonly #aside = new Map<Outcome, { tries: number; refusals: number }>()
  /** Number of those that wait to return to the queue. */
  #resting = 0
  #writing = false
  /** When the first outcome of the queue was added, by `performance.now()`. */
  #oldestAt = 0
  /** Until when the next commit waits for more outcomes, by `performance.now()`. */
  #gatherUntil = 0
  /** Ends that wait; null while there is none. */
  #endGathering: (() => void) | null = null
  #closed = false
  readonly #closing = Promise.withResolvers<void>()

  constructor(deps: CommitterDeps, slots: Slots) {
    this.#deps = deps
    this.#slots = slots
  }

  /** Hands over an outcome. It is written soon, and tried again for as long as the database does not take it. */
  add(outcome: Outcome): void {
    if (this.#queue.length === 0) this.#oldestAt = performance.now()
    this.#queue.push(outcome)
    this.#countWaiting()
    if (!this.#writing) void this.#writeAll()
    else if (this.#isDue) this.#endGathering?.()
  }

  /** Commits what is queued without waiting for more. */
  flush(): void {
    this.#gatherUntil = 0
    this.#endGathering?.()
  }

  /** Tries no more what the database does not take: the lease of such a job runs out, and it is run again. */
  close(): void {
    this.#closed = true
    this.#closing.resolve()
    this.flush()
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    // One iteration of the event loop, so that jobs that end in the same iteration are written by one commit.
    await yieldToEventLoop()
    while (this.#queue.length > 0) {
      if (!this.#isDue) await this.#gather()
      const began = performance.now()
      const group = this.#queue.splice(0, MAX_TOGETHER)
      const oldestAt = this.#oldestAt
      const order = this.#slots.order(group.length)
      const { settled, claimed } = await this.#write(group, order)
      this.#countWaiting()
      const now = performance.now()
      this.#gatherUntil = group.length < MIN_GROUP ? 0 : now + Math.min(2 * (now - began), MAX_GATHER_MS)
      this.#slots.written(now - oldestAt)
      this.#slots.done(settled, order, claimed)
      await yieldToEventLoop()
    }
    this.#writing = false
  }

  get #isDue(): boolean {
    return this.#queue.length >= MAX_TOGETHER || performance.now() >= this.#gatherUntil || this.#slots.idle()
  }

  /** Waits for more outcomes. */
  #gather(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#endGathering = null
        resolve()
      }
      const timer = setTimeout(end, Math.max(0, this.#gatherUntil - performance.now()))
      this.#endGathering = end
    })
  }

  /** Tries a group until it is written, refused or fenced, or until the committer is closed. */
  async #write(group: readonly Outcome[], order: ClaimRequest | null): Promise<Tried> {
    const began = performance.now()
    let loggedAt = Number.NEGATIVE_INFINITY
    for (let tries = 1; ; tries++) {
      try {
        // A token is never used twice: a commit whose answer was lost may have claimed under it.
        const claimed = await this.#finish(group, tries === 1 ? order : null)
        if (tries > 1) this.#tellRecovery(group.length, performance.now() - began)
        return { settled: group, claimed }
      } catch (error) {
        const fault = findStorageFault(error)
        if (fault === null) return { settled: await this.#writeEach(group, error), claimed: [] }
        this.#deps.meter.addStorageFault(fault)
        this.#countWaiting(group.length)
        if (performance.now() - loggedAt >= LOG_EVERY_MS) {
          loggedAt = performance.now()
          this.#deps.log.error(
            { event: 'commit.storage_fault', err: error, fault, jobs: group.length + this.#queue.length, tries },
            'finished jobs wait for the storage; they are written when it works again',
          )
        }
        await this.#pause(tries)
        if (this.#closed) return { settled: group, claimed: [] }
      }
    }
  }

  #tellRecovery(jobs: number, ms: number): void {
    this.#deps.log.info(
      { event: 'commit.storage_recovered', jobs, ms: Math.round(ms) },
      'the storage works again; the jobs that waited are written',
    )
  }

  /** Tries each of a group alone. @returns those that are settled; the others are set aside */
  async #writeEach(group: readonly Outcome[], cause: unknown): Promise<readonly Outcome[]> {
    if (group.length > 1) {
      this.#deps.log.warn(
        { event: 'commit.group_failed', err: cause, jobs: group.length },
        'outcomes could not be written together; trying one by one',
      )
    }
    const settled: Outcome[] = []
    for (const outcome of group) if (await this.#writeAlone(outcome)) settled.push(outcome)
    return settled
  }

  /** @returns whether there is nothing more to do for it */
  async #writeAlone(outcome: Outcome): Promise<boolean> {
    const { tries, refusals } = this.#aside.get(outcome) ?? { tries: 0, refusals: 0 }
    try {
      await this.#finish([refusals >= MAX_REFUSALS ? failureOf(outcome) : outcome], null)
      this.#aside.delete(outcome)
      return true
    } catch (error) {
      const refused = isRefusal(error)
      this.#deps.log.error(
        { event: 'commit.failed', err: error, jobId: outcome.jobId, tries: tries + 1, refused },
        'an outcome could not be written; trying again',
      )
      const fault = findStorageFault(error)
      if (fault !== null) this.#deps.meter.addStorageFault(fault)
      if (this.#closed) return true
      this.#aside.set(outcome, { tries: tries + 1, refusals: refusals + Number(refused) })
      this.#resting++
      void this.#pause(tries + 1).then(() => this.#bringBack(outcome))
      return false
    }
  }

  #bringBack(outcome: Outcome): void {
    this.#resting--
    if (!this.#closed) this.add(outcome)
    else {
      this.#aside.delete(outcome)
      this.#slots.done([outcome], null, [])
    }
  }

  /** Waits, with jitter and twice as long after each try, or until the committer is closed. */
  async #pause(tries: number): Promise<void> {
    const ended = new AbortController()
    const pause = sleep(backoff(tries, BACKOFF), ended.signal)
    await Promise.race([pause.catch(() => {}), this.#closing.promise])
    ended.abort()
  }

  #countWaiting(trying = 0): void {
    this.#deps.meter.unwritten = this.#queue.length + this.#resting + trying
  }

  async #finish(group: readonly Outcome[], order: ClaimRequest | null): Promise<ClaimedJob[]> {
    const outcomes = group.map(checkSize)
    const { written, claimed } = await completeJobs(this.#deps, outcomes, order)
    if (written.length < outcomes.length) {
      const fenced = outcomes.filter((outcome) => !written.includes(outcome))
      for (const { jobId } of fenced) {
        this.#deps.log.warn({ jobId }, 'a late result was refused: another worker has leased the job')
      }
    }
    return claimed
  }
}

/** Turns a result that is too large for a statement into a failure. */
function checkSize(outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed' || JSON.stringify(outcome.run.result).length <= MAX_STATEMENT_BYTES) return outcome
  const { run, ...held } = outcome
  return { ...held, kind: 'failed', code: 'TOO_LARGE', message: 'The result of this job is over 1 MB.' }
}

/** A completed run whose rows the database refuses ends as a failure, so that the batch can end. */
function failureOf(outcome: Outcome): Outcome {
  if (outcome.kind !== 'completed') return outcome
  const { run, ...held } = outcome
  return {
    ...held,
    kind: 'failed',
    code: 'UNKNOWN',
    message: 'The result could not be stored. The server log has the details.',
  }
}
