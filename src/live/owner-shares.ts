/** Streams and waiting requests by owner, so that no owner holds all that a server has. Plain data: nothing here belongs to a request. */

/** One open stream or long poll that counts to its owner's share. */
export interface Hold {
  /** Says that it is still there. */
  renew(): void
  release(): void
}

/** Bounds what each owner holds at once. */
export class OwnerShares {
  /** Most streams and waiting requests that one owner may hold. */
  readonly max: number
  readonly #staleMs: number
  /** Time at which each hold was last renewed, by owner. */
  readonly #held = new Map<string, Map<Hold, number>>()

  /**
   * @param max how many one owner may hold
   * @param staleMs a hold that was not renewed for so many milliseconds counts no longer: for runtimes that end a request without a word;
   * by default a hold counts until it is released
   */
  constructor(max = Number.POSITIVE_INFINITY, staleMs = Number.POSITIVE_INFINITY) {
    this.max = max
    this.#staleMs = staleMs
  }

  /** Checks if an owner has as many open as an owner may. */
  isFull(owner: string): boolean {
    const held = this.#held.get(owner)
    if (held === undefined || held.size < this.max) return false
    const oldest = Date.now() - this.#staleMs
    for (const [hold, renewedAt] of held) if (renewedAt < oldest) held.delete(hold)
    return held.size >= this.max
  }

  /** Counts one more, whether or not the owner's share is full, until it is released. */
  hold(owner: string): Hold {
    const held = this.#held.get(owner) ?? new Map<Hold, number>()
    this.#held.set(owner, held)
    const hold: Hold = {
      renew: () => {
        held.set(hold, Date.now())
      },
      release: () => {
        held.delete(hold)
        if (held.size === 0 && this.#held.get(owner) === held) this.#held.delete(owner)
      },
    }
    hold.renew()
    return hold
  }
}
