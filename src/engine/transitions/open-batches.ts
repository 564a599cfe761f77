/** Open batches: items that are too many for one body are added in parts, and the batch is sealed when all are there. */
import { type SQL, sql } from 'drizzle-orm'
import { MillraceError } from '../../errors.ts'
import type { JobPlan } from '../../operation.ts'
import type { Clock, Database, Dispatcher, Notifier, Statement } from '../../ports.ts'
import type { ChainError } from '../../schema/chain.ts'
import { sealFed } from '../chains.ts'
import { jsonLists } from '../json.ts'
import { commitWithin, type StorageQuota } from '../storage-quota.ts'
import { completeBatches } from './complete-batch.ts'
import { unblockJobs } from './concurrency-limit.ts'
import { insertJobs } from './insert-jobs.ts'

type Deps = { db: Database; clock: Clock; dispatcher: Dispatcher; notifier: Notifier; quota?: StorageQuota }

const utf8 = new TextEncoder()

/** Time that an open batch stays open after each part that comes in, in milliseconds. */
export const OPEN_MS = 60 * 60 * 1_000

/** Jobs of a batch with consecutive sequences, counted from 1. */
interface Slice {
  readonly batch: { readonly id: string; readonly owner: string }
  readonly first: number
  readonly jobs: readonly JobPlan[]
}

/**
 * Adds jobs to an open batch, all or none. A job whose sequence is taken by an equal one is skipped, so a part may be sent again.
 * @param first sequence of the first of them in the batch, from 1
 * @returns how many were added
 * @throws MillraceError QUOTA_EXCEEDED; CONFLICT when the batch is sealed, or a sequence is taken by another job, or the id of an item by
 * another sequence; `details.index` is its index, from 0
 */
export async function appendJobs(
  deps: Deps,
  batch: { id: string; owner: string },
  first: number,
  jobs: readonly JobPlan[],
): Promise<number> {
  const slice = { batch, first, jobs }
  const bytes = countBytes(jobs)
  try {
    return await write(deps, slice, [whereFree(deps.db, slice), ...whereUnique(deps.db, slice)], sql`${bytes}`)
  } catch (error) {
    if (error instanceof MillraceError) throw error
    // Most parts come once, so only now are the jobs compared with those that are there.
    await refuseOthers(deps.db, slice)
    await refuseDoubles(deps.db, slice)
    // Those that are there were counted when they came.
    const part = sql`${bytes} * ${addedOf(slice)} / ${jobs.length}`
    return await commitWithin(deps.quota, { owner: batch.owner, bytes }, () =>
      write(deps, slice, [...whereSame(deps.db, slice), ...whereUnique(deps.db, slice)], part),
    )
  }
}

/** Error that answers items for a batch that is not open. */
export const takesNoMore = () =>
  new MillraceError('CONFLICT', 'This batch takes no more items: it is sealed, or was stopped.')

/** Fails a commit, by what is no JSON, unless a condition holds. */
function demand(db: Database, condition: SQL): Statement {
  return db.all(sql`SELECT json(CASE WHEN ${condition} THEN 'true' ELSE 'a place is taken' END) AS free`)
}

const placesOf = ({ batch, first, jobs }: Slice) =>
  sql`batch_id = ${batch.id} AND sequence BETWEEN ${first} AND ${first + jobs.length - 1}`

const whereFree = (db: Database, slice: Slice) =>
  demand(db, sql`NOT EXISTS (SELECT 1 FROM jobs WHERE ${placesOf(slice)})`)

/** Jobs elsewhere in the batch (as `j`) whose item has the id of one of the part (as `r`), a query for each piece of the ids. */
function doubles({ batch, first, jobs }: Slice): SQL[] {
  const named = jobs.flatMap(({ itemId }, at) => (itemId === undefined ? [] : [[first + at, itemId]]))
  return jsonLists(named).map(
    ({ json }) => sql`
      FROM json_each(${json}) r CROSS JOIN jobs j ON j.batch_id = ${batch.id} AND j.item_id = r.value ->> 1
      WHERE j.sequence <> r.value ->> 0`,
  )
}

const whereUnique = (db: Database, slice: Slice) =>
  doubles(slice).map((from) => demand(db, sql`NOT EXISTS (SELECT 1 ${from})`))

async function refuseDoubles(db: Database, slice: Slice): Promise<void> {
  for (const from of doubles(slice)) {
    const [row] = await db.all<{ place: number; other: number }>(
      sql`SELECT r.value ->> 0 AS place, j.sequence AS other ${from} LIMIT 1`,
    )
    if (row === undefined) continue
    const field = `items.${row.place - 1}.id`
    const message = `${field}: the same as that of item ${row.other - 1} of this batch. The id of an item is unique in its batch; nothing of what was sent from item ${slice.first - 1} on was taken.`
    throw new MillraceError('CONFLICT', message, { details: { field, index: row.place - 1 } })
  }
}

/** Jobs whose sequence is taken by another (as `j`), a query for each piece of the part. */
function others({ batch, first, jobs }: Slice): SQL[] {
  return jsonLists(jobs.map(({ input, itemId = null }) => [input, itemId])).map(
    (piece) => sql`
      FROM json_each(${piece.json}) r CROSS JOIN jobs j ON j.batch_id = ${batch.id} AND j.sequence = ${first + piece.first} + r.key
      WHERE j.input <> r.value -> 0 OR j.item_id IS NOT r.value ->> 1`,
  )
}

const whereSame = (db: Database, slice: Slice) =>
  others(slice).map((from) => demand(db, sql`NOT EXISTS (SELECT 1 ${from})`))

async function refuseOthers(db: Database, slice: Slice): Promise<void> {
  for (const from of others(slice)) {
    const rows = await db.all<{ place: number | null }>(sql`SELECT min(j.sequence) AS place ${from}`)
    const place = rows[0]?.place ?? null
    if (place === null) continue
    const message = `Item ${place - 1} of this batch is there already, and is another one. Nothing of what was sent from item ${slice.first - 1} on was taken.`
    throw new MillraceError('CONFLICT', message, { details: { field: `items.${place - 1}`, index: place - 1 } })
  }
}

const addedOf = (slice: Slice) => sql`(${slice.jobs.length} - (SELECT count(*) FROM jobs WHERE ${placesOf(slice)}))`

/** Bytes of JSON that jobs are given. */
function countBytes(jobs: readonly JobPlan[]): number {
  return jobs.reduce((sum, { input }) => sum + utf8.encode(JSON.stringify(input) ?? '').byteLength, 0)
}

/** @param bytes what the jobs that are added count against their owner's quota */
async function write(deps: Deps, slice: Slice, demands: readonly Statement[], bytes: SQL): Promise<number> {
  const { db, quota } = deps
  const { batch, first, jobs } = slice
  const now = deps.clock.now()
  const added = addedOf(slice)
  const opened = db.all<{ added: number }>(sql`
    UPDATE batches SET open_until = CASE WHEN chain IS NULL THEN ${now + OPEN_MS} ELSE open_until END, progress_version = progress_version + 1, total = total + ${added},
      input_bytes = input_bytes + ${bytes}
    WHERE id = ${batch.id} AND open_until IS NOT NULL AND stop_code IS NULL RETURNING ${added} AS added`)
  const [rows] = await db.batch([
    opened,
    ...demands,
    ...insertJobs(db, {
      batchId: batch.id,
      owner: batch.owner,
      now,
      jobs,
      firstSequence: first,
      later: true,
      condition: sql`b.open_until IS NOT NULL AND b.stop_code IS NULL`,
    }),
    unblockJobs(
      db,
      batch.id,
      now,
      // Unblocks none where jobs are blocked already: every concurrency slot is taken then.
      sql`b.paused_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = ${batch.id} AND status = 'blocked' AND sequence < ${first})
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = ${batch.id} AND status = 'blocked' AND sequence > ${first + jobs.length - 1})`,
    ),
    ...(quota?.check(batch.owner) ?? []),
  ])
  const row = rows[0]
  if (row === undefined) throw takesNoMore()
  deps.dispatcher.wake()
  return row.added
}

/**
 * Says that all items are there; the batch ends with the last of them. Does nothing to a batch that is sealed.
 * @param total how many there should be; absent: as many as the last sequence says
 * @returns how many there are
 * @throws MillraceError CONFLICT, saying which are missing, when sequences are missing or the number of items differs; also when the batch
 * was stopped before it was sealed
 */
export async function sealBatch(deps: Deps, batchId: string, { total }: { total?: number } = {}): Promise<number> {
  const last = sql`(SELECT coalesce(max(sequence), 0) FROM jobs WHERE batch_id = ${batchId})`
  const batch = await seal(deps, batchId, sql`total = ${last} AND total = ${total ?? sql`total`}`)
  if (batch.cutOpen) {
    const message = 'This batch was stopped before all of its items were there, so it cannot be sealed.'
    throw new MillraceError('CONFLICT', message)
  }
  if (!batch.open && (total === undefined || total === batch.total)) return batch.total
  throw new MillraceError('CONFLICT', await lacking(deps.db, batchId, batch, total), { details: { field: 'total' } })
}

/** Seals a batch that was not sealed in time, with what it has. */
export async function sealLeft(deps: Deps, batchId: string): Promise<void> {
  await seal(deps, batchId, sql`true`)
}

/**
 * Seals a batch that follows another, once all results of that one have been looked at. Does nothing to one that is sealed or was stopped.
 * @param errors why some of these results became no items
 */
export async function sealChained(
  deps: Deps,
  batch: { readonly id: string; readonly from: string },
  errors: readonly ChainError[],
): Promise<void> {
  const { db } = deps
  const { id: batchId } = batch
  const now = deps.clock.now()
  await db.batch([...sealFed(db, batch, errors, now), ...completeBatches(db, JSON.stringify([batchId]), now)])
  const rows = await db.all<{ last_seq: number }>(sql`SELECT last_seq FROM batches WHERE id = ${batchId}`)
  const seq = rows[0]?.last_seq ?? 0
  if (seq > 0) deps.notifier.publish(batchId, { seq })
  // It may have ended with that: what follows it is due.
  deps.dispatcher.wake()
}

interface Sealed {
  readonly total: number
  readonly open: boolean
  /** True where it was stopped before it was sealed. */
  readonly cutOpen: boolean
}

async function seal(deps: Deps, batchId: string, condition: SQL): Promise<Sealed> {
  const { db } = deps
  await db.batch([
    db.run(
      sql`UPDATE batches SET open_until = NULL, progress_version = progress_version + 1
        WHERE id = ${batchId} AND open_until IS NOT NULL AND ${condition}`,
    ),
    ...completeBatches(db, JSON.stringify([batchId]), deps.clock.now()),
  ])
  const rows = await db.all<{ last_seq: number; total: number; open: number; cut_open: number }>(
    sql`SELECT last_seq, total, open_until IS NOT NULL AS open, cut_open FROM batches WHERE id = ${batchId}`,
  )
  const row = rows[0] ?? { last_seq: 0, total: 0, open: 0, cut_open: 0 }
  // A notice must never name an event that is not written: followers would wait beyond the ones that come.
  if (row.last_seq > 0) deps.notifier.publish(batchId, { seq: row.last_seq })
  return { total: row.total, open: row.open === 1, cutOpen: row.cut_open === 1 }
}

/** Explains why a batch cannot be sealed with the total given. Looks for the first missing sequence, which only a refusal may cost. */
async function lacking(db: Database, batchId: string, batch: Sealed, total: number | undefined): Promise<string> {
  const holds = `The batch ${batch.open ? 'holds' : 'was sealed with'} ${batch.total} items`
  if (!batch.open) return `${holds}, not ${total}.`
  const next = sql`SELECT 1 FROM jobs n WHERE n.batch_id = ${batchId} AND n.sequence`
  const rows = await db.all<{ missing: number; until: number | null }>(sql`
    SELECT missing, (SELECT min(sequence) FROM jobs WHERE batch_id = ${batchId} AND sequence > missing) - 1 AS until FROM (
      SELECT CASE WHEN NOT EXISTS (${next} = 1) THEN 0 ELSE (
        SELECT j.sequence FROM jobs j WHERE j.batch_id = ${batchId} AND NOT EXISTS (${next} = j.sequence + 1) ORDER BY j.sequence LIMIT 1
      ) END AS missing)`)
  const { missing = 0, until = null } = rows[0] ?? {}
  const what = until === null ? `those from ${missing} on` : `items ${missing} to ${until - 1}`
  const short = until !== null || (total !== undefined && total > batch.total)
  const not = total === undefined || total === batch.total ? '' : `, not ${total}`
  return short ? `${holds}${not}: ${what} never came. Send them, then seal it.` : `${holds}${not}.`
}
