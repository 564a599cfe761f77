/** Rows of channels that are processed by themselves. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { Clock, Database } from '../../../ports.ts'
import { ChosenModel } from '../embed/chosen-model.ts'
import { PLATFORMS } from './platforms.ts'
import { ChannelSync, formatEvery } from './schemas.ts'

/** Syncs of an owner. */
const MAX_SYNCS = 200

/** Model and settings of the jobs of a sync. */
export const SyncInput = z.object({
  model: ChosenModel,
  settings: z.object({ chunkSize: z.int(), chunkOverlap: z.int(), maxTokens: z.int() }),
  language: z.string().optional(),
})

const LastRun = ChannelSync.shape.last_run.unwrap()
export type LastRun = z.infer<typeof LastRun>

const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)

const Row = z.object({
  id: z.string(),
  owner: z.string(),
  collection: z.string(),
  platform: z.enum(PLATFORMS),
  channel: z.string(),
  everyMs: z.int(),
  onGone: z.enum(['keep', 'delete']),
  input: json(SyncInput),
  nextAt: z.int(),
  lastRun: json(LastRun).nullable(),
  lastBatchId: z.string().nullable(),
})
export type SyncRow = z.infer<typeof Row>

const COLUMNS =
  sql.raw(`id, owner, collection, platform, channel, every_ms AS "everyMs", on_gone AS "onGone", input, next_at AS "nextAt",
  last_run AS "lastRun", last_batch_id AS "lastBatchId"`)

/** A sync as it is asked for. */
export type NewSync = Omit<SyncRow, 'id' | 'nextAt' | 'lastRun' | 'lastBatchId'>

/**
 * Makes the sync of a channel and a collection, or changes the one that there is. It is due after its time, since the channel was processed just now.
 * @throws MillraceError QUOTA_EXCEEDED
 */
export async function putSync({ db, clock }: { db: Database; clock: Clock }, sync: NewSync): Promise<SyncRow> {
  const { owner, collection, platform, channel, everyMs, onGone } = sync
  const now = clock.now()
  const same = sql`owner = ${owner} AND collection = ${collection} AND channel = ${channel}`
  await demandRoom(db, owner, same)
  await db.run(sql`
    INSERT INTO rag_syncs (id, owner, collection, platform, channel, every_ms, on_gone, input, next_at, created_at)
    VALUES (${uuidv7()}, ${owner}, ${collection}, ${platform}, ${channel}, ${everyMs}, ${onGone}, ${JSON.stringify(sync.input)}, ${now + everyMs}, ${now})
    ON CONFLICT (owner, collection, channel) DO UPDATE SET platform = excluded.platform, every_ms = excluded.every_ms,
      on_gone = excluded.on_gone, input = excluded.input, next_at = excluded.next_at`)
  const [row] = await db.all(sql`SELECT ${COLUMNS} FROM rag_syncs WHERE ${same}`)
  return Row.parse(row)
}

async function demandRoom(db: Database, owner: string, same: ReturnType<typeof sql>): Promise<void> {
  const [row] = await db.all<{ count: number; known: number }>(sql`
    SELECT (SELECT count(*) FROM rag_syncs WHERE owner = ${owner}) AS count, EXISTS (SELECT 1 FROM rag_syncs WHERE ${same}) AS known`)
  if ((row?.count ?? 0) < MAX_SYNCS || row?.known === 1) return
  throw new MillraceError('QUOTA_EXCEEDED', `sync: You have ${MAX_SYNCS} of these, and may have no more. Stop some.`)
}

/** Lists an owner's syncs by id, after a cursor. */
export async function listSyncs(
  db: Database,
  owner: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<SyncRow[]> {
  const rows = await db.all(
    sql`SELECT ${COLUMNS} FROM rag_syncs WHERE owner = ${owner} AND id > ${after} ORDER BY id LIMIT ${limit}`,
  )
  return rows.map((row) => Row.parse(row))
}

/** Stops a sync. @returns false where there is none, or it is another's */
export async function deleteSync(db: Database, owner: string, id: string): Promise<boolean> {
  const rows = await db.all(sql`DELETE FROM rag_syncs WHERE owner = ${owner} AND id = ${id} RETURNING id`)
  return rows.length > 0
}

/** A sync that is due, and whether its last job still runs. */
export interface DueSync extends SyncRow {
  readonly stillRuns: boolean
}

/** Finds the sync that has been due for longest; null where none is. */
export async function findDue(db: Database, now: number): Promise<DueSync | null> {
  const [row] = await db.all<{ running: number }>(sql`
    SELECT ${COLUMNS}, EXISTS (
      SELECT 1 FROM batches b WHERE b.id = rag_syncs.last_batch_id AND b.finished_at IS NULL AND b.deleted_at IS NULL) AS running
    FROM rag_syncs WHERE next_at <= ${now} AND coalesce(taken_until, 0) <= ${now} ORDER BY next_at LIMIT 1`)
  return row === undefined ? null : { ...Row.parse(row), stillRuns: row.running === 1 }
}

/** Finds when the next sync is due that no process works on; null where there is none. */
export async function findNextDue(db: Database, now: number): Promise<number | null> {
  const [row] = await db.all<{ at: number }>(
    sql`SELECT next_at AS at FROM rag_syncs WHERE coalesce(taken_until, 0) <= ${now} ORDER BY next_at LIMIT 1`,
  )
  return row?.at ?? null
}

/** Takes a sync that is due. @returns false where another process did so before */
export async function takeSync(
  db: Database,
  { id, nextAt }: SyncRow,
  { now, until }: { readonly now: number; readonly until: number },
): Promise<boolean> {
  const rows = await db.all(sql`
    UPDATE rag_syncs SET taken_until = ${until} WHERE id = ${id} AND next_at = ${nextAt} AND coalesce(taken_until, 0) <= ${now} RETURNING id`)
  return rows.length > 0
}

/** Notes a run of a sync, and gives the sync back. */
export async function noteRun(
  db: Database,
  id: string,
  run: LastRun,
  { batchId, nextAt }: { readonly batchId: string | null; readonly nextAt: number },
): Promise<void> {
  await db.run(sql`
    UPDATE rag_syncs SET last_run = ${JSON.stringify(run)}, last_batch_id = coalesce(${batchId}, last_batch_id), next_at = ${nextAt},
      taken_until = NULL WHERE id = ${id}`)
}

/** Presents a sync. */
export function presentSync(row: SyncRow): ChannelSync {
  const { id, platform, channel, collection, everyMs, onGone, nextAt, lastRun } = row
  return {
    ...{ id, platform, channel_url: channel, collection, every: formatEvery(everyMs), on_gone: onGone },
    next_at: new Date(nextAt).toISOString(),
    last_run: lastRun,
  }
}
