/** Limits that several processes share: how much of each is used, hour by hour, in the database. */
import { sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'
import { rateWindows } from '../schema/rate-windows.ts'

/** Windows are whole hours of UTC. */
export const WINDOW_MS = 60 * 60 * 1_000

/** Unit of counting: a class of requests of one owner, or of one address, within one hour. */
export interface Window {
  /** When it began, in milliseconds since the epoch. */
  readonly startedAt: number
  readonly class: string
  readonly subject: string
}

/** When the hour began that a time is in. */
export const windowOf = (now: number) => now - (now % WINDOW_MS)

/**
 * Hands out a block of a limit, in one statement, so that all processes together never get more than it.
 * @param block wanted; less is handed out where less is left
 * @returns what was handed out, and all that has been so far; null when nothing is left
 */
export async function leaseUnits(
  db: Database,
  { startedAt, class: name, subject }: Window,
  { limit, block }: { readonly limit: number; readonly block: number },
): Promise<{ granted: number; used: number } | null> {
  const first = Math.min(block, limit)
  const [row] = await db.all<{ granted: number; used: number }>(sql`
    INSERT INTO rate_windows (started_at, class, subject, used, granted) VALUES (${startedAt}, ${name}, ${subject}, ${first}, ${first})
    ON CONFLICT (started_at, class, subject) DO UPDATE SET
      used = min(${limit}, used + ${block}), granted = min(${limit}, used + ${block}) - used
    WHERE used < ${limit} RETURNING granted, used`)
  return row ?? null
}

/** Takes back what was handed out and not used. */
export async function returnUnits(
  db: Database,
  { startedAt, class: name, subject }: Window,
  units: number,
): Promise<void> {
  await db.run(sql`
    UPDATE rate_windows SET used = max(0, used - ${units})
    WHERE started_at = ${startedAt} AND class = ${name} AND subject = ${subject}`)
}

/** All that has been handed out so far. */
export async function readUsed(db: Database, { startedAt, class: name, subject }: Window): Promise<number> {
  const row = await db
    .select({ used: rateWindows.used })
    .from(rateWindows)
    .where(sql`started_at = ${startedAt} AND class = ${name} AND subject = ${subject}`)
    .get()
  return row?.used ?? 0
}
