/**
 * Finishing: what running jobs came to, written with their counters and their events in one commit. Completions that arrive together
 * share a commit.
 *
 * Every statement is guarded by the lease still being held, and the leases are cleared last, so that each guard sees the same jobs. A
 * write under a lost lease changes nothing; the worker learns of it from the ids that did not come back.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Clock, Database, Notifier, RunResult, Statement } from '../ports.ts'
import { type Claimed, type ClaimOrder, claimed, claimStatements } from './claim.ts'
import { closeBatches } from './closing.ts'
import { jsonObject, jsonObjects } from './json.ts'
import { makeReady } from './turns.ts'

/** A job as the worker that runs it holds it. */
export interface Held {
  readonly jobId: string
  readonly batchId: string
  readonly lease: string
  /** Whether other jobs of its batch wait for its place. */
  readonly bounded: boolean
  /** Whether its batch has a webhook. */
  readonly hooked: boolean
}

/** How an attempt ended. */
export type Outcome =
  | (Held & { readonly kind: 'completed'; readonly run: RunResult })
  | (Held & { readonly kind: 'failed' | 'cancelled'; readonly code: string; readonly message: string })
  /** To be tried again at `runAt`. A refunded attempt does not count; a loss counts as a worker that vanished. */
  | (Held & {
      readonly kind: 'again'
      readonly runAt: number
      readonly refund: boolean
      readonly loss: boolean
      /** What went wrong; null when nothing did. */
      readonly code: string | null
      readonly message: string | null
    })

/** True while the job is still held under this lease. For guarding an operation's own rows. */
export function heldBy(jobId: string, lease: string): SQL<boolean> {
  return sql<boolean>`EXISTS (SELECT 1 FROM jobs WHERE id = ${jobId} AND lease = ${lease} AND status = 'running')`
}

/** Rows of a statement, each under the id of its job and with the lease that guards it. */
function rows<T extends Outcome>(outcomes: readonly T[], of: (outcome: T) => object): [string, object][] {
  return outcomes.map((outcome) => [outcome.jobId, { lease: outcome.lease, ...of(outcome) }])
}

/** What the counting statements need of an ended job. The result itself goes only into the last statement. */
function fact(outcome: Outcome) {
  const { kind } = outcome
  return kind === 'completed'
    ? { kind, tallies: outcome.run.tallies, event: outcome.run.summary }
    : { kind, event: { errorCode: outcome.code, errorMessage: outcome.message } }
}

function ending(outcome: Outcome) {
  const { kind } = outcome
  return kind === 'completed'
    ? { kind, result: outcome.run.result, summary: outcome.run.summary }
    : { kind, code: outcome.code, message: outcome.message }
}

function waiting({ runAt, refund, loss, code, message }: Extract<Outcome, { kind: 'again' }>) {
  return { runAt, refund: Number(refund), loss: Number(loss), code, message }
}

type Deps = { db: Database; clock: Clock; notifier: Notifier }

/**
 * Writes outcomes and tells followers.
 * @returns ids of the jobs whose lease was still held; the others were fenced and nothing of them was written
 */
export async function finish(deps: Deps, outcomes: readonly Outcome[]): Promise<Set<string>> {
  return (await finishAndClaim(deps, outcomes, null)).written
}

/**
 * Writes outcomes and tells followers; claims, in the same commit, jobs for the places that became free.
 * @param order null to claim nothing
 * @returns ids as {@link finish} does, and what was claimed
 */
export async function finishAndClaim(
  deps: Deps,
  outcomes: readonly Outcome[],
  order: ClaimOrder | null,
): Promise<{ written: Set<string>; claimed: Claimed[] }> {
  const { db } = deps
  const now = deps.clock.now()
  const ended = outcomes.filter((outcome) => outcome.kind !== 'again')
  const again = outcomes.filter((outcome) => outcome.kind === 'again')
  const held = heldAmong(rows(ended, fact))
  const batchIds = JSON.stringify([...new Set(ended.map((outcome) => outcome.batchId))])
  const statements: Statement[] =
    ended.length === 0
      ? []
      : [
          ...ended.flatMap((outcome) =>
            outcome.kind === 'completed' && outcome.run.writes !== undefined
              ? outcome.run.writes(heldBy(outcome.jobId, outcome.lease))
              : [],
          ),
          ...count(db, held, ended, now),
          ...closeBatches(
            db,
            batchIds,
            now,
            ended.some((outcome) => outcome.hooked),
          ),
          ...(ended.some((outcome) => outcome.bounded) ? makeReady(db, nextHeld(held)) : []),
          ...jsonObjects(rows(ended, ending)).map((object) => clearEnded(db, object, now)),
        ]
  // Read before anything changes, in the same transaction: all but these jobs pass every guard below.
  const fenced = db.all<Lease>(sql`
    SELECT c.key AS "jobId", c.value ->> 'lease' AS lease FROM json_each(${jsonObject(rows(outcomes, () => ({})))}) c
    WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.key AND j.lease = c.value ->> 'lease' AND j.status = 'running')`)
  const heads = db.all<{ id: string; last_seq: number }>(
    sql`SELECT id, last_seq FROM batches WHERE id IN (SELECT value FROM json_each(${batchIds}))`,
  )
  const results = await db.batch([
    fenced,
    heads,
    ...statements,
    ...jsonObjects(rows(again, waiting)).map((object) => clearAgain(db, object)),
    ...(order === null ? [] : claimStatements(db, now, order)),
  ])
  const lost = new Set(results[0].map(name))
  const isHeld = (outcome: Outcome) => !lost.has(name(outcome))
  const news = new Map<string, number>()
  for (const { batchId } of ended.filter(isHeld)) news.set(batchId, (news.get(batchId) ?? 0) + 1)
  for (const { id, last_seq } of results[1]) {
    const more = news.get(id)
    if (more !== undefined) deps.notifier.publish(id, { seq: last_seq + more })
  }
  return {
    written: new Set(outcomes.filter(isHeld).map(({ jobId }) => jobId)),
    claimed: order === null ? [] : claimed(order.lease, results.at(-2), results.at(-1)),
  }
}

type Lease = Pick<Held, 'jobId' | 'lease'>

/** A job may be among the outcomes twice: under a lease that was lost, and under the one that holds. */
function name({ jobId, lease }: Lease): string {
  return `${jobId} ${lease}`
}

function hasTallies(outcome: Outcome): boolean {
  return outcome.kind === 'completed' && Object.keys(outcome.run.tallies).length > 0
}

/** Joins rows (as `c`: `key` a job's id, `value` an object with its lease) with the jobs still held under those leases (as `j`). */
function heldAmong(outcomes: readonly [string, object][]): SQL {
  // CROSS JOIN fixes the order: the rows drive, jobs are looked up.
  return sql`json_each(${jsonObject(outcomes)}) c CROSS JOIN jobs j ON j.id = c.key AND j.lease = c.value ->> 'lease' AND j.status = 'running'`
}

/** One event a job, and the batch's counters and sums. */
function count(db: Database, held: SQL, ended: readonly Outcome[], now: number): Statement[] {
  const amount = (kind: Outcome['kind']) =>
    ended.some((outcome) => outcome.kind === kind) ? sql`sum(c.value ->> 'kind' = ${kind})` : sql`0`
  return [
    db.run(sql`
      INSERT INTO events (batch_id, seq, type, job_id, job_sequence, at, data)
      SELECT j.batch_id, b.last_seq + row_number() OVER (PARTITION BY j.batch_id ORDER BY c.id),
        CASE c.value ->> 'kind' WHEN 'completed' THEN 'job_completed' ELSE 'job_failed' END, j.id, j.sequence, ${now}, c.value -> 'event'
      FROM ${held} JOIN batches b ON b.id = j.batch_id`),
    db.run(sql`
      UPDATE batches SET completed = batches.completed + d.ended - d.failed - d.cancelled, failed = batches.failed + d.failed, cancelled = batches.cancelled + d.cancelled,
        last_seq = last_seq + d.ended
      FROM (
        SELECT j.batch_id, count(*) AS ended, ${amount('failed')} AS failed, ${amount('cancelled')} AS cancelled
        FROM ${held} GROUP BY j.batch_id
      ) d WHERE d.batch_id = batches.id`),
    ...(ended.some(hasTallies) ? [addTallies(db, held)] : []),
  ]
}

/** Sums what the jobs of each batch give, then adds it to what the batch has: no batch looks at the jobs of another. */
function addTallies(db: Database, held: SQL): Statement {
  return db.run(sql`
    UPDATE batches SET tallies = (
      SELECT json_group_object(name, amount) FROM (
        SELECT name, sum(amount) AS amount FROM (
          SELECT key AS name, value AS amount FROM json_each(batches.tallies) UNION ALL SELECT key, value FROM json_each(d.sums)
        ) GROUP BY name))
    FROM (
      SELECT batch_id, json_group_object(name, amount) AS sums FROM (
        SELECT j.batch_id, t.key AS name, sum(t.value) AS amount FROM ${held}, json_each(c.value -> 'tallies') t GROUP BY j.batch_id, t.key
      ) GROUP BY batch_id
    ) d WHERE d.batch_id = batches.id`)
}

/**
 * The held jobs that take the places of ended ones: of each batch as many as ended, lowest sequence first. Walks the index of held
 * jobs step by step, so that it costs the same however many are held.
 */
function nextHeld(held: SQL): SQL {
  const first = sql`SELECT min(n.sequence) FROM jobs n WHERE n.status = 'held' AND n.batch_id`
  return sql`
    SELECT h.id, h.owner, h.sequence AS place FROM (
      WITH RECURSIVE walk (batch_id, ended, step, sequence) AS (
        SELECT e.batch_id, e.ended, 1, (${first} = e.batch_id)
        FROM (SELECT j.batch_id, count(*) AS ended FROM ${held} JOIN batches b ON b.id = j.batch_id AND b.paused_at IS NULL AND b.stop_code IS NULL
          GROUP BY j.batch_id) e
        UNION ALL
        SELECT w.batch_id, w.ended, w.step + 1, (${first} = w.batch_id AND n.sequence > w.sequence)
        FROM walk w WHERE w.step < w.ended AND w.sequence IS NOT NULL
      )
      SELECT batch_id, sequence FROM walk WHERE sequence IS NOT NULL
    ) w JOIN jobs h ON h.batch_id = w.batch_id AND h.sequence = w.sequence`
}

function clearEnded(db: Database, object: string, now: number): Statement {
  return db.run(sql`
    UPDATE jobs SET status = c.value ->> 'kind', lease = NULL, lease_until = NULL, finished_at = ${now}, stage = NULL,
      progress_message = NULL, progress_percent = CASE c.value ->> 'kind' WHEN 'completed' THEN 100 ELSE progress_percent END,
      result = c.value -> 'result', summary = c.value -> 'summary', error_code = c.value ->> 'code', error_message = c.value ->> 'message'
    FROM json_each(${object}) c WHERE jobs.id = c.key AND jobs.lease = c.value ->> 'lease' AND jobs.status = 'running'`)
}

function clearAgain(db: Database, object: string): Statement {
  return db.run(sql`
    UPDATE jobs SET run_at = c.value ->> 'runAt',
      status = CASE WHEN (SELECT b.paused_at FROM batches b WHERE b.id = jobs.batch_id) IS NULL THEN 'scheduled' ELSE 'held' END, lease = NULL, lease_until = NULL, stage = NULL,
      progress_percent = 0, progress_message = c.value ->> 'message',
      attempt = attempt - (c.value ->> 'refund'), losses = losses + (c.value ->> 'loss'),
      error_code = c.value ->> 'code', error_message = c.value ->> 'message'
    FROM json_each(${object}) c WHERE jobs.id = c.key AND jobs.lease = c.value ->> 'lease' AND jobs.status = 'running'`)
}
