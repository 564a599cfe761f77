/**
 * The time that retention counts by: the time that passed between observations, not the clock's time. A clock that jumps forward by
 * months, a backup of last year that is restored, a server that was off for a season: none of them makes everything old at once.
 *
 * Each look notes the clock's time in the database. What passed between two looks counts up to a bound; what is beyond it is a jump, and is
 * remembered. An age is then measured backwards from now, passing over the jumps.
 */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Clock, Database, Log } from '../ports.ts'
import { serverState } from '../schema/server-state.ts'

interface Deps {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
}

const HOUR_MS = 60 * 60 * 1_000
/** The most that counts between two looks, however long things are kept: a server may be off for a night. */
const MAX_STEP_MS = 24 * HOUR_MS
/** The least: looks are a minute apart, and some are late. */
const MIN_STEP_MS = 5 * 60 * 1_000
/** Nothing is written for less, so that looking often costs no commits. */
const MIN_NOTE_MS = 30_000
/** Jumps that are remembered each; those before are added to the oldest of them, so that things are kept for longer rather than for less. */
const MAX_JUMPS = 50
const NAME = 'retention-clock'

/** State kept of earlier looks at the clock. Times are milliseconds since the epoch, by the clock as it stood. */
const State = z.object({
  /** The clock's time at the last look. */
  seen: z.number(),
  /** The latest time that was reached without a jump. */
  high: z.number(),
  /** Forward jumps, oldest first: the time that was jumped to, and by how many milliseconds. */
  jumps: z.array(z.object({ to: z.number(), by: z.number() })),
})
type State = z.infer<typeof State>

/** The time that retention counts by, at one look. */
export interface DatabaseTime {
  /** @returns the clock's time `ms` milliseconds of database time ago: what ended before it is older than that */
  ago(ms: number): number
}

/**
 * Looks at the clock, and notes in the database how far time has come. A jump is logged.
 * @param keepMs how long things are kept, in milliseconds: a tenth of it counts between two looks at most (5 minutes to 24 hours)
 */
export async function observeTime(deps: Deps, keepMs: number): Promise<DatabaseTime> {
  const now = deps.clock.now()
  const kept = await readState(deps.db)
  const state = kept?.state ?? (await firstState(deps.db, now))
  const { next, jumpMs } = advance(state, now, Math.min(MAX_STEP_MS, Math.max(MIN_STEP_MS, keepMs / 10)))
  const noted = kept === null || jumpMs > 0 || Math.abs(now - state.seen) >= MIN_NOTE_MS
  if (noted && (await write(deps.db, kept?.text ?? null, next)) && jumpMs > 0) {
    deps.log.warn(
      { event: 'retention.clock_jumped', jumpMs, seenAt: new Date(state.seen).toISOString() },
      'the clock is far beyond what it was when retention last ran; the time between is not counted, so what ended before is kept for longer',
    )
  }
  return { ago: (ms) => cutoff(next, now, ms) }
}

/** Takes the state on to `now`. @param stepMs what may have passed since the last look */
function advance(state: State, now: number, stepMs: number): { next: State; jumpMs: number } {
  if (now < state.seen) return { next: goBack(state, now), jumpMs: 0 }
  // Up to `high` this time was reached before, without a jump.
  const jumpMs = Math.max(0, now - Math.max(state.seen + stepMs, state.high))
  const jumps = jumpMs === 0 ? state.jumps : [...state.jumps, { to: now, by: jumpMs }]
  return { next: { seen: now, high: Math.max(state.high, now), jumps }, jumpMs }
}

/** A clock that is set back takes back the jumps that it made before. */
function goBack(state: State, now: number): State {
  const jumps = [...state.jumps]
  let back = state.seen - now
  let high = state.high
  for (let last = jumps.pop(); last !== undefined; last = jumps.pop()) {
    const taken = Math.min(back, last.by)
    back -= taken
    high -= taken
    if (taken < last.by) {
      jumps.push({ to: Math.min(last.to, now), by: last.by - taken })
      break
    }
  }
  return { seen: now, high: Math.max(high, now), jumps }
}

/** The clock's time so many milliseconds ago, not counting what it jumped over. */
function cutoff({ jumps }: State, now: number, ms: number): number {
  return jumps.reduceRight((at, { to, by }) => (at < to ? at - by : at), now - ms)
}

async function readState(db: Database): Promise<{ text: string; state: State } | null> {
  const row = await db.select({ value: serverState.value }).from(serverState).where(sql`name = ${NAME}`).get()
  if (row === undefined) return null
  return { text: row.value, state: State.parse(JSON.parse(row.value)) }
}

/**
 * Before the first look, time had come as far as the last batch that ended, which does not depend on the clock at this start; where none
 * ended, as far as the last that was made. Ids begin with their time, so that one is found by its id.
 */
async function firstState(db: Database, now: number): Promise<State> {
  const [last] = await db.all<{ at: number | null }>(
    sql`SELECT coalesce(
      (SELECT max(finished_at) FROM batches WHERE finished_at IS NOT NULL),
      (SELECT created_at FROM batches WHERE id = (SELECT max(id) FROM batches))) AS at`,
  )
  const seen = Math.min(now, last?.at ?? now)
  return { seen, high: seen, jumps: [] }
}

/** @returns false where another process looked in between: its note stands */
async function write(db: Database, before: string | null, state: State): Promise<boolean> {
  const [first, ...rest] = state.jumps.slice(-MAX_JUMPS)
  const older = state.jumps.slice(0, -MAX_JUMPS).reduce((sum, { by }) => sum + by, 0)
  const jumps = first === undefined ? [] : [{ to: first.to, by: first.by + older }, ...rest]
  const value = JSON.stringify({ ...state, jumps })
  const rows = await db.all(sql`
    INSERT INTO server_state (name, value) VALUES (${NAME}, ${value})
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value = ${before} RETURNING name`)
  return rows.length > 0
}
