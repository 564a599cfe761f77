/**
 * Creates that are too large for one commit. The batch is written first, out of everyone's sight, then its jobs, so many a commit, and the
 * last commit makes all of it visible. So a create is still all or nothing, and no commit holds the event loop, or the write lock, for long.
 * Hidden batches are those whose deletion is due at a time to come: one whose create was cut off is swept like any that was deleted.
 */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import type { Clock, Database, JobPlan, Statement } from '../../ports.ts'
import { yieldToEventLoop } from '../chunked-work.ts'
import type { Piece } from '../json.ts'

/** Jobs written by one commit: some 30 milliseconds. */
export const MAX_COMMIT_JOBS = 2_000
/** Bytes of their JSON. */
const MAX_COMMIT_BYTES = 1_000_000
/** How long a create may take until it is taken for one that was cut off. */
const STAGING_MS = 10 * 60_000

const utf8 = new TextEncoder()

/** Writes the rows of jobs as JSON arrays for a commit each, one at a time as they are asked for. */
export function* commitsOf(jobs: readonly JobPlan[]): Generator<Piece> {
  let first = 0
  let texts: string[] = []
  let bytes = 0
  const piece = (): Piece => ({ json: `[${texts.join(',')}]`, first, rows: texts.length })
  for (const { input, label } of jobs) {
    const text = JSON.stringify(label === undefined ? [uuidv7(), input] : [uuidv7(), input, label])
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
  /** Inserts the batch, hidden until `hiddenUntil` and paused, so that its jobs are held. */
  readonly head: (hiddenUntil: number) => Statement
  readonly pieces: Iterable<Piece>
  /** What is written when all jobs are there, by the commit that makes the batch visible. */
  readonly tail: readonly [Statement, ...Statement[]]
}

/**
 * Writes a batch in stages; when it answers, all of it is on disk.
 * @throws what the database throws; nothing of the batch is ever seen then
 */
export async function createStaged({ db, clock }: { db: Database; clock: Clock }, staged: Staged): Promise<void> {
  const { batchId, head, pieces, tail } = staged
  const hiddenUntil = clock.now() + STAGING_MS
  try {
    await db.batch([head(hiddenUntil)])
    for (const { json, first } of pieces) {
      await yieldToEventLoop()
      await db.batch([
        db.run(sql`
        INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, label, input, turn, max_attempts, created_at)
        SELECT r.value ->> 0, b.id, b.owner, b.operation, ${first + 1} + r.key, 'blocked', r.value ->> 2, r.value -> 1, 0, b.max_attempts, b.created_at
        FROM batches b CROSS JOIN json_each(${json}) r WHERE b.id = ${batchId}`),
      ])
    }
    const still = sql`EXISTS (SELECT 1 FROM batches WHERE id = ${batchId} AND deleted_at = ${hiddenUntil})`
    // Fails the commit, by what is no JSON, where the batch was taken for one that was cut off.
    await db.batch([db.all(sql`SELECT json(CASE WHEN ${still} THEN 'true' ELSE 'swept' END) AS there`), ...tail])
  } catch (error) {
    // Not where its last commit was written and only the answer was lost: it is hidden no more.
    await db
      .run(sql`UPDATE batches SET deleted_at = ${clock.now()} WHERE id = ${batchId} AND deleted_at = ${hiddenUntil}`)
      .catch(() => {})
    throw error
  }
}
