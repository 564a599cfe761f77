/** Commits of workers over HTTP: what several requests complete and claim at the same time is written by one commit. */
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import type { ClaimedJob, ClaimRequest } from '../../engine/transitions/claim.ts'
import { completeAndClaim, type Outcome } from '../../engine/transitions/complete-jobs.ts'
import type { Clock, Database, Notifier } from '../../ports.ts'
import { findStorageFault } from '../../storage-errors.ts'

/** Jobs that one commit completes and claims. Few enough that the write lock is held for milliseconds. */
const MAX_TOGETHER = 800

/** Changes that one request makes. */
export interface Changes {
  /** Outcomes, each of another job. */
  readonly outcomes: readonly Outcome[]
  /** Null for none. */
  readonly order: ClaimRequest | null
}

/** Result of the changes of a request. */
export interface Committed {
  /** Ids of the jobs whose outcomes were written; the leases of the others were lost. */
  readonly written: ReadonlySet<string>
  readonly claimed: readonly ClaimedJob[]
}

interface Pending extends Changes {
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

const sizeOf = ({ outcomes, order }: Changes) => outcomes.length + (order?.limit ?? 0)

/** Coalesces the commits of a process. A commit that fails for what is in it is made again for each request alone. */
export class SharedCommit {
  readonly #deps: { readonly db: Database; readonly clock: Clock; readonly notifier: Notifier }
  #queue: Pending[] = []
  #isWriting = false

  constructor(deps: { readonly db: Database; readonly clock: Clock; readonly notifier: Notifier }) {
    this.#deps = deps
  }

  /**
   * Writes outcomes and claims jobs, together with other requests.
   * @throws what the database throws; nothing was written then
   */
  run(changes: Changes): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...changes, resolve, reject })
      if (!this.#isWriting) void this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#queue.length > 0) {
      // Requests that arrived while the last commit blocked the event loop come as far as this one.
      await yieldToEventLoop()
      await this.#write(this.#takeGroup())
    }
    this.#isWriting = false
  }

  /** Takes the next requests that share a commit: no two of them name the same job, of which the second has lost the lease. */
  #takeGroup(): readonly Pending[] {
    const group: Pending[] = []
    const named = new Set<string>()
    let size = 0
    for (const pending of this.#queue) {
      size += sizeOf(pending)
      const isApart =
        group.length > 0 && (size > MAX_TOGETHER || pending.outcomes.some(({ jobId }) => named.has(jobId)))
      if (isApart) break
      for (const { jobId } of pending.outcomes) named.add(jobId)
      group.push(pending)
    }
    this.#queue = this.#queue.slice(group.length)
    return group
  }

  async #write(group: readonly Pending[]): Promise<void> {
    try {
      await this.#commit(group)
    } catch (error) {
      const isAlone = group.length === 1 || findStorageFault(error) !== null
      if (isAlone) for (const { reject } of group) reject(error)
      else for (const pending of group) await this.#write([pending])
    }
  }

  async #commit(group: readonly Pending[]): Promise<void> {
    const orders = group.flatMap(({ order }) => (order === null ? [] : [order]))
    const outcomes = group.flatMap((pending) => pending.outcomes)
    const { written, claimed } = await completeAndClaim(this.#deps, outcomes, orders)
    const ids = new Set(written.map(({ jobId }) => jobId))
    const byOrder = new Map(orders.map((order, index) => [order, claimed[index] ?? []]))
    for (const { order, resolve } of group) {
      resolve({ written: ids, claimed: order === null ? [] : (byOrder.get(order) ?? []) })
    }
  }
}
