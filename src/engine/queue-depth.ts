/** Reads the load of a server for its operator: jobs that wait or run, and workers that are there to run them. */
import { sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'

/** Milliseconds after which a worker that was not seen is taken to be gone; it signs in every second or two. */
const SEEN_WITHIN_MS = 30_000

/** Ready jobs, lowest virtual time first, whose age is looked at: as many as are ready would take longer the more wait. */
const NEXT_JOBS = 1_000

/** The load of a server, all its processes together. */
export interface QueueDepth {
  /** Jobs by status; ended ones are not counted. */
  readonly jobs: Readonly<Record<'ready' | 'offered' | 'scheduled' | 'blocked' | 'running', number>>
  readonly workers: number
  /** Seconds that the one waiting longest of the next {@link NEXT_JOBS} ready jobs has been ready; 0 where none is. */
  readonly oldestReadySeconds: number
}

/** Jobs of a queue that workers over HTTP claim from. */
export interface OfferedDepth {
  readonly operation: string
  readonly offered: number
}

/** Queues that are listed, those with the lowest names first: as many as are declared would make one metric of each caller. */
const MAX_QUEUES = 200

/**
 * Counts the jobs that are offered to workers over HTTP, by operation. Walks the index of offered jobs, a step a queue, and counts of each what
 * there is of it.
 */
export function readOfferedDepth(db: Database): Promise<OfferedDepth[]> {
  const next = sql`SELECT min(queue) FROM jobs WHERE status = 'offered'`
  return db.all<OfferedDepth>(sql`
    WITH RECURSIVE queues (name) AS (
      SELECT (${next}) UNION ALL SELECT (${next} AND queue > name) FROM queues WHERE name IS NOT NULL LIMIT ${MAX_QUEUES + 1})
    SELECT name AS operation, (SELECT count(*) FROM jobs WHERE status = 'offered' AND queue = name) AS offered
    FROM queues WHERE name IS NOT NULL`)
}

/** Reads the load from indexes that hold only what has not ended. */
export async function readQueueDepth(db: Database, now: number): Promise<QueueDepth> {
  const row = await db.get<{
    ready: number
    offered: number
    scheduled: number
    blocked: number
    running: number
    workers: number
    since: number | null
  }>(sql`
    SELECT (SELECT count(*) FROM jobs WHERE status = 'ready') AS ready,
      (SELECT count(*) FROM jobs WHERE status = 'offered') AS offered,
      (SELECT count(*) FROM jobs WHERE status = 'scheduled') AS scheduled,
      (SELECT count(*) FROM jobs WHERE status = 'blocked') AS blocked,
      (SELECT count(*) FROM jobs WHERE status = 'running') AS running,
      (${workersSeen(now)}) AS workers,
      (SELECT min(max(created_at, coalesce(run_at, 0))) FROM (
        SELECT created_at, run_at FROM jobs WHERE status = 'ready' ORDER BY virtual_time LIMIT ${NEXT_JOBS})) AS since`)
  const oldestReadySeconds = Math.max(0, now - (row?.since ?? now)) / 1_000
  const { workers = 0, ready = 0, offered = 0, scheduled = 0, blocked = 0, running = 0 } = row ?? {}
  return { jobs: { ready, offered, scheduled, blocked, running }, workers, oldestReadySeconds }
}

const workersSeen = (now: number) => sql`SELECT count(*) FROM workers WHERE seen_at > ${now - SEEN_WITHIN_MS}`

/** Counts the workers that are there to run jobs. */
export async function countWorkers(db: Database, now: number): Promise<number> {
  const row = await db.get<{ workers: number }>(sql`SELECT (${workersSeen(now)}) AS workers`)
  return row?.workers ?? 0
}
