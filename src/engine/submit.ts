/** Accepting work: a batch, its jobs, its uploads and its first event, in one commit. When it answers, all of it is on disk. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { MillraceError } from '../errors.ts'
import type { Clock, Database, Dispatcher, Operation, Statement } from '../ports.ts'
import { batches } from '../schema/batches.ts'
import { events } from '../schema/events.ts'
import { jsonArrays } from './json.ts'
import { takeTurns } from './turns.ts'

/** A file that was stored for a batch before the batch was submitted. */
export interface Upload {
  readonly key: string
  readonly filename: string
  readonly size: number
  readonly md5: string
  readonly sha256: string
}

/** What an owner hands over. */
export interface Submission {
  readonly owner: string
  readonly operation: Operation
  /** Checked by the operation's `plan`. */
  readonly request: unknown
  readonly uploads?: readonly Upload[]
}

/** What was accepted. */
export interface Accepted {
  readonly batchId: string
  readonly totalJobs: number
}

/**
 * Accepts a submission and wakes the workers.
 * @throws MillraceError as the operation's `plan` does, or INVALID_REQUEST when it plans no job
 */
export async function submit(
  deps: { db: Database; clock: Clock; dispatcher: Dispatcher },
  submission: Submission,
): Promise<Accepted> {
  const { owner, operation } = submission
  const plan = operation.plan(submission.request)
  const total = plan.jobs.length
  if (total === 0) throw new MillraceError('INVALID_REQUEST', 'The request holds nothing to do.')
  const batchId = uuidv7()
  const now = deps.clock.now()
  const { db } = deps

  const first: Statement = db.insert(batches).values({
    id: batchId,
    owner,
    operation: operation.name,
    status: 'pending',
    input: plan.input,
    facts: plan.facts,
    total,
    tallies: {},
    lastSeq: 1,
    concurrency: operation.concurrency,
    createdAt: now,
  })
  const rest: Statement[] = [
    db.insert(events).values({
      batchId,
      seq: 1,
      type: 'batch_started',
      at: now,
      data: { totalJobs: total, ...plan.facts },
    }),
    ...insertJobs(db, { batchId, owner, operation, now, jobs: plan.jobs }),
    ...insertUploads(db, { batchId, owner, now, uploads: submission.uploads ?? [] }),
  ]
  await db.batch([first, ...rest])
  deps.dispatcher.wake()
  return { batchId, totalJobs: total }
}

function insertJobs(
  db: Database,
  batch: {
    batchId: string
    owner: string
    operation: Operation
    now: number
    jobs: ReturnType<Operation['plan']>['jobs']
  },
): Statement[] {
  const { batchId, owner, operation, now } = batch
  const total = batch.jobs.length
  const ready = Math.min(total, operation.concurrency ?? total)
  const rows = batch.jobs.map((job, index) => [uuidv7(), index + 1, job.label ?? null, job.input])
  return [
    takeTurns(db, owner, ready),
    ...jsonArrays(rows).map((array) =>
      db.run(sql`
        INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, label, input, turn, max_attempts, created_at)
        SELECT r.value ->> 0, ${batchId}, ${owner}, ${operation.name}, r.value ->> 1,
          CASE WHEN r.value ->> 1 <= ${ready} THEN 'ready' ELSE 'held' END, r.value ->> 2, r.value -> 3,
          (SELECT last_turn FROM owners WHERE owner = ${owner}) - ${ready} + (r.value ->> 1), ${operation.maxAttempts}, ${now}
        FROM json_each(${array}) r`),
    ),
  ]
}

function insertUploads(
  db: Database,
  batch: { batchId: string; owner: string; now: number; uploads: readonly Upload[] },
): Statement[] {
  return jsonArrays(batch.uploads).map((array) =>
    db.run(sql`
      INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
      SELECT r.value ->> 'key', ${batch.owner}, ${batch.batchId}, r.value ->> 'filename', r.value ->> 'size',
        r.value ->> 'md5', r.value ->> 'sha256', ${batch.now}
      FROM json_each(${array}) r`),
  )
}
