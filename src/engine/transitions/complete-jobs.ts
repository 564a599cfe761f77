/**
 * Finishing: what running jobs came to, written with their counters and their events in one commit. Completions that arrive together
 * share a commit.
 *
 * A commit assumes that all of its leases are still valid. The statement that clears the leases is guarded by them, and where it changed fewer
 * jobs than it was given, the next one fails and nothing at all is written; then those whose lease was lost are looked for, and the
 * commit is made without them. So a write under a lost lease changes nothing, and no other statement has to ask.
 */
import { type SQL, sql } from 'drizzle-orm'
import { MillraceError } from '../../errors.ts'
import type { RunResult } from '../../operation.ts'
import type { Clock, Database, Notifier, Statement } from '../../ports.ts'
import { jsonObjects, type NamedRow } from '../json.ts'
import {
  addTallies,
  appendJobEvents,
  type Changes,
  changesOf,
  type Ended,
  incrementCounters,
  nextBlocked,
} from './batch-counters.ts'
import { enforceBudgets } from './budget.ts'
import { type ClaimedJob, type ClaimRequest, claimStatements, parseClaimedRows } from './claim.ts'
import { completeBatches } from './complete-batch.ts'
import { makeReady } from './fair-queue.ts'

/** A job as the worker that runs it holds it. */
export interface LeaseToken {
  readonly jobId: string
  readonly batchId: string
  /** Place in its batch, from 1. */
  readonly sequence: number
  readonly lease: string
  /** True where its batch has a concurrency limit, so that other jobs of it may wait for its slot. */
  readonly hasConcurrencyLimit: boolean
  /** True where its batch has a webhook, or another batch follows it. */
  readonly hasFollowUp: boolean
  /** True where its batch has a budget. */
  readonly hasBudget: boolean
  /** Name of its file that this run found out; absent where it has the name that it had. */
  readonly renamedTo?: string
}

type Completed = LeaseToken & { readonly kind: 'completed'; readonly run: RunResult }
type Failed = LeaseToken & {
  readonly kind: 'failed' | 'cancelled'
  readonly code: string
  readonly message: string
  readonly begun?: boolean
}
/** To be tried again at `runAt`. A refunded attempt does not count; a loss counts as a worker that vanished. */
type Again = LeaseToken & {
  readonly kind: 'retry'
  readonly runAt: number
  readonly refund: boolean
  readonly loss: boolean
  /** Error code of the attempt; null where nothing went wrong. */
  readonly code: string | null
  readonly message: string | null
  readonly begun?: boolean
}

/** Outcome of an attempt. `begun` is false where the attempt ended before anything was run. */
export type Outcome = Completed | Failed | Again

/** A claim alone begins nothing. An earlier run may have, of which there is a trace. */
const startedAt = (begun: SQL) =>
  sql`CASE WHEN ${begun} = 0 AND attempt = 1 AND losses = 0 AND checkpoint IS NULL THEN NULL ELSE started_at END`

/** True while this lease of the job is valid. For guarding an operation's own rows. */
function heldBy(jobId: string, lease: string): SQL<boolean> {
  return sql<boolean>`EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId} AND lease = ${lease} AND status = 'running')`
}

type Deps = { db: Database; clock: Clock; notifier: Notifier }

/** Result of writing the outcomes that were handed in. */
export interface Finished {
  /** Those whose lease was valid. The others were fenced, and nothing of them was written. */
  readonly written: readonly Outcome[]
  /** Jobs that were claimed in the same commit. */
  readonly claimed: ClaimedJob[]
}

/**
 * Writes outcomes and notifies followers; claims, in the same commit, jobs for the slots that became free.
 * @param order null to claim nothing
 */
export async function completeJobs(
  deps: Deps,
  outcomes: readonly Outcome[],
  order: ClaimRequest | null = null,
): Promise<Finished> {
  const { written, claimed } = await completeAndClaim(deps, outcomes, order === null ? [] : [order])
  return { written, claimed: claimed.flat() }
}

/**
 * Writes outcomes and notifies followers; then makes several claims in the same commit.
 * @param outcomes each of another job
 * @returns the outcomes that were written, and what each claim brought
 */
export async function completeAndClaim(
  deps: Deps,
  outcomes: readonly Outcome[],
  orders: readonly ClaimRequest[],
): Promise<{ readonly written: readonly Outcome[]; readonly claimed: readonly ClaimedJob[][] }> {
  let written = outcomes
  for (;;) {
    try {
      return { written, claimed: await write(deps, written, orders) }
    } catch (error) {
      const held = await withValidLease(deps.db, written)
      if (held.length === written.length) throw error
      written = held
    }
  }
}

/** One commit of outcomes. Throws, with nothing written, where a lease was lost. */
async function write(
  deps: Deps,
  outcomes: readonly Outcome[],
  orders: readonly ClaimRequest[],
): Promise<ClaimedJob[][]> {
  if (outcomes.length === 0 && orders.length === 0) return []
  const { db } = deps
  const now = deps.clock.now()
  const completed = outcomes.filter((outcome) => outcome.kind === 'completed')
  const failed = outcomes.filter(
    (outcome): outcome is Failed => outcome.kind === 'failed' || outcome.kind === 'cancelled',
  )
  const again = outcomes.filter((outcome) => outcome.kind === 'retry')
  const ended = [...completed, ...failed]
  const changes = changesOf(ended.map(endOf))
  const claims = orders.map((order) => claimStatements(db, now, order))
  const results = await db.batch([
    incrementCounters(db, changes),
    ...completed.flatMap(writesOf),
    ...clearCompleted(db, completed, now),
    ...clearFailed(db, failed, now),
    ...clearAgain(db, again),
    ...(ended.length === 0 ? [] : after(db, changes, ended, now)),
    ...claims.flat(),
  ])
  for (const { id, last_seq } of results[0]) deps.notifier.publish(id, { seq: last_seq })
  const rows = results.slice(results.length - claims.flat().length)
  return orders.map(({ lease }, index) => {
    const [, , jobRows, batchRows] = rows.slice(4 * index)
    return parseClaimedRows(lease, jobRows, batchRows)
  })
}

/** @throws MillraceError UNKNOWN when the operation can't say what it writes, which no other try would change */
function writesOf({ run, jobId, lease }: Completed): readonly Statement[] {
  try {
    return run.writes?.(heldBy(jobId, lease)) ?? []
  } catch (cause) {
    throw new MillraceError('UNKNOWN', 'The statements of a result could not be made.', { cause })
  }
}

/** Makes the statements that update the batches of jobs that ended. */
function after(db: Database, changes: Changes, ended: readonly (Completed | Failed)[], now: number): Statement[] {
  const batchIds = JSON.stringify([...changes.keys()])
  return [
    ...appendJobEvents(db, changes, now),
    ...addTallies(db, changes),
    ...(ended.some(({ hasBudget }) => hasBudget) ? enforceBudgets(db, batchIds, now) : []),
    ...completeBatches(
      db,
      batchIds,
      now,
      ended.some(({ hasFollowUp }) => hasFollowUp),
    ),
    ...(ended.some(({ hasConcurrencyLimit }) => hasConcurrencyLimit) ? makeReady(db, nextBlocked(changes)) : []),
  ]
}

function endOf(outcome: Completed | Failed): Ended {
  const { jobId, batchId, sequence, kind } = outcome
  return kind === 'completed'
    ? { jobId, batchId, sequence, kind, data: outcome.run.summary, tallies: outcome.run.tallies }
    : { jobId, batchId, sequence, kind, data: { errorCode: outcome.code, errorMessage: outcome.message }, tallies: {} }
}

/** Fails the commit unless the statement before it changed so many rows. Every value is JSON but the text that says so. */
function changed(db: Database, rows: number): Statement {
  return db.all(sql`SELECT json(CASE changes() WHEN ${rows} THEN 'true' ELSE 'a lease was lost' END) AS held`)
}

/** Joins rows (as `c`: `key` a job's id, `value` an array that begins with its lease) with the jobs leased under those tokens. */
const HELD = sql`jobs.id = c.key AND jobs.lease = c.value ->> 0 AND jobs.status = 'running'`

/** A statement that takes rows as one JSON object, and its proof, as often as the rows' size asks for. */
function clear<T>(
  db: Database,
  outcomes: readonly T[],
  rowOf: (outcome: T) => NamedRow,
  statement: (json: string) => SQL,
): Statement[] {
  return jsonObjects(outcomes.map(rowOf)).flatMap(({ json, rows }) => [db.run(statement(json)), changed(db, rows)])
}

/** The last cell of the row of an outcome: most have none. */
const named = (name: string | undefined) => (name === undefined ? [] : [name])

function clearCompleted(db: Database, outcomes: readonly Completed[], now: number): Statement[] {
  return clear(
    db,
    outcomes,
    ({ jobId, lease, run, renamedTo }) => [jobId, [lease, run.result, run.summary, ...named(renamedTo)]],
    (json) => sql`
      UPDATE jobs SET status = 'completed', lease = NULL, lease_until = NULL, finished_at = ${now}, stage = NULL, progress_message = NULL,
        progress_percent = 100, result = c.value -> 1, summary = c.value -> 2, error_code = NULL, error_message = NULL,
        label = coalesce(c.value ->> 3, label)
      FROM json_each(${json}) c WHERE ${HELD}`,
  )
}

function clearFailed(db: Database, outcomes: readonly Failed[], now: number): Statement[] {
  return clear(
    db,
    outcomes,
    ({ jobId, lease, kind, code, message, begun = true, renamedTo }) => [
      jobId,
      [lease, kind, code, message, Number(begun), ...named(renamedTo)],
    ],
    (json) => sql`
      UPDATE jobs SET status = c.value ->> 1, lease = NULL, lease_until = NULL, finished_at = ${now}, stage = NULL, progress_message = NULL,
        result = NULL, summary = NULL, error_code = c.value ->> 2, error_message = c.value ->> 3, started_at = ${startedAt(sql`c.value ->> 4`)},
        label = coalesce(c.value ->> 5, label)
      FROM json_each(${json}) c WHERE ${HELD}`,
  )
}

/**
 * Schedules jobs that are to be tried again, or go on. Those of a stopped batch are due at once: the worker that claims them ends them. So are those
 * whose checkpoint says that what they wait for is there.
 */
function clearAgain(db: Database, outcomes: readonly Again[]): Statement[] {
  return clear(
    db,
    outcomes,
    ({ jobId, lease, runAt, refund, loss, code, message, begun = true, renamedTo }) => [
      jobId,
      [lease, runAt, Number(refund), Number(loss), code, message, Number(begun), ...named(renamedTo)],
    ],
    (json) => sql`
      UPDATE jobs SET run_at = CASE WHEN (SELECT b.stop_code FROM batches b WHERE b.id = jobs.batch_id) IS NULL AND (c.value ->> 2 = 0 OR jobs.checkpoint ->> '$.due' IS NOT 1)
          THEN c.value ->> 1 ELSE 0 END,
        status = CASE WHEN (SELECT b.paused_at FROM batches b WHERE b.id = jobs.batch_id) IS NULL THEN 'scheduled' ELSE 'blocked' END,
        lease = NULL, lease_until = NULL, stage = NULL, progress_message = c.value ->> 5,
        progress_percent = CASE WHEN c.value ->> 4 IS NULL THEN progress_percent ELSE 0 END,
        attempt = attempt - (c.value ->> 2), losses = losses + (c.value ->> 3), error_code = c.value ->> 4, error_message = c.value ->> 5,
        started_at = ${startedAt(sql`c.value ->> 6`)},
        label = coalesce(c.value ->> 7, label)
      FROM json_each(${json}) c WHERE ${HELD}`,
  )
}

/** Returns those of the outcomes whose lease is valid. */
async function withValidLease(db: Database, outcomes: readonly Outcome[]): Promise<Outcome[]> {
  const rows = await db.all<{ place: number }>(sql`
    SELECT c.key AS place FROM json_each(${JSON.stringify(outcomes.map(({ jobId, lease }) => [jobId, lease]))}) c
    CROSS JOIN jobs j ON j.id = c.value ->> 0 AND j.lease = c.value ->> 1 AND j.status = 'running'`)
  const held = new Set(rows.map(({ place }) => place))
  return outcomes.filter((_, place) => held.has(place))
}
