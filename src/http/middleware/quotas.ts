/**
 * Quotas: counts what is left of each rate limit. A process leases blocks of 5 % from the database and hands them out itself, so that most
 * requests cost no write. Where nothing may be shared between requests, each takes its own single unit.
 */
import { leaseUnits, readUsed, returnUnits, WINDOW_MS, type Window, windowOf } from '../../engine/quotas.ts'
import type { Clock, Database } from '../../ports.ts'
import type { RateClass, RateLimits } from '../../rate-classes.ts'

/** Status of a subject's quota under one limit. */
export interface QuotaStatus {
  readonly class: RateClass
  readonly limit: number
  /** Units left as far as this process knows: another may have consumed more since its last read. */
  readonly remaining: number
  /** Start of the next window, in milliseconds since the epoch. */
  readonly resetAt: number
  /** True where the request is within the limit. */
  readonly allowed: boolean
}

/** Units of a window that this process has leased, and what it knows of the rest. */
interface Held extends Window {
  readonly class: RateClass
  readonly limit: number
  /** Taken from the database and not given away. */
  left: number
  /** Units consumed by all processes at this one's last read. */
  used: number
  /** Pending lease of the next block; concurrent requests wait for it. */
  coming: Promise<void> | null
}

const SHARE = 0.05
/** Subjects remembered at once. Forgetting one costs it the rest of its block. */
const MAX_HELD = 10_000

/** The limits of a server, as one process sees them. */
export class Quotas {
  readonly #deps: { readonly db: Database; readonly clock: Clock }
  readonly #limits: RateLimits
  readonly #blocks: boolean
  #startedAt = 0
  #held = new Map<string, Held>()

  /** @param options `blocks`: false where requests may not wait for each other's I/O */
  constructor(
    deps: { readonly db: Database; readonly clock: Clock },
    options: { readonly perHour: RateLimits; readonly blocks: boolean },
  ) {
    this.#deps = deps
    this.#limits = options.perHour
    this.#blocks = options.blocks
  }

  /** Checks if a class has a limit. */
  limits(name: RateClass): boolean {
    return this.#limits.has(name)
  }

  /** Reads a subject's quota without taking a unit. Null for a class that is not limited. */
  async peek(name: RateClass, subject: string): Promise<QuotaStatus | null> {
    const held = this.#of(name, subject)
    if (held === null) return null
    if (held.left === 0 && held.used < held.limit) held.used = await readUsed(this.#deps.db, held)
    return standing(held, held.left > 0 || held.used < held.limit)
  }

  /** Consumes one unit if one is left. Null for a class that is not limited. */
  async consume(name: RateClass, subject: string): Promise<QuotaStatus | null> {
    for (;;) {
      const held = this.#of(name, subject)
      if (held === null) return null
      if (held.left > 0) {
        held.left--
        return standing(held, true)
      }
      if (held.used >= held.limit) return standing(held, false)
      if (!this.#blocks) return this.#takeOne(held)
      held.coming ??= this.#lease(held, Math.max(1, Math.floor(held.limit * SHARE))).finally(() => {
        held.coming = null
      })
      await held.coming
    }
  }

  /**
   * Refunds a unit that was consumed for nothing.
   * @param taken what {@link consume} answered; a unit of a past window is not refunded
   */
  async refund(name: RateClass, subject: string, taken: QuotaStatus | null): Promise<void> {
    const held = this.#of(name, subject)
    if (held === null || taken?.resetAt !== held.startedAt + WINDOW_MS) return
    if (this.#blocks) {
      held.left++
      return
    }
    held.used = Math.max(0, held.used - 1)
    await returnUnits(this.#deps.db, held, 1)
  }

  async #takeOne(held: Held): Promise<QuotaStatus> {
    const lease = await leaseUnits(this.#deps.db, held, { limit: held.limit, block: 1 })
    held.used = lease?.used ?? held.limit
    return standing(held, lease !== null)
  }

  async #lease(held: Held, block: number): Promise<void> {
    const lease = await leaseUnits(this.#deps.db, held, { limit: held.limit, block })
    held.used = lease?.used ?? held.limit
    held.left += lease?.granted ?? 0
  }

  /** Finds or creates the record of the present window and drops earlier windows. Null for a class that is not limited. */
  #of(name: RateClass, subject: string): Held | null {
    const limit = this.#limits.get(name)
    if (limit === undefined) return null
    const startedAt = windowOf(this.#deps.clock.now())
    if (startedAt !== this.#startedAt) {
      this.#startedAt = startedAt
      this.#held = new Map()
    }
    const key = `${name} ${subject}`
    const known = this.#held.get(key)
    if (known !== undefined) return known
    const oldest = this.#held.size < MAX_HELD ? undefined : this.#held.keys().next().value
    if (oldest !== undefined) this.#held.delete(oldest)
    const held: Held = { startedAt, class: name, subject, limit, left: 0, used: 0, coming: null }
    this.#held.set(key, held)
    return held
  }
}

function standing({ class: name, limit, used, left, startedAt }: Held, allowed: boolean): QuotaStatus {
  return { class: name, limit, remaining: Math.max(0, limit - used) + left, resetAt: startedAt + WINDOW_MS, allowed }
}
