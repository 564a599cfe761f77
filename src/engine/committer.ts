/** Group commit: outcomes that arrive while a commit is under way share the next one. */
import type { Clock, Database, Log, Notifier } from '../ports.ts'
import { finish, type Outcome } from './finish.ts'
import { MAX_STATEMENT_BYTES } from './json.ts'

/** Outcomes one commit takes. Few enough that the write lock is held for milliseconds. */
const MOST_TOGETHER = 200
const PAUSE_AFTER_ERROR_MS = 500
/** After so many tries it is taken to be the outcome that the database refuses, not the database that is out of order. */
const TRIES_AS_IT_IS = 5

/** Writes outcomes in the order they come, together where it can. */
export class Committer {
  readonly #deps: { db: Database; clock: Clock; notifier: Notifier; log: Log }
  readonly #done: (outcomes: readonly Outcome[]) => void
  #queue: Outcome[] = []
  #writing = false

  /** @param done called once for each group that is written or fenced */
  constructor(
    deps: { db: Database; clock: Clock; notifier: Notifier; log: Log },
    done: (outcomes: readonly Outcome[]) => void,
  ) {
    this.#deps = deps
    this.#done = done
  }

  /** Hands over an outcome. It is written soon, and tried again for as long as the database does not take it. */
  add(outcome: Outcome): void {
    this.#queue.push(outcome)
    if (!this.#writing) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    // A turn of the event loop, so that jobs that end in the same turn end in the same commit.
    await new Promise((resolve) => setTimeout(resolve, 0))
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, MOST_TOGETHER)
      await this.#write(group)
      this.#done(group)
    }
    this.#writing = false
  }

  async #write(group: readonly Outcome[]): Promise<void> {
    try {
      await this.#finish(group)
    } catch (error) {
      this.#deps.log.warn(
        { err: error, jobs: group.length },
        'outcomes could not be written together; trying one by one',
      )
      for (const outcome of group) await this.#writeAlone(outcome)
    }
  }

  /** Tries for as long as it takes: what a job came to is not lost because the disk is full for a while. */
  async #writeAlone(outcome: Outcome): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#finish([tries > TRIES_AS_IT_IS ? refused(outcome) : outcome])
      } catch (error) {
        this.#deps.log.error(
          { err: error, jobId: outcome.jobId, tries },
          'an outcome could not be written; trying again',
        )
        await new Promise((resolve) => setTimeout(resolve, Math.min(10_000, PAUSE_AFTER_ERROR_MS * tries)))
      }
    }
  }

  async #finish(group: readonly Outcome[]): Promise<void> {
    const written = await finish(this.#deps, group.map(checkSize))
    for (const { jobId } of group) {
      if (!written.has(jobId)) this.#deps.log.warn({ jobId }, 'a late result was refused: the job is held elsewhere')
    }
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
