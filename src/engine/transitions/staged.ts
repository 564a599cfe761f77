/**
 * Creates that are too large for one commit. The batch is written first, hidden from all readers, then its jobs, so many a commit, and the
 * last commit makes all of it visible. So a create is still all or nothing, and no commit holds the event loop, or the write lock, for long.
 * Hidden batches are those whose deletion is due at a time to come: one whose create was cut off is swept like any that was deleted.
 */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import type { JobPlan } from '../../operation.ts'
import type { Clock, Database, Statement } from '../../ports.ts'
import { yieldToEventLoop } from '../chunked-work.ts'
import type { Piece } from '../json.ts'
import { commitWithin, type StorageQuota } from '../storage-quota.ts'

/** Jobs written by one commit: some 30 milliseconds. */
export const MAX_COMMIT_JOBS = 2_000
/** Bytes of their JSON. */
const MAX_COMMIT_BYTES = 1_000_000
/** Time after which a create is taken for one that was cut off, in milliseconds. */
const STAGING_MS = 10 * 60_000

const utf8 = new TextEncoder()

/** Rows of jobs for one commit, and the bytes that their JSON has. */
export interface SizedPiece extends Piece {
  readonly bytes: number
}

/** Makes the row of a new job: its id, its input, its label, its item's id, its link. Shorter where the last of these are absent. */
export function rowOfJob({ input, label, itemId, url }: JobPlan): readonly unknown[] {
  const row = [uuidv7(), input]
  if (url !== undefined) return [...row, label ?? null, itemId ?? null, url]
  if (itemId !== undefined) return [...row, label ?? null, itemId]
  return label === undefined ? row : [...row, label]
}

/** Writes the rows of jobs as JSON arrays for a commit each, one at a time as they are asked for. */
export function* commitsOf(jobs: readonly JobPlan[]): Generator<SizedPiece> {
  let first = 0
  let texts: string[] = []
  let bytes = 0
  const piece = (): SizedPiece => ({ json: `[${texts.join(',')}]`, first, rows: texts.length, bytes })
  for (const job of jobs) {
    const text = JSON.stringify(rowOfJob(job))
    const size = utf8.encode(text).byteLength + 1
    if (texts.length > 0 && (texts.length === MAX_COMMIT_JOBS || bytes + size > MAX_COMMIT_BYTES)) {
      yield piece()
      first += texts.length
      texts = []
      bytes = 0
    }
    texts.push(text)
    bytes += size
  }
  if (texts.length > 0) yield piece()
}

/** A create in stages. */
export interface Staged {
  readonly batchId: string
  readonly owner: string
  /** Inserts the batch, hidden until `hiddenUntil` and paused, so that its jobs are blocked. */
  readonly head: (hiddenUntil: number) => Statement
  readonly pieces: Iterable<SizedPiece>
  /** Statements written when all jobs are there, by the commit that makes the batch visible. */
  readonly tail: readonly [Statement, ...Statement[]]
  /** Bytes of files that come with it. */
  readonly tailBytes: number
}

/**
 * Writes a batch in stages; when it answers, all of it is on disk.
 * @throws MillraceError QUOTA_EXCEEDED; what the database throws. Nothing of the batch is ever seen then
 */
export async function createStaged(
  { db, clock, quota }: { db: Database; clock: Clock; quota?: StorageQuota },
  staged: Staged,
): Promise<void> {
  const { batchId, owner, head, pieces, tail, tailBytes } = staged
  const hiddenUntil = clock.now() + STAGING_MS
  try {
    await db.batch([head(hiddenUntil)])
    for (const piece of pieces) {
      await yieldToEventLoop()
      await commitWithin(quota, { owner, bytes: piece.bytes }, (check) =>
        db.batch([...insertHidden(db, batchId, piece), ...check]),
      )
    }
    const still = sql`EXISTS (SELECT 1 FROM batches WHERE id = ${batchId} AND deleted_at = ${hiddenUntil})`
    // Fails the commit, by what is no JSON, where the batch was taken for one that was cut off.
    await commitWithin(quota, { owner, bytes: tailBytes }, (check) =>
      db.batch([db.all(sql`SELECT json(CASE WHEN ${still} THEN 'true' ELSE 'swept' END) AS there`), ...tail, ...check]),
    )
  } catch (error) {
    // Not where its last commit was written and only the answer was lost: it is hidden no more.
    await db
      .run(sql`UPDATE batches SET deleted_at = ${clock.now()} WHERE id = ${batchId} AND deleted_at = ${hiddenUntil}`)
      .catch(() => {})
    throw error
  }
}

function insertHidden(db: Database, batchId: string, { json, first, bytes }: SizedPiece): [Statement, Statement] {
  return [
    db.run(sql`
      INSERT INTO jobs (id, batch_id, owner, operation, queue, sequence, status, label, item_id, url, input, virtual_time, max_attempts, created_at)
      SELECT r.value ->> 0, b.id, b.owner, b.operation, b.queue, ${first + 1} + r.key, 'blocked', r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value -> 1, 0, b.max_attempts, b.created_at
      FROM batches b CROSS JOIN json_each(${json}) r WHERE b.id = ${batchId}`),
    db.run(sql`UPDATE batches SET input_bytes = input_bytes + ${bytes} WHERE id = ${batchId}`),
  ]
}
