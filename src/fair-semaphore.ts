/**
 * Shares slots between owners. A freed slot goes to the waiting owner that holds the fewest, and among those to the one served longest ago,
 * so that an owner with a thousand tasks delays another's single one by no more than a slot takes to become free. Runtime-free.
 */
import type { MillraceError } from './errors.ts'

/** Bounds of a {@link FairQueue}. */
export interface FairLimits {
  /** Slots that any owner may take, together. */
  readonly slots: number
  /** Slots that one owner may hold at once; default all of `slots`. */
  readonly perOwner?: number
  /** Slots beyond `slots` for owners that hold none, so that one owner's long tasks never hold all; default 0. */
  readonly spare?: number
}

/** Queue of items that wait for a slot, ordered fairly between owners. */
export class FairQueue<Item> {
  readonly #slots: number
  readonly #perOwner: number
  readonly #spare: number
  /** Waiting items of each owner; an owner moves to the end of the map when it is served. */
  readonly #waiting = new Map<string, Set<Item>>()
  readonly #held = new Map<string, number>()
  #total = 0

  constructor({ slots, perOwner = slots, spare = 0 }: FairLimits) {
    this.#slots = slots
    this.#perOwner = perOwner
    this.#spare = spare
  }

  /** Adds an item behind the owner's others. */
  add(owner: string, item: Item): void {
    const items = this.#waiting.get(owner)
    if (items === undefined) this.#waiting.set(owner, new Set([item]))
    else items.add(item)
  }

  /** Removes an item that waits. @returns false where it does not wait any more */
  remove(owner: string, item: Item): boolean {
    const items = this.#waiting.get(owner)
    if (items === undefined || !items.delete(item)) return false
    if (items.size === 0) this.#waiting.delete(owner)
    return true
  }

  /** Says whether another owner has items that wait. */
  othersWait(owner: string): boolean {
    return this.#waiting.size > (this.#waiting.has(owner) ? 1 : 0)
  }

  /** Takes the next item, with a slot for its owner that {@link leave} releases; null while no item may have a slot. */
  take(): { readonly owner: string; readonly item: Item } | null {
    let next: string | null = null
    for (const owner of this.#waiting.keys()) {
      if (this.#mayEnter(owner) && (next === null || this.#heldBy(owner) < this.#heldBy(next))) next = owner
    }
    if (next === null) return null
    const items = this.#waiting.get(next)
    const [item] = items ?? []
    if (items === undefined || item === undefined) return null
    items.delete(item)
    this.#waiting.delete(next)
    if (items.size > 0) this.#waiting.set(next, items)
    this.#held.set(next, this.#heldBy(next) + 1)
    this.#total++
    return { owner: next, item }
  }

  /** Gives a slot back. */
  leave(owner: string): void {
    const left = this.#heldBy(owner) - 1
    if (left > 0) this.#held.set(owner, left)
    else this.#held.delete(owner)
    this.#total--
  }

  /** Removes all that waits. */
  clear(): readonly Item[] {
    const items = [...this.#waiting.values()].flatMap((waiting) => [...waiting])
    this.#waiting.clear()
    return items
  }

  #heldBy(owner: string): number {
    return this.#held.get(owner) ?? 0
  }

  #mayEnter(owner: string): boolean {
    const held = this.#heldBy(owner)
    return held < this.#perOwner && this.#total < this.#slots + (held === 0 ? this.#spare : 0)
  }
}

/** Semaphore that is fair between owners: delays work until its owner gets a slot. Waiting work holds no resources. */
export class FairSemaphore {
  readonly #queue: FairQueue<() => void>
  readonly #cancelled: (signal: AbortSignal | undefined) => MillraceError

  /** @param cancelled makes the error for a wait whose signal aborts */
  constructor(limits: FairLimits, cancelled: (signal: AbortSignal | undefined) => MillraceError) {
    this.#queue = new FairQueue(limits)
    this.#cancelled = cancelled
  }

  /**
   * Waits for a slot.
   * @returns gives the slot back; further calls do nothing
   * @throws MillraceError by `cancelled` when `signal` aborts before
   */
  async acquire(owner: string, signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) throw this.#cancelled(signal)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => {
      if (this.#queue.remove(owner, resolve)) reject(this.#cancelled(signal))
    }
    signal?.addEventListener('abort', abort, { once: true })
    this.#queue.add(owner, resolve)
    this.#advance()
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#queue.leave(owner)
      this.#advance()
    }
  }

  /** Says whether another owner waits for a slot. */
  othersWait(owner: string): boolean {
    return this.#queue.othersWait(owner)
  }

  /**
   * Does `work` in a slot.
   * @throws as `acquire` and `work` do
   */
  async withSlot<T>(owner: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(owner, signal)
    try {
      return await work()
    } finally {
      release()
    }
  }

  #advance(): void {
    for (let next = this.#queue.take(); next !== null; next = this.#queue.take()) next.item()
  }
}
