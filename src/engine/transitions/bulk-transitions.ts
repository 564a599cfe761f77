/**
 * Bulk transitions: a command on a whole batch is written into its row first (`transition`), then applied to its jobs in chunks of a commit
 * each, with a cursor in the row (`transition_cursor`) that the same commit moves. So counters, events and jobs agree at every commit; a process
 * that dies between two commits leaves a row that says what is left, and any worker, or the same request repeated, continues from there.
 * Two that continue at once do no harm: a commit changes nothing unless the cursor is where it was read.
 */
import { type SQL, sql } from 'drizzle-orm'
import { insertStoppedJobEvents } from '../../events.ts'
import type { Clock, Database, Dispatcher, Notifier, Statement } from '../../ports.ts'
import { runInChunks, withCooldown } from '../chunked-work.ts'
import { completeBatches } from './complete-batch.ts'
import { unblockJobs } from './concurrency-limit.ts'
import { makeReady } from './fair-queue.ts'
import { CANCELLING_CODES, STOP_MESSAGES } from './stop-codes.ts'

export interface TransitionDeps {
  readonly db: Database
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly notifier: Notifier
}

/** Jobs or events changed by one commit, so that the event loop, and other processes' writes, wait for some milliseconds only. */
const A_COMMIT = 1_000
/** Jobs looked at for one commit, where most need no change. */
const LOOKED_AT = 5_000
const LAST = Number.MAX_SAFE_INTEGER
/** Batches advanced by one query. */
const AT_ONCE = 20

type BulkTransition = 'begin' | 'stop' | 'pause' | 'resume' | 'supersede' | 'retry'

/** Which jobs each changes; `supersede` changes events. */
const CHANGED: Readonly<Record<BulkTransition, SQL>> = {
  begin: sql.raw(`status = 'blocked'`),
  stop: sql.raw(`status IN ('ready', 'offered', 'scheduled', 'blocked')`),
  pause: sql.raw(`status IN ('ready', 'offered', 'scheduled')`),
  resume: sql.raw(`status = 'blocked'`),
  supersede: sql.raw('false'),
  retry: sql.raw(`status IN ('failed', 'cancelled')`),
}

/** The part of a bulk transition that one commit applies. */
interface Chunk {
  readonly batchId: string
  readonly transition: BulkTransition
  /** The cursor as it was read: this is done already. */
  readonly from: number
  /** The last sequence (of a `supersede`, event) of this chunk; null where there is none beyond it. */
  readonly to: number | null
  /** True in the commit that applies this chunk, false where another has applied it. */
  readonly mine: SQL
  /** Selects the jobs that the chunk changes. */
  readonly jobs: SQL
}

/**
 * Applies a command on a batch to its jobs, up to the end.
 * @param mayContinue called between commits; what is left then is for {@link advanceAllTransitions}
 */
export async function advanceTransition(
  deps: TransitionDeps,
  batchId: string,
  mayContinue?: () => boolean,
): Promise<void> {
  if (!(await runInChunks(() => advanceOneStep(deps, batchId), mayContinue))) deps.dispatcher.wake()
}

/** Advances all unfinished bulk transitions, one chunk of each at a time. */
export async function advanceAllTransitions(deps: TransitionDeps, mayContinue: () => boolean): Promise<void> {
  for (;;) {
    const rows = await deps.db.all<{ id: string }>(
      sql`SELECT id FROM batches WHERE transition IS NOT NULL LIMIT ${AT_ONCE}`,
    )
    if (rows.length === 0) return
    for (const { id } of rows) {
      if (!mayContinue()) return
      await withCooldown(() => advanceOneStep(deps, id))
    }
  }
}

/**
 * Does one commit's share of what is asked of a batch.
 * @returns whether there is more to do
 */
export async function advanceOneStep(deps: TransitionDeps, batchId: string): Promise<boolean> {
  const chunk = await nextSlice(deps.db, batchId)
  if (chunk === null) return false
  const { transition, from, to } = chunk
  if (transition === 'stop') await endWaiting(deps, chunk)
  else await deps.db.batch([...change(deps, chunk), ...moveOn(deps, chunk)])
  // Workers begin with the first, and find the others as they look around.
  if (transition !== 'pause' && (from === 0 || to === null)) deps.dispatcher.wake()
  return transition === 'supersede' || to !== null
}

async function nextSlice(db: Database, batchId: string): Promise<Chunk | null> {
  const [row] = await db.all<{ transition: BulkTransition; from: number; last_seq: number }>(
    sql`SELECT transition, transition_cursor AS "from", last_seq FROM batches WHERE id = ${batchId} AND transition IS NOT NULL`,
  )
  if (row === undefined) return null
  const { transition, from, last_seq } = row
  const to =
    transition === 'supersede'
      ? from + A_COMMIT < last_seq
        ? from + A_COMMIT
        : null
      : await lastOfChunk(db, batchId, from, CHANGED[transition])
  const mine = sql`EXISTS (SELECT 1 FROM batches g WHERE g.id = ${batchId} AND g.transition = ${transition} AND g.transition_cursor = ${from})`
  const jobs = sql`batch_id = ${batchId} AND sequence > ${from} AND sequence <= ${to ?? LAST} AND ${CHANGED[transition]} AND ${mine}`
  return { batchId, transition, from, to, mine, jobs }
}

/** Finds the sequence at which a chunk ends: that of its last job to be changed, or looked at; null where there are no more. */
async function lastOfChunk(db: Database, batchId: string, from: number, changed: SQL): Promise<number | null> {
  const looked = sql`SELECT sequence, status FROM jobs WHERE batch_id = ${batchId} AND sequence > ${from} ORDER BY sequence LIMIT ${LOOKED_AT}`
  const [row] = await db.all<{ full: number | null; looked: number | null }>(sql`
    SELECT (SELECT sequence FROM (${looked}) WHERE ${changed} ORDER BY sequence LIMIT 1 OFFSET ${A_COMMIT - 1}) AS "full",
      (SELECT sequence FROM (${looked}) ORDER BY sequence LIMIT 1 OFFSET ${LOOKED_AT - 1}) AS looked`)
  return row?.full ?? row?.looked ?? null
}

/** Makes the statements that apply a chunk; those of a `stop` are made elsewhere. */
function change(deps: TransitionDeps, chunk: Chunk): [Statement, ...Statement[]] {
  switch (chunk.transition) {
    case 'begin':
      return begin(deps, chunk)
    case 'pause':
      return [deps.db.run(sql`UPDATE jobs SET status = 'blocked', run_at = NULL WHERE ${chunk.jobs}`)]
    case 'supersede':
      return [supersede(deps, chunk)]
    case 'retry':
      return rerun(deps, chunk)
    default:
      return [schedule(deps, chunk)]
  }
}

/** Moves the cursor past a chunk, or ends the transition; a batch whose every job has ended closes with that. Comes last. */
function moveOn({ db, clock }: TransitionDeps, { batchId, to, transition, from }: Chunk): Statement[] {
  const next = to === null ? (transition === 'supersede' ? 'retry' : null) : transition
  return [
    db.run(sql`
      UPDATE batches SET transition = ${next}, transition_cursor = ${next === null ? null : (to ?? 0)}, progress_version = progress_version + 1
      WHERE id = ${batchId} AND transition = ${transition} AND transition_cursor = ${from}`),
    // Of a stop with each chunk, because the deliveries to webhooks are made with it.
    ...(next === null || transition === 'stop' ? completeBatches(db, JSON.stringify([batchId]), clock.now()) : []),
  ]
}

/** Ends jobs that wait, with an event each. */
async function endWaiting(deps: TransitionDeps, chunk: Chunk): Promise<void> {
  const { db } = deps
  const { batchId, jobs } = chunk
  const now = deps.clock.now()
  const code = sql`(SELECT stop_code FROM batches WHERE id = ${batchId})`
  const message = sql`(${JSON.stringify(STOP_MESSAGES)} ->> ${code})`
  const ended = sql`(SELECT count(*) FROM jobs WHERE ${jobs})`
  const [rows] = await db.batch([
    db.all<{ last_seq: number }>(sql`
      UPDATE batches SET last_seq = last_seq + w.n, cancelled = cancelled + w.n * (stop_code IN ${CANCELLING_CODES}),
        failed = failed + w.n * (stop_code NOT IN ${CANCELLING_CODES})
      FROM (SELECT ${ended} AS n) w WHERE id = ${batchId} AND w.n > 0 RETURNING last_seq`),
    db.run(insertStoppedJobEvents(jobs, now, { code, message })),
    db.run(sql`
      UPDATE jobs SET status = CASE WHEN ${code} IN ${CANCELLING_CODES} THEN 'cancelled' ELSE 'failed' END, finished_at = ${now},
        run_at = NULL, error_code = ${code}, error_message = ${message} WHERE ${jobs}`),
    ...moveOn(deps, chunk),
  ])
  const seq = rows[0]?.last_seq
  if (seq !== undefined) deps.notifier.publish(batchId, { seq })
}

/** Makes jobs of a batch that was written in stages ready, or scheduled where its time is still to come. */
function begin(deps: TransitionDeps, chunk: Chunk): [Statement, ...Statement[]] {
  const { db, clock } = deps
  const isDue = sql`(SELECT coalesce(run_at, 0) <= ${clock.now()} FROM batches WHERE id = ${chunk.batchId})`
  const waiting = sql`SELECT id, owner, queue, sequence AS position FROM jobs WHERE ${chunk.jobs} AND ${isDue}`
  return [...makeReady(db, waiting), schedule(deps, chunk)]
}

/** Schedules jobs of a batch without a concurrency limit; one with a limit unblocks as many as it has slots for when the command is given. */
function schedule({ db, clock }: TransitionDeps, { batchId, jobs }: Chunk): Statement {
  return db.run(sql`UPDATE jobs SET status = 'scheduled', run_at = ${dueOf(batchId, clock.now())} WHERE ${jobs}`)
}

function dueOf(batchId: string, now: number): SQL {
  return sql`max(${now}, coalesce((SELECT run_at FROM batches WHERE id = ${batchId}), 0))`
}

/** Supersedes the events of failures, before any job runs again. */
function supersede({ db, clock }: TransitionDeps, { batchId, from, to, mine }: Chunk): Statement {
  return db.run(sql`
    UPDATE events SET superseded_at = ${clock.now()}
    WHERE batch_id = ${batchId} AND seq > ${from} AND seq <= ${to ?? LAST} AND type = 'job_failed' AND superseded_at IS NULL AND ${mine}`)
}

/** Lets jobs that failed or were cancelled wait once more, and counts them no longer as ended. */
function rerun({ db, clock }: TransitionDeps, { batchId, jobs, from, mine }: Chunk): [Statement, ...Statement[]] {
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
