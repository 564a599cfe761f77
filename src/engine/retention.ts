/** Retention: what is deleted, or older than it is kept, goes with its rows and its blobs; blobs that no row names go too. */
import { type SQL, sql } from 'drizzle-orm'
import type { BlobStore, Clock, Database, Log, Operations } from '../ports.ts'
import { WEBHOOK_OPERATION } from '../schema/webhooks.ts'
import { WINDOW_MS } from './quotas.ts'
import { inSlices, thenRest } from './slices.ts'

interface Deps {
  readonly db: Database
  readonly clock: Clock
  readonly blobs: BlobStore
  readonly operations: Operations
  readonly log: Log
}

/** Rows deleted by one commit, so that no commit holds the write lock for long. */
const ROWS_A_COMMIT = 1_000
const BATCHES_AT_ONCE = 50
/** A blob younger than this may belong to a create that is still under way. */
const ORPHAN_AFTER_MS = 24 * 60 * 60 * 1_000

/**
 * Takes batches out of sight that ended longer ago than they are kept, and deletes what is out of sight.
 * @param keepMs how long an ended batch is kept
 * @param goOn asked between commits; what is left then is for the next sweep
 * @returns how many batches were deleted
 */
export async function sweepRetention(deps: Deps, keepMs: number, goOn: () => boolean = () => true): Promise<number> {
  const { db } = deps
  const now = deps.clock.now()
  await db.run(sql`
    UPDATE batches SET deleted_at = ${now}, idempotency_key = NULL WHERE id IN (
      SELECT id FROM batches WHERE finished_at IS NOT NULL AND finished_at < ${now - keepMs} AND deleted_at IS NULL LIMIT ${BATCHES_AT_ONCE})`)
  const gone = await db.all<{ id: string; operation: string; webhook_id: string | null }>(
    sql`SELECT id, operation, webhook_id FROM batches WHERE deleted_at IS NOT NULL LIMIT ${BATCHES_AT_ONCE}`,
  )
  let purged = 0
  for (const { id, operation, webhook_id } of gone) {
    if (webhook_id !== null && !(await purge(deps, webhook_id, WEBHOOK_OPERATION, goOn))) break
    if (!(await purge(deps, id, operation, goOn))) break
    purged++
  }
  return purged
}

/** Blobs first, then rows, the batch itself last: cut off anywhere, the next sweep goes on. @returns whether all is gone */
async function purge(deps: Deps, id: string, operation: string, goOn: () => boolean): Promise<boolean> {
  const { db } = deps
  const uploads = await db.all<{ key: string }>(sql`SELECT key FROM uploads WHERE batch_id = ${id}`)
  await deps.blobs.delete(uploads.map(({ key }) => key))
  const jobs = sql`id IN (SELECT id FROM jobs WHERE batch_id = ${id} ORDER BY sequence LIMIT ${ROWS_A_COMMIT})`
  const events = sql`batch_id = ${id} AND seq IN (SELECT seq FROM events WHERE batch_id = ${id} ORDER BY seq LIMIT ${ROWS_A_COMMIT})`
  if (!(await deleteInSlices(db, sql`jobs`, jobs, goOn))) return false
  if (!(await deleteInSlices(db, sql`events`, events, goOn))) return false
  const ids = JSON.stringify([id])
  await thenRest(() =>
    db.batch([
      db.run(sql`DELETE FROM uploads WHERE batch_id = ${id}`),
      db.run(sql`DELETE FROM batch_labels WHERE batch_id = ${id}`),
      ...(deps.operations[operation]?.forget?.(db, ids) ?? []),
      db.run(sql`DELETE FROM batches WHERE id = ${id}`),
    ]),
  )
  return true
}

/** @returns whether all is deleted */
function deleteInSlices(db: Database, table: SQL, slice: SQL, goOn?: () => boolean): Promise<boolean> {
  return inSlices(async () => {
    const rows = await db.all(sql`DELETE FROM ${table} WHERE ${slice} RETURNING 1`)
    return rows.length === ROWS_A_COMMIT
  }, goOn)
}

/** Deletes what was counted in hours that are over. */
export async function sweepRateWindows({ db, clock }: Pick<Deps, 'db' | 'clock'>): Promise<void> {
  // An hour more than needed: the clocks of several machines need not agree.
  const before = clock.now() - 2 * WINDOW_MS
  await deleteInSlices(
    db,
    sql`rate_windows`,
    sql`rowid IN (SELECT rowid FROM rate_windows WHERE started_at < ${before} ORDER BY started_at LIMIT ${ROWS_A_COMMIT})`,
  )
}

/**
 * Deletes uploads that no batch names: of creates that were refused or cut off.
 * @returns how many
 */
export async function sweepOrphans(deps: Deps): Promise<number> {
  let deleted = 0
  let page: string[] = []
  const flush = async () => {
    const known = await deps.db.all<{ key: string }>(
      sql`SELECT key FROM uploads WHERE key IN (SELECT value FROM json_each(${JSON.stringify(page)}))`,
    )
    const kept = new Set(known.map(({ key }) => key))
    const orphans = page.filter((key) => !kept.has(key))
    await deps.blobs.delete(orphans)
    deleted += orphans.length
    page = []
  }
  for await (const { key, modifiedAt } of deps.blobs.list('uploads/')) {
    if (modifiedAt > deps.clock.now() - ORPHAN_AFTER_MS) continue
    page.push(key)
    if (page.length === 1_000) await flush()
  }
  await flush()
  if (deleted > 0) deps.log.info({ blobs: deleted }, 'deleted uploads that no batch names')
  return deleted
}
