/** Accepting work: a batch, its jobs, its uploads and its first event, in one commit. When it answers, all of it is on disk. */
import { type SQL, sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { MillraceError } from '../../errors.ts'
import { jsonArrays } from '../../formats/json-arrays.ts'
import type { BatchPlan, Clock, Database, Dispatcher, JobPlan, Notifier, Operation, Statement } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import { events } from '../../schema/events.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { jsonLists, type Piece } from '../json.ts'
import { commitWithin, type StorageQuota } from '../storage-quota.ts'
import { makeWebhook, type WebhookOptions } from '../webhooks.ts'
import { advanceOneStep } from './bulk-transitions.ts'
import { UNBLOCKED_WHILE_PAUSED, unblockJobs } from './concurrency-limit.ts'
import { assignVirtualTimes, priorityKey } from './fair-queue.ts'
import { commitsOf, createStaged, type SizedPiece } from './staged.ts'

/** A file that was stored for a batch before the batch was submitted. */
export interface Upload {
  readonly key: string
  readonly filename: string
  readonly size: number
  readonly md5: string
  readonly sha256: string
}

/** Options that a batch is run with. Times are milliseconds since the epoch. */
export interface BatchOptions {
  /** Head start of its jobs over the owner's others, in the owner's own turns; negative to wait behind them. */
  readonly priority?: number
  /** When its jobs may begin. */
  readonly runAt?: number
  /** Tries a job, in place of the operation's. */
  readonly maxAttempts?: number
  /** Jobs ready or running at once; never more than the operation allows. */
  readonly concurrency?: number
  /** When what is left of it is failed. */
  readonly deadlineAt?: number
  /** Time that it may take from when it may begin, and again from when it is retried, in milliseconds; used where `deadlineAt` is absent. */
  readonly limitMs?: number
  readonly labels?: readonly string[]
  /** Takes more items until this time, unless it is sealed before. */
  readonly openUntil?: number
  /** Told what becomes of it. */
  readonly webhook?: WebhookOptions
}

/** Submission by an owner: a request for an operation, with its uploads and options. */
export interface Submission {
  readonly owner: string
  readonly operation: Operation
  /** Checked by the operation's `plan`. */
  readonly request: unknown
  /** Plans the request in place of the operation's `plan`, for one so large that it is planned in slices. */
  readonly plan?: () => Promise<BatchPlan>
  readonly uploads?: readonly Upload[]
  readonly options?: BatchOptions
  /** The caller's own id for it. `content` is what was asked, in a form that is the same whenever the same is asked. */
  readonly idempotency?: { readonly key: string; readonly content: unknown } | undefined
  /** Asked just before anything is made, never for what was accepted before. */
  readonly admit?: ReserveQuota | undefined
}

/**
 * Counts something that is about to be made; what it gives back takes that back, should nothing come of it.
 * @throws MillraceError when there is no more to be made
 */
export type ReserveQuota = () => Promise<() => Promise<void>>

/** Result of an accepted submission. */
export interface Accepted {
  readonly batchId: string
  readonly totalJobs: number
  /** False when the same request had been accepted before: this is the batch it made. */
  readonly created: boolean
}

type Deps = {
  db: Database
  clock: Clock
  dispatcher: Dispatcher
  notifier: Notifier
  /** Bounds what is kept for an owner; absent: nothing does. */
  quota?: StorageQuota
}

/**
 * Accepts a submission and wakes the workers. Under an idempotency key, the same content answers the batch it made the first time.
 * @throws MillraceError as the operation's `plan` and `admit` do; INVALID_REQUEST when it plans no job; CONFLICT when the key stands for other content;
 * QUOTA_EXCEEDED when its files and the inputs of its jobs are more than the owner may still keep
 */
export async function submit(deps: Deps, submission: Submission): Promise<Accepted> {
  const fingerprint = submission.idempotency === undefined ? null : await fingerprintOf(submission.idempotency.content)
  const earlier = await findEarlier(deps.db, submission, fingerprint)
  if (earlier !== null) return earlier
  let takeBack: Awaited<ReturnType<ReserveQuota>> | undefined
  const admit = async () => {
    takeBack = await submission.admit?.()
  }
  try {
    return await create(deps, submission, fingerprint, admit)
  } catch (error) {
    // Of creates that race under one key, one is written; the others find it here. So does one that was written, but its answer was lost.
    const full = error instanceof MillraceError && error.code === 'QUOTA_EXCEEDED'
    const refused = error instanceof MillraceError && error.code !== 'SERVICE_UNAVAILABLE' && !full
    const winner = refused ? null : await findEarlier(deps.db, submission, fingerprint)
    if (winner === null) {
      if (full) await takeBack?.()
      throw error
    }
    await takeBack?.()
    return winner
  }
}

async function findEarlier(db: Database, submission: Submission, fingerprint: string | null): Promise<Accepted | null> {
  const { owner, operation, idempotency } = submission
  if (idempotency === undefined) return null
  const row = await db
    .select({ id: batches.id, total: batches.total, fingerprint: batches.fingerprint })
    .from(batches)
    .where(sql`owner = ${owner} AND idempotency_key = ${idempotency.key} AND operation = ${operation.name}`)
    .get()
  if (row === undefined) return null
  if (row.fingerprint !== fingerprint) {
    throw new MillraceError(
      'IDEMPOTENCY_KEY_REUSED',
      `"${idempotency.key}" already names a batch with other content. Use a new one.`,
      {
        details: { field: 'Idempotency-Key', batchId: row.id },
      },
    )
  }
  return { batchId: row.id, totalJobs: row.total, created: false }
}

async function create(
  deps: Deps,
  submission: Submission,
  fingerprint: string | null,
  admit: () => Promise<void>,
): Promise<Accepted> {
  const { operation, options = {} } = submission
  const plan = await (submission.plan?.() ?? operation.plan(submission.request))
  const total = plan.jobs.length
  if (total === 0 && options.openUntil === undefined) {
    throw new MillraceError('INVALID_REQUEST', 'The request holds nothing to do.')
  }
  const now = deps.clock.now()
  // Only now: what was accepted before its deadline is answered after it as well.
  if (options.deadlineAt !== undefined && options.deadlineAt <= now) {
    throw new MillraceError('INVALID_REQUEST', 'options.deadline: expected a time to come; this one has passed.', {
      details: { field: 'options.deadline' },
    })
  }
  await admit()
  const made = { batchId: uuidv7(), plan, now, fingerprint }
  const pieces = commitsOf(plan.jobs)
  const first = pieces.next()
  const isWhole = first.done === true || first.value.rows === total
  if (isWhole) await createAtOnce(deps, submission, made, first.done === true ? [] : [first.value])
  else await createLarge(deps, submission, made, chain(first.value, pieces))
  deps.dispatcher.wake()
  return { batchId: made.batchId, totalJobs: total, created: true }
}

function* chain<T>(first: T, rest: Iterable<T>): Generator<T> {
  yield first
  yield* rest
}

/** A batch that is about to be written. */
interface Made {
  readonly batchId: string
  readonly plan: BatchPlan
  readonly now: number
  readonly fingerprint: string | null
}

async function createAtOnce(
  { db, quota }: Deps,
  submission: Submission,
  made: Made,
  pieces: readonly SizedPiece[],
): Promise<void> {
  const { owner, uploads = [] } = submission
  const { batchId, now, plan } = made
  const webhook = webhookOf(db, submission, made)
  const inputBytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0)
  const bytes = uploads.reduce((sum, { size }) => sum + size, inputBytes)
  const row = { ...rowOf(submission, made), inputBytes }
  await commitWithin(quota, { owner, bytes }, (check) =>
    db.batch([
      db.insert(batches).values({ ...row, ...keyOf(submission, made), webhookId: webhook?.id ?? null }),
      ...insertBeside(db, submission, made),
      ...insertPieces(db, { batchId, owner, now, pieces, count: plan.jobs.length, firstSequence: 1 }),
      ...(webhook?.statements ?? []),
      ...check,
    ]),
  )
}

/** Writes a batch whose jobs are too many for one commit, then makes the first of them ready; workers go on with the others. */
async function createLarge(
  deps: Deps,
  submission: Submission,
  made: Made,
  pieces: Iterable<SizedPiece>,
): Promise<void> {
  const { db } = deps
  const { batchId, now } = made
  const webhook = webhookOf(db, submission, made)
  const { idempotencyKey, fingerprint } = keyOf(submission, made)
  const row = rowOf(submission, made)
  const unbounded = row.concurrency === null
  const { owner, uploads = [] } = submission
  await createStaged(deps, {
    batchId,
    owner,
    tailBytes: uploads.reduce((sum, { size }) => sum + size, 0),
    // Its deadline comes with its jobs: nobody is to stop what is not there.
    head: (hiddenUntil) =>
      db.insert(batches).values({ ...row, deadlineAt: null, deletedAt: hiddenUntil, pausedAt: now }),
    pieces,
    tail: [
      db.run(sql`
        UPDATE batches SET deleted_at = NULL, paused_at = NULL, idempotency_key = ${idempotencyKey}, fingerprint = ${fingerprint},
          deadline_at = ${row.deadlineAt}, webhook_id = ${webhook?.id ?? null}, steering = ${unbounded ? 'begin' : null},
          steered_to = ${unbounded ? 0 : null}
        WHERE id = ${batchId}`),
      ...insertBeside(db, submission, made),
      ...(webhook?.statements ?? []),
      // Jobs take their owner's turns when they are made ready, and an owner may have none yet.
      assignVirtualTimes(db, submission.owner, 0),
      unblockJobs(db, batchId, now, sql`true`, UNBLOCKED_WHILE_PAUSED),
    ],
  })
  // The first of them; workers are woken for the rest.
  await advanceOneStep(deps, batchId)
}

function rowOf({ owner, operation, options = {} }: Submission, { batchId, plan, now }: Made) {
  return {
    id: batchId,
    owner,
    operation: operation.name,
    status: 'pending',
    input: plan.input,
    facts: plan.facts,
    total: plan.jobs.length,
    tallies: {},
    lastSeq: 1,
    concurrency: leastOf(operation.concurrency, options.concurrency ?? null),
    createdAt: now,
    priority: options.priority ?? 0,
    maxAttempts: options.maxAttempts ?? operation.maxAttempts,
    runAt: options.runAt ?? null,
    deadlineAt: options.deadlineAt ?? deadlineBy(options, now),
    limitMs: options.limitMs ?? null,
    openUntil: options.openUntil ?? null,
  } satisfies typeof batches.$inferInsert
}

const keyOf = ({ idempotency }: Submission, { fingerprint }: Made) => ({
  idempotencyKey: idempotency?.key ?? null,
  fingerprint,
})

function webhookOf(db: Database, { owner, options }: Submission, { batchId, now }: Made) {
  return options?.webhook === undefined ? null : makeWebhook(db, { id: batchId, owner, now }, options.webhook)
}

/** Inserts the rows that belong to a batch beside its jobs: its first event, its labels, its uploads. */
function insertBeside(db: Database, submission: Submission, { batchId, plan, now }: Made): Statement[] {
  const { owner, options = {}, uploads = [] } = submission
  const open = options.openUntil !== undefined
  const started = { totalJobs: plan.jobs.length, ...(open ? { open } : {}), ...plan.facts }
  return [
    db.insert(events).values({ batchId, seq: 1, type: 'batch_started', at: now, data: started }),
    ...insertLabels(db, { batchId, owner, labels: options.labels ?? [] }),
    ...insertUploads(db, { batchId, owner, now, uploads }),
  ]
}

/**
 * Adds jobs to a batch that is there, as its own options say they are to be run: ready at once, at their time, or when a place is free.
 * Jobs whose sequence is taken are passed over.
 */
export function insertJobs(
  db: Database,
  add: {
    batchId: string
    owner: string
    now: number
    jobs: readonly JobPlan[]
    firstSequence: number
    /** Condition on the batch (as `b`) without which nothing is added. */
    condition?: SQL
    /** True where the batch had jobs before. With a concurrency limit the new ones are then blocked until {@link unblockJobs} gives them slots. */
    later?: boolean
  },
): Statement[] {
  const { jobs } = add
  const rows = jobs.map(({ input, label }) => (label === undefined ? [uuidv7(), input] : [uuidv7(), input, label]))
  return insertPieces(db, { ...add, pieces: jsonLists(rows), count: jobs.length })
}

/** Likewise, of rows that are JSON already; `count` is how many they are together. */
function insertPieces(
  db: Database,
  add: Omit<Parameters<typeof insertJobs>[1], 'jobs'> & { pieces: readonly Piece[]; count: number },
): Statement[] {
  const { batchId, owner, now, pieces, count, firstSequence } = add
  if (count === 0) return []
  return [
    assignVirtualTimes(db, owner, count),
    ...pieces.map(({ json, first }) => {
      // Sequences are counted rather than read from the rows: the key of a list's row costs nothing.
      const sequence = sql`(${firstSequence + first} + r.key)`
      const taken = add.later === true ? sql`b.concurrency IS NOT NULL` : sql`${sequence} > b.concurrency`
      const turn = sql`(o.last_turn - ${count - first - 1} + r.key)`
      return db.run(sql`
        INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, label, input, turn, place, run_at, max_attempts, created_at)
        SELECT r.value ->> 0, b.id, b.owner, b.operation, ${sequence},
          CASE WHEN b.paused_at IS NOT NULL OR ${taken} THEN 'blocked'
            WHEN b.run_at > ${now} THEN 'scheduled' ELSE 'ready' END,
          r.value ->> 2, r.value -> 1, ${turn}, ${priorityKey(sql`${owner}`, turn, sql`b.priority`)}, b.run_at, b.max_attempts, ${now}
        FROM batches b CROSS JOIN owners o CROSS JOIN json_each(${json}) r
        WHERE b.id = ${batchId} AND o.owner = ${owner} AND ${add.condition ?? sql`true`}
        ON CONFLICT DO NOTHING`)
    }),
  ]
}

function insertLabels(
  db: Database,
  { batchId, owner, labels }: { batchId: string; owner: string; labels: readonly string[] },
): Statement[] {
  if (labels.length === 0) return []
  const list = JSON.stringify([...new Set(labels)])
  return [
    db.run(
      sql`INSERT INTO batch_labels (owner, label, batch_id) SELECT ${owner}, value, ${batchId} FROM json_each(${list})`,
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

function deadlineBy({ limitMs, runAt }: BatchOptions, now: number): number | null {
  return limitMs === undefined ? null : Math.max(now, runAt ?? now) + limitMs
}

function leastOf(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}
