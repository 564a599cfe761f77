/** Retention: what is deleted, or older than it is kept, goes with its rows and its blobs; blobs that no row names go too. */
import { type SQL, sql } from 'drizzle-orm'
import type { Operations } from '../../operation.ts'
import type { BlobStore, Clock, Database, Log } from '../../ports.ts'
import { CHAIN_OPERATION } from '../../schema/chain.ts'
import { WEBHOOK_OPERATION } from '../../schema/webhooks.ts'
import { FEEDS_NEXT } from '../chains.ts'
import { runInChunks, withCooldown } from '../chunked-work.ts'
import { observeTime } from '../database-time.ts'
import { WINDOW_MS } from '../quotas.ts'
import { UPLOADS } from '../uploads.ts'
import { forgetVanishedWorkers } from './sweep.ts'

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
 * Takes batches out of sight that ended longer ago than they are kept, and deletes what is out of sight, until nothing is left to delete.
 * @param keepMs how long an ended batch is kept, in milliseconds of database time: see `database-time.ts`
 * @param goOn asked between commits; what is left then is for the next sweep
 * @returns how many batches were deleted
 */
export async function sweepRetention(deps: Deps, keepMs: number, goOn: () => boolean = () => true): Promise<number> {
  const { db } = deps
  const before = (await observeTime(deps, keepMs)).ago(keepMs)
  for (let purged = 0; ; ) {
    const now = deps.clock.now()
    await db.run(sql`
      UPDATE batches SET deleted_at = ${now}, idempotency_key = NULL WHERE id IN (
        SELECT id FROM batches WHERE finished_at IS NOT NULL AND finished_at < ${before} AND deleted_at IS NULL AND NOT ${FEEDS_NEXT} LIMIT ${BATCHES_AT_ONCE})`)
    const gone = await db.all<Gone>(
      sql`SELECT id, operation, webhook_id FROM batches WHERE deleted_at <= ${now} LIMIT ${BATCHES_AT_ONCE}`,
    )
    for (const [operation, ids] of groupsOf(gone)) {
      if (!goOn() || !(await purge(deps, ids, operation, goOn))) return purged
      if (operation !== WEBHOOK_OPERATION && operation !== CHAIN_OPERATION) purged += ids.length
    }
    if (gone.length < BATCHES_AT_ONCE || !goOn()) return purged
  }
}

interface Gone {
  readonly id: string
  readonly operation: string
  readonly webhook_id: string | null
}

/** Groups batches whose rows are deleted by the same statements. Webhook deliveries are batches too, and go before the one that alone names them. */
function groupsOf(gone: readonly Gone[]): Map<string, string[]> {
  const told = gone.flatMap(({ webhook_id }) => (webhook_id === null ? [] : [webhook_id]))
  const groups = new Map<string, string[]>(told.length === 0 ? [] : [[WEBHOOK_OPERATION, told]])
  for (const { id, operation } of gone) groups.set(operation, [...(groups.get(operation) ?? []), id])
  return groups
}

/** Blobs first, then rows, the batches themselves last: cut off anywhere, the next sweep goes on. @returns whether all is gone */
async function purge(
  deps: Deps,
  batchIds: readonly string[],
  operation: string,
  goOn: () => boolean,
): Promise<boolean> {
  const { db } = deps
  const ids = JSON.stringify(batchIds)
  const ofThem = sql`batch_id IN (SELECT value FROM json_each(${ids}))`
  const uploads = await db.all<{ key: string }>(sql`SELECT key FROM uploads WHERE ${ofThem}`)
  await deps.blobs.delete(uploads.map(({ key }) => key))
  const slice = (table: SQL) => sql`id IN (SELECT id FROM ${table} WHERE ${ofThem} LIMIT ${ROWS_A_COMMIT})`
  for (const table of [sql`jobs`, sql`events`]) {
    if (!(await deleteInSlices(db, table, slice(table), goOn))) return false
  }
  await withCooldown(() =>
    db.batch([
      db.run(sql`DELETE FROM uploads WHERE ${ofThem}`),
      db.run(sql`DELETE FROM batch_labels WHERE ${ofThem}`),
      ...(deps.operations[operation]?.deleteOwnedRows?.(db, ids) ?? []),
      db.run(sql`DELETE FROM batches WHERE id IN (SELECT value FROM json_each(${ids}))`),
    ]),
  )
  return true
}

/** @returns whether all is deleted */
function deleteInSlices(db: Database, table: SQL, slice: SQL, goOn?: () => boolean): Promise<boolean> {
  return runInChunks(async () => {
    const rows = await db.all(sql`DELETE FROM ${table} WHERE ${slice} RETURNING 1`)
    return rows.length === ROWS_A_COMMIT
  }, goOn)
}

/** Deletes what was counted in hours that are over. @param goOn asked between commits */
export async function sweepRateWindows({ db, clock }: Pick<Deps, 'db' | 'clock'>, goOn?: () => boolean): Promise<void> {
  // An hour more than needed: the clocks of several machines need not agree.
  const before = clock.now() - 2 * WINDOW_MS
  await deleteInSlices(
    db,
    sql`rate_windows`,
    sql`rowid IN (SELECT rowid FROM rate_windows WHERE started_at < ${before} ORDER BY started_at LIMIT ${ROWS_A_COMMIT})`,
    goOn,
  )
}

/**
 * Deletes uploads that no batch names: of creates that were refused or cut off.
 * @param options.under where their keys begin; default: all
 * @param options.goOn asked between pages; what is left then is for the next sweep
 * @returns how many
 */
export async function sweepOrphans(
  deps: Deps,
  { under = UPLOADS, goOn = () => true }: { under?: string; goOn?: () => boolean } = {},
): Promise<number> {
  const before = (await observeTime(deps, ORPHAN_AFTER_MS)).ago(ORPHAN_AFTER_MS)
  // Files sent ahead of a create that never came: without their rows their blobs are orphans.
  const unclaimed = sql`rowid IN (SELECT rowid FROM uploads WHERE batch_id = '' AND created_at < ${before} LIMIT ${ROWS_A_COMMIT})`
  if (!(await deleteInSlices(deps.db, sql`uploads`, unclaimed, goOn))) return 0
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
  for await (const { key, modifiedAt } of deps.blobs.list(under)) {
    if (modifiedAt > before) continue
    page.push(key)
    if (page.length < 1_000) continue
    if (!goOn()) break
    await flush()
  }
  if (page.length > 0 && goOn()) await flush()
  if (deleted > 0) deps.log.info({ blobs: deleted }, 'deleted uploads that no batch names')
  return deleted
}

/**
 * Prefixes of the keys of uploads that are just old enough to be orphans: those that reached that age in the last nine hours or more. Keys are
 * UUIDv7s, which begin with their time (RFC 9562, section 5.7): its first six hex digits change every 2^24 ms, 4.7 hours. So a runtime that
 * can't look through all its uploads at once looks at each when it is old enough, however many it keeps.
 */
export function orphanPrefixes(now: number): string[] {
  const last = Math.floor((now - ORPHAN_AFTER_MS) / 2 ** 24)
  return [last - 2, last - 1, last].map((time) => UPLOADS + time.toString(16).padStart(6, '0'))
}

/** Deletes what servers that are gone left behind: orphaned uploads, half-written files, their workers' rows. */
export async function sweepLeftovers(deps: Deps): Promise<void> {
  await forgetVanishedWorkers(deps)
  await sweepOrphans(deps)
  const files = (await deps.blobs.sweep?.()) ?? 0
  if (files > 0) deps.log.info({ files }, 'removed half-written files of puts that were cut off')
}
