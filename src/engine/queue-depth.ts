/** Reads the load of a server for its operator: jobs that wait or run, and workers that are there to run them. */
import { sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'

/** A worker that was not seen for this long is taken to be gone, in milliseconds. */
const SEEN_WITHIN_MS = 30_000

/** The load of a server, all its processes together. */
export interface QueueDepth {
  /** Jobs by status; ended ones are not counted. */
  readonly jobs: Readonly<Record<'ready' | 'scheduled' | 'blocked' | 'running', number>>
  readonly workers: number
}

/** Reads the load from indexes that hold only what has not ended. */
export async function readQueueDepth(db: Database, now: number): Promise<QueueDepth> {
  const row = await db.get<{ ready: number; scheduled: number; blocked: number; running: number; workers: number }>(sql`
    SELECT (SELECT count(*) FROM jobs WHERE status = 'ready') AS ready,
      (SELECT count(*) FROM jobs WHERE status = 'scheduled') AS scheduled,
      (SELECT count(*) FROM jobs WHERE status = 'blocked') AS blocked,
      (SELECT count(*) FROM jobs WHERE status = 'running') AS running,
      (SELECT count(*) FROM workers WHERE seen_at > ${now - SEEN_WITHIN_MS}) AS workers`)
  const { workers = 0, ready = 0, scheduled = 0, blocked = 0, running = 0 } = row ?? {}
  return { jobs: { ready, scheduled, blocked, running }, workers }
}
