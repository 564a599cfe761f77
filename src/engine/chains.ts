/**
 * Chains: a batch that follows another is made in the commit that ends the first, so that no crash comes between the two and it is made once.
 * It begins open and without items. A job, made in the same commit, turns the results of the first into items in slices, and seals it (see
 * `features/batches/chain-operation.ts`); claiming, leases and retries are those of any job. The job belongs to a batch without an owner, as
 * deliveries to webhooks do, so that no list shows it.
 *
 * Results are kept apart by the run that they are of: `fed` in the first batch's {@link NextState} counts those that became items already.
 */
import { type SQL, sql } from 'drizzle-orm'
import { insertChainFed, insertNextStarted } from '../events.ts'
import type { Database, Statement } from '../ports.ts'
import { CHAIN_ATTEMPTS, CHAIN_OPERATION, type ChainError, FED_UNTIL } from '../schema/chain.ts'

/** Errors that a batch keeps of results that became no items. */
const MAX_ERRORS = 20

/** Id of the job, and of its batch, that feeds the batch `id`. */
export const feederOf = (id: SQL) => sql`(${id} || '-feed')`

/** Makes a UUIDv7 in SQL, another for each row. */
function newId(now: number): SQL {
  const time = now.toString(16).padStart(12, '0')
  const head = `${time.slice(0, 8)}-${time.slice(8)}-7`
  return sql`lower(${head} || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2)
    || '-' || hex(randomblob(6)))`
}

/** The last of the batches that followed. */
const LAST_NEXT = sql`(next ->> '$.batchIds[#-1]')`

/**
 * Why no batch follows one that ends, where one was to follow; NULL where one does.
 * @param status the final status
 */
const skippedBecause = (status: SQL) => sql`CASE WHEN ${status} = 'cancelled' THEN 'cancelled'
  WHEN completed <= (next ->> '$.fed') THEN 'none_succeeded' END`

/** Expressions about the next batch of one that ends, for its closing event. */
export const nextOf = (status: SQL) => ({ batchId: LAST_NEXT, skipped: skippedBecause(status) })

/**
 * Statements that name the batches which follow those that end. They come before the closing events, which carry the names.
 * @param done condition on `batches`: those that end with this commit
 */
export function nameNext(db: Database, done: SQL, status: SQL, now: number): Statement[] {
  return [
    db.run(sql`
      UPDATE batches SET next = json_set(next, '$.batchIds[#]', ${newId(now)}, '$.feeding', json('true'))
      WHERE ${done} AND next IS NOT NULL AND ${skippedBecause(status)} IS NULL`),
  ]
}

/** Statements that make those batches, and the jobs that feed them. They come after the closing events, and before the statement that ends the first. */
export function beginNext(db: Database, done: SQL, status: SQL, now: number): Statement[] {
  const begun = sql`${done} AND next IS NOT NULL AND ${skippedBecause(status)} IS NULL`
  const facts = sql`json_set(next -> '$.facts', '$.chainedFrom', id)`
  return [
    db.run(sql`
      INSERT INTO batches (id, owner, operation, queue, status, input, total, facts, tallies, last_seq, concurrency, created_at, priority,
        max_attempts, open_until, metadata, budget, input_bytes, next, chain)
      SELECT ${LAST_NEXT}, owner, next ->> '$.operation', next ->> '$.queue', 'pending', next -> '$.input', 0, ${facts}, '{}', 1,
        next ->> '$.concurrency', ${now}, next ->> '$.priority', next ->> '$.maxAttempts', ${FED_UNTIL}, next ->> '$.metadata', next -> '$.budget',
        next ->> '$.inputBytes', next -> '$.next',
        json_object('from', id, 'expected', completed - (next ->> '$.fed'), 'rejected', 0, 'errors', json('[]'))
      FROM batches WHERE ${begun}`),
    db.run(insertNextStarted(sql`SELECT ${LAST_NEXT} AS id, ${facts} AS facts FROM batches WHERE ${begun}`, now)),
    db.run(sql`
      INSERT INTO batch_labels (owner, label, batch_id)
      SELECT b.owner, l.value, b.next ->> '$.batchIds[#-1]' FROM (SELECT owner, next FROM batches WHERE ${begun}) b
        CROSS JOIN json_each(b.next, '$.labels') l`),
    db.run(sql`
      INSERT INTO batches (id, owner, operation, status, input, facts, total, tallies, max_attempts, created_at)
      SELECT ${feederOf(LAST_NEXT)}, ${feederOf(LAST_NEXT)}, ${CHAIN_OPERATION}, 'pending', '{}', '{}', 1, '{}', ${CHAIN_ATTEMPTS}, ${now}
      FROM batches WHERE ${begun}`),
    // Made due now rather than ready: a due job gets a new virtual time of its owner.
    db.run(sql`
      INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, input, virtual_time, run_at, max_attempts, created_at)
      SELECT ${feederOf(LAST_NEXT)}, ${feederOf(LAST_NEXT)}, owner, ${CHAIN_OPERATION}, 1, 'scheduled',
        json_object('batchId', ${LAST_NEXT}, 'from', id, 'after', next ->> '$.fedSeq', 'upTo', last_seq, 'webhook', json(next -> '$.webhook')), 0, ${now}, ${CHAIN_ATTEMPTS}, ${now}
      FROM batches WHERE ${begun}`),
    db.run(sql`UPDATE batches SET next = json_set(next, '$.fed', completed, '$.fedSeq', last_seq) WHERE ${begun}`),
  ]
}

/** Condition on `batches`: results of its last end are becoming items, so it may neither change nor go. */
export const FEEDS_NEXT = sql`(next IS NOT NULL AND next ->> '$.feeding' = 1)`

/**
 * Statements that seal a batch that was fed, and let the one before it go. What was to become an item and did not is counted. Those that end
 * batches come after them.
 */
export function sealFed(
  db: Database,
  { id, from }: { readonly id: string; readonly from: string },
  errors: readonly ChainError[],
  now: number,
): [Statement, ...Statement[]] {
  const open = sql`id = ${id} AND open_until = ${FED_UNTIL}`
  const kept = JSON.stringify(errors.slice(0, MAX_ERRORS))
  return [
    db.run(sql`
      UPDATE batches SET next = json_set(next, '$.feeding', json('false'))
      WHERE id = ${from} AND ${LAST_NEXT} = ${id}`),
    db.run(sql`
      UPDATE batches SET chain = json_set(chain, '$.rejected', (chain ->> '$.expected') - total, '$.errors', json(${kept})), last_seq = last_seq + 1
      WHERE ${open}`),
    db.run(insertChainFed(open, now)),
    db.run(sql`UPDATE batches SET open_until = NULL, progress_version = progress_version + 1 WHERE ${open}`),
  ]
}

/** Reads the batches that wait for items which nothing brings any more: what fed them failed for good. */
export function readAbandoned(db: Database, limit: number): Promise<{ id: string; from: string }[]> {
  return db.all(sql`
    SELECT b.id, b.chain ->> '$.from' AS "from" FROM batches b WHERE b.open_until = ${FED_UNTIL} AND NOT EXISTS (
      SELECT 1 FROM jobs j WHERE j.id = b.id || '-feed' AND j.status NOT IN ('completed', 'failed', 'cancelled')) LIMIT ${limit}`)
}
