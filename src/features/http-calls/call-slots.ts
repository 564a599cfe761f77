/**
 * Limits the rate of calls to a host, an owner and over all processes, by slots in time. The database stores when the first free slot begins;
 * a process leases a block of them, a tenth of a second's worth, and hands them out one by one. Batches of different rates share the time.
 */
import { sql } from 'drizzle-orm'
import type { Clock, Database } from '../../ports.ts'

/** Blocks hold the slots of so much time, in milliseconds. */
const BLOCK_MS = 100
/** A slot expires when it is late by more than this, so that delayed calls do not go out in a burst. */
const MAX_LATE_MS = 1_000
/** Slots are leased at most so far ahead, in milliseconds: those of a batch that is cancelled keep others waiting no longer. */
const MAX_AHEAD_MS = 120_000
/** Keys remembered at once. Forgetting one costs it the rest of its block. */
const MAX_KEYS = 10_000

interface Block {
  /** Beginning of the next slot. */
  at: number
  left: number
  readonly everyMs: number
}

/** The owner and the host that slots are for. */
export interface SlotKey {
  readonly owner: string
  readonly host: string
}

/** The slots that one process has. */
export class CallSlots {
  readonly #blocks = new Map<string, Block>()
  readonly #coming = new Map<string, Promise<void>>()
  /** Until when a host asked to be left alone, by key. */
  readonly #paused = new Map<string, number>()

  /** Returns true while a job may use the slot it was given. */
  isCurrent(at: number, now: number): boolean {
    return now - at <= MAX_LATE_MS
  }

  /**
   * Takes a slot.
   * @returns `at`: when it begins, in milliseconds since the epoch; `taken` is false where none may be had before then
   */
  async take(
    { db, clock }: { readonly db: Database; readonly clock: Clock },
    key: SlotKey,
    perSecond: number,
  ): Promise<{ at: number; taken: boolean }> {
    const everyMs = 1_000 / perSecond
    const id = `${key.host} ${everyMs} ${key.owner}`
    for (;;) {
      const block = this.#blocks.get(id)
      const now = clock.now()
      if (block !== undefined && block.left > 0) {
        const at = block.at
        block.at += everyMs
        block.left--
        if (this.isCurrent(at, now)) return { at, taken: true }
        continue
      }
      const coming = this.#coming.get(id)
      if (coming !== undefined) {
        await coming
        continue
      }
      const lease = leaseSlots(db, key, { now, everyMs, slots: Math.max(1, Math.floor(BLOCK_MS / everyMs)) })
      const done = lease.then((block) => {
        if (block === null) return
        const oldest = this.#blocks.size < MAX_KEYS ? undefined : this.#blocks.keys().next().value
        if (oldest !== undefined) this.#blocks.delete(oldest)
        this.#blocks.set(id, block)
      })
      this.#coming.set(id, done)
      try {
        await done
      } finally {
        this.#coming.delete(id)
      }
      if ((await lease) === null)
        return { at: now + MAX_AHEAD_MS / 2 + Math.random() * (MAX_AHEAD_MS / 4), taken: false }
    }
  }

  /** Makes no call before a time: the host asked for it. */
  async pause(db: Database, key: SlotKey, until: number, isLimited: boolean): Promise<void> {
    const id = `${key.host} ${key.owner}`
    if (this.#paused.size >= MAX_KEYS) this.#paused.clear()
    this.#paused.set(id, Math.max(until, this.#paused.get(id) ?? 0))
    if (!isLimited) return
    for (const one of this.#blocks.keys()) {
      if (one.startsWith(`${key.host} `) && one.endsWith(` ${key.owner}`)) this.#blocks.delete(one)
    }
    await db.run(sql`
      INSERT INTO http_slots (owner, host, next_at) VALUES (${key.owner}, ${key.host}, ${until})
      ON CONFLICT (owner, host) DO UPDATE SET next_at = max(next_at, excluded.next_at)`)
  }

  /** Until when no call may be made; 0 where one may be now. */
  pausedUntil({ owner, host }: SlotKey, now: number): number {
    const id = `${host} ${owner}`
    const until = this.#paused.get(id) ?? 0
    if (until > now) return until
    if (until > 0) this.#paused.delete(id)
    return 0
  }
}

/** Leases slots that follow those which are had already; null where these reach too far ahead. */
async function leaseSlots(
  db: Database,
  { owner, host }: SlotKey,
  { now, everyMs, slots }: { readonly now: number; readonly everyMs: number; readonly slots: number },
): Promise<Block | null> {
  const length = slots * everyMs
  const [row] = await db.all<{ at: number }>(sql`
    INSERT INTO http_slots (owner, host, next_at) VALUES (${owner}, ${host}, ${now + length})
    ON CONFLICT (owner, host) DO UPDATE SET next_at = max(next_at, ${now}) + ${length} WHERE next_at < ${now + MAX_AHEAD_MS}
    RETURNING next_at - ${length} AS at`)
  return row === undefined ? null : { at: row.at, left: slots, everyMs }
}
