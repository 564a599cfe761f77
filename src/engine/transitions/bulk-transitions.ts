/**
 * Steering: what is asked of a whole batch is written into its row first (`steering`), then done to its jobs, so many a commit, with a
 * cursor in the row (`steered_to`) that the same commit moves. So at every commit counters, events and jobs agree; whoever is cut off
 * between two commits leaves a row that says what is left to do, and any worker, or the same request made again, goes on with it.
 * Two that go on at once do no harm: a commit does nothing unless the cursor is where it was read.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Clock, Database, Dispatcher, Notifier, Statement } from '../../ports.ts'
import { runInChunks, withCooldown } from '../chunked-work.ts'
import { completeBatches } from './complete-batch.ts'
import { unblockJobs } from './concurrency-limit.ts'
import { makeReady } from './fair-queue.ts'

export interface TransitionDeps {
  readonly db: Database
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly notifier: Notifier
}

/** Why the rest of a batch is not run. */
export type StopCode = 'CANCELLED' | 'DEADLINE_EXCEEDED'

/** Error messages of stopped jobs, by stop code. */
export const STOP_MESSAGES: Readonly<Record<StopCode, string>> = {
  CANCELLED: 'The batch was cancelled.',
  DEADLINE_EXCEEDED: 'The batch was not done by its deadline.',
}

/** Jobs or events changed by one commit, so that the event loop, and other processes' writes, wait for some milliseconds only. */
const A_COMMIT = 1_000
/** Jobs looked at for one commit, where most need no change. */
const LOOKED_AT = 5_000
const LAST = Number.MAX_SAFE_INTEGER
/** Batches gone on with in one go. */
const AT_ONCE = 20

type Steering = 'begin' | 'stop' | 'pause' | 'resume' | 'supersede' | 'retry'

/** Which jobs each changes; `supersede` changes events. */
const CHANGED: Readonly<Record<Steering, SQL>> = {
  begin: sql.raw(`status = 'blocked'`),
  stop: sql.raw(`status IN ('ready', 'scheduled', 'blocked')`),
  pause: sql.raw(`status IN ('ready', 'scheduled')`),
  resume: sql.raw(`status = 'blocked'`),
  supersede: sql.raw('false'),
  retry: sql.raw(`status IN ('failed', 'cancelled')`),
}

/** One commit's share of what was asked of a batch. */
interface Slice {
  readonly batchId: string
  readonly steering: Steering
  /** The cursor as it was read: this is done already. */
  readonly from: number
  /** The last sequence (of a `supersede`, event) of this slice; null where there is none beyond it. */
  readonly to: number | null
  /** True in the commit that does this slice, false where another has done it. */
  readonly mine: SQL
  /** Picks the jobs that the slice changes. */
  readonly jobs: SQL
}

/**
 * Does what is asked of a batch to its jobs, up to the end.
 * @param goOn asked between commits; what is left then is for {@link advanceAllTransitions}
 */
export async function advanceTransition(deps: TransitionDeps, batchId: string, goOn?: () => boolean): Promise<void> {
  if (!(await runInChunks(() => advanceOneStep(deps, batchId), goOn))) deps.dispatcher.wake()
}

/** Goes on with whatever was asked of batches and is not done yet, with each of them by turns. */
export async function advanceAllTransitions(deps: TransitionDeps, goOn: () => boolean): Promise<void> {
  for (;;) {
    const rows = await deps.db.all<{ id: string }>(
      sql`SELECT id FROM batches WHERE steering IS NOT NULL LIMIT ${AT_ONCE}`,
    )
    if (rows.length === 0) return
    for (const { id } of rows) {
      if (!goOn()) return
      await withCooldown(() => advanceOneStep(deps, id))
    }
  }
}

/**
 * Does one commit's share of what is asked of a batch.
 * @returns whether there is more to do
 */
export async function advanceOneStep(deps: TransitionDeps, batchId: string): Promise<boolean> {
  const slice = await nextSlice(deps.db, batchId)
  if (slice === null) return false
  const { steering, from, to } = slice
  if (steering === 'stop') await endWaiting(deps, slice)
  else await deps.db.batch([...change(deps, slice), ...moveOn(deps, slice)])
  // Workers begin with the first, and find the others as they look around.
  if (steering !== 'pause' && (from === 0 || to === null)) deps.dispatcher.wake()
  return steering === 'supersede' || to !== null
}

async function nextSlice(db: Database, batchId: string): Promise<Slice | null> {
  const [row] = await db.all<{ steering: Steering; from: number; last_seq: number }>(
    sql`SELECT steering, steered_to AS "from", last_seq FROM batches WHERE id = ${batchId} AND steering IS NOT NULL`,
  )
  if (row === undefined) return null
  const { steering, from, last_seq } = row
  const to =
    steering === 'supersede'
      ? from + A_COMMIT < last_seq
        ? from + A_COMMIT
        : null
      : await lastOfSlice(db, batchId, from, CHANGED[steering])
  const mine = sql`EXISTS (SELECT 1 FROM batches g WHERE g.id = ${batchId} AND g.steering = ${steering} AND g.steered_to = ${from})`
  const jobs = sql`batch_id = ${batchId} AND sequence > ${from} AND sequence <= ${to ?? LAST} AND ${CHANGED[steering]} AND ${mine}`
  return { batchId, steering, from, to, mine, jobs }
}

/** The sequence up to which a slice goes: that of its last job to be changed, or looked at; null where there are no more. */
async function lastOfSlice(db: Database, batchId: string, from: number, changed: SQL): Promise<number | null> {
  const looked = sql`SELECT sequence, status FROM jobs WHERE batch_id = ${batchId} AND sequence > ${from} ORDER BY sequence LIMIT ${LOOKED_AT}`
  const [row] = await db.all<{ full: number | null; looked: number | null }>(sql`
    SELECT (SELECT sequence FROM (${looked}) WHERE ${changed} ORDER BY sequence LIMIT 1 OFFSET ${A_COMMIT - 1}) AS "full",
      (SELECT sequence FROM (${looked}) ORDER BY sequence LIMIT 1 OFFSET ${LOOKED_AT - 1}) AS looked`)
  return row?.full ?? row?.looked ?? null
}

/** Makes the statements that do a slice; those of a `stop` are made elsewhere. */
function change(deps: TransitionDeps, slice: Slice): [Statement, ...Statement[]] {
  switch (slice.steering) {
    case 'begin':
      return begin(deps, slice)
    case 'pause':
      return [deps.db.run(sql`UPDATE jobs SET status = 'blocked', run_at = NULL WHERE ${slice.jobs}`)]
    case 'supersede':
      return [supersede(deps, slice)]
    case 'retry':
      return runAgain(deps, slice)
    default:
      return [letGo(deps, slice)]
  }
}

/** Moves the cursor past a slice, or ends what was asked; a batch of which all has ended meanwhile ends with that. Comes last. */
function moveOn({ db, clock }: TransitionDeps, { batchId, to, steering, from }: Slice): Statement[] {
  const next = to === null ? (steering === 'supersede' ? 'retry' : null) : steering
  return [
    db.run(sql`
      UPDATE batches SET steering = ${next}, steered_to = ${next === null ? null : (to ?? 0)}, progress_version = progress_version + 1
      WHERE id = ${batchId} AND steering = ${steering} AND steered_to = ${from}`),
    // Of a stop with each slice, because webhooks are told with it.
    ...(next === null || steering === 'stop' ? completeBatches(db, JSON.stringify([batchId]), clock.now()) : []),
  ]
}

/** Ends jobs that wait, with an event each. */
async function endWaiting(deps: TransitionDeps, slice: Slice): Promise<void> {
  const { db } = deps
  const { batchId, jobs } = slice
  const now = deps.clock.now()
  const code = sql`(SELECT stop_code FROM batches WHERE id = ${batchId})`
  const message = sql`CASE ${code} WHEN 'CANCELLED' THEN ${STOP_MESSAGES.CANCELLED} ELSE ${STOP_MESSAGES.DEADLINE_EXCEEDED} END`
  const ended = sql`(SELECT count(*) FROM jobs WHERE ${jobs})`
  const [rows] = await db.batch([
    db.all<{ last_seq: number }>(sql`
      UPDATE batches SET last_seq = last_seq + w.n, cancelled = cancelled + w.n * (stop_code = 'CANCELLED'),
        failed = failed + w.n * (stop_code <> 'CANCELLED')
      FROM (SELECT ${ended} AS n) w WHERE id = ${batchId} AND w.n > 0 RETURNING last_seq`),
    db.run(sql`
      INSERT INTO events (batch_id, seq, type, job_id, job_sequence, at, data)
      SELECT w.batch_id, b.last_seq - count(*) OVER () + row_number() OVER (ORDER BY w.sequence), 'job_failed', w.id, w.sequence, ${now},
        json_object('errorCode', ${code}, 'errorMessage', ${message})
      FROM (SELECT id, batch_id, sequence FROM jobs WHERE ${jobs}) w JOIN batches b ON b.id = w.batch_id`),
    db.run(sql`
      UPDATE jobs SET status = CASE ${code} WHEN 'CANCELLED' THEN 'cancelled' ELSE 'failed' END, finished_at = ${now},
        run_at = NULL, error_code = ${code}, error_message = ${message} WHERE ${jobs}`),
    ...moveOn(deps, slice),
  ])
  const seq = rows[0]?.last_seq
  if (seq !== undefined) deps.notifier.publish(batchId, { seq })
}

/** Makes jobs of a batch that was written in stages ready, or scheduled where its time is still to come. */
function begin(deps: TransitionDeps, slice: Slice): [Statement, ...Statement[]] {
  const { db, clock } = deps
  const isDue = sql`(SELECT coalesce(run_at, 0) <= ${clock.now()} FROM batches WHERE id = ${slice.batchId})`
  const waiting = sql`SELECT id, owner, sequence AS place FROM jobs WHERE ${slice.jobs} AND ${isDue}`
  return [...makeReady(db, waiting), letGo(deps, slice)]
}

/** Of a batch without a bound; one with a bound lets go as many as it has places for when it is asked to. */
function letGo({ db, clock }: TransitionDeps, { batchId, jobs }: Slice): Statement {
  return db.run(sql`UPDATE jobs SET status = 'scheduled', run_at = ${dueOf(batchId, clock.now())} WHERE ${jobs}`)
}

function dueOf(batchId: string, now: number): SQL {
  return sql`max(${now}, coalesce((SELECT run_at FROM batches WHERE id = ${batchId}), 0))`
}

/** Takes back what was told of failures, before anything runs again. */
function supersede({ db, clock }: TransitionDeps, { batchId, from, to, mine }: Slice): Statement {
  return db.run(sql`
    UPDATE events SET superseded_at = ${clock.now()}
    WHERE batch_id = ${batchId} AND seq > ${from} AND seq <= ${to ?? LAST} AND type = 'job_failed' AND superseded_at IS NULL AND ${mine}`)
}

/** Lets jobs that failed or were cancelled wait once more, and counts them no longer as ended. */
function runAgain({ db, clock }: TransitionDeps, { batchId, jobs, from, mine }: Slice): [Statement, ...Statement[]] {
  const now = clock.now()
  const bounded = sql`(SELECT concurrency FROM batches WHERE id = ${batchId}) IS NOT NULL`
  return [
    db.run(sql`
      UPDATE batches SET failed = batches.failed - w.f, cancelled = batches.cancelled - w.c
      FROM (SELECT count(*) FILTER (WHERE status = 'failed') AS f, count(*) FILTER (WHERE status = 'cancelled') AS c
        FROM jobs WHERE ${jobs}) w WHERE id = ${batchId}`),
    db.run(sql`
      UPDATE jobs SET status = CASE WHEN ${bounded} THEN 'blocked' ELSE 'scheduled' END,
        run_at = CASE WHEN ${bounded} THEN NULL ELSE ${dueOf(batchId, now)} END, attempt = 0, losses = 0, error_code = NULL,
        error_message = NULL, finished_at = NULL, progress_percent = 0, progress_message = NULL
      WHERE ${jobs}`),
    // Unblocks none where earlier jobs are blocked: every concurrency slot is taken then.
    unblockJobs(
      db,
      batchId,
      now,
      sql`${mine} AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = ${batchId} AND status = 'blocked' AND sequence <= ${from})`,
    ),
  ]
}
