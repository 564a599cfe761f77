/** Accepting work: a batch, its jobs, its uploads and its first event, in one commit. When it answers, all of it is on disk. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { batchStarted } from '../../events.ts'
import type { BatchPlan } from '../../operation.ts'
import type { Clock, Database, Dispatcher, Notifier, Statement } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import { events } from '../../schema/events.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { commitWithin, type StorageQuota } from '../storage-quota.ts'
import { insertUploads } from '../uploads.ts'
import { makeWebhook } from '../webhooks.ts'
import { startBudget } from './budget.ts'
import { advanceOneStep } from './bulk-transitions.ts'
import { UNBLOCKED_WHILE_PAUSED, unblockJobs } from './concurrency-limit.ts'
import { assignVirtualTimes } from './fair-queue.ts'
import { insertPieces } from './insert-jobs.ts'
import { commitsOf, createStaged, type SizedPiece } from './staged.ts'
import { startLater } from './start-time.ts'
import { type Accepted, type BatchOptions, leastOf, type ReserveQuota, type Submission } from './submission.ts'

const utf8 = new TextEncoder()

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
 * @throws MillraceError as the operation's `plan` and `admit` do; INVALID_REQUEST when it plans no job; IDEMPOTENCY_KEY_REUSED when the key
 * stands for other content or another operation;
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
    const winner = refused ? null : await findWinner(deps.db, submission, fingerprint, takeBack)
    if (winner === null) {
      if (full) await takeBack?.()
      throw error
    }
    await takeBack?.()
    return winner
  }
}

/** Finds what won a race for a key. Where it is another request, nothing came of this one. */
async function findWinner(
  db: Database,
  submission: Submission,
  fingerprint: string | null,
  takeBack: (() => Promise<void>) | undefined,
): Promise<Accepted | null> {
  try {
    return await findEarlier(db, submission, fingerprint)
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'IDEMPOTENCY_KEY_REUSED') await takeBack?.()
    throw error
  }
}

async function findEarlier(db: Database, submission: Submission, fingerprint: string | null): Promise<Accepted | null> {
  const { owner, operation, idempotency } = submission
  if (idempotency === undefined) return null
  const row = await db
    .select({
      id: batches.id,
      operation: batches.operation,
      total: batches.total,
      fingerprint: batches.fingerprint,
    })
    .from(batches)
    .where(sql`owner = ${owner} AND idempotency_key = ${idempotency.key}`)
    .get()
  if (row === undefined) return null
  if (row.operation !== operation.name || row.fingerprint !== fingerprint) {
    const field = idempotency.field ?? 'Idempotency-Key'
    const other =
      row.operation === operation.name ? 'with other content' : `of "${row.operation}", and this is "${operation.name}"`
    throw new MillraceError(
      'IDEMPOTENCY_KEY_REUSED',
      `${field}: "${idempotency.key}" already names a batch ${other}. Use a new one.`,
      {
        details: { field, batchId: row.id },
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
    throw new MillraceError('INVALID_REQUEST', NOTHING_TO_DO)
  }
  const now = deps.clock.now()
  // Only now: what was accepted before its deadline is answered after it as well.
  demandTimeToCome(options, now)
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

/** Said of a request without a job. */
export const NOTHING_TO_DO = 'The request holds nothing to do.'

/** @throws MillraceError INVALID_REQUEST where the deadline has passed */
export function demandTimeToCome({ deadlineAt }: BatchOptions, now: number): void {
  if (deadlineAt === undefined || deadlineAt > now) return
  throw invalidRequest('options.deadline', 'options.deadline: expected a time to come; this one has passed.')
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
  const row = rowOf(submission, made)
  const inputBytes = pieces.reduce((sum, piece) => sum + piece.bytes, row.inputBytes)
  const bytes = uploads.reduce((sum, { size }) => sum + size, inputBytes)
  await commitWithin(quota, { owner, bytes }, (check) =>
    db.batch([
      db.insert(batches).values({ ...row, inputBytes, ...keyOf(submission, made), webhookId: webhook?.id ?? null }),
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
    // Its deadline is set with its jobs: there is nothing to stop before.
    head: (hiddenUntil) =>
      db.insert(batches).values({ ...row, deadlineAt: null, deletedAt: hiddenUntil, pausedAt: now }),
    pieces,
    tail: [
      db.run(sql`
        UPDATE batches SET deleted_at = NULL, paused_at = NULL, idempotency_key = ${idempotencyKey}, fingerprint = ${fingerprint},
          deadline_at = ${row.deadlineAt}, webhook_id = ${webhook?.id ?? null}, transition = ${unbounded ? 'begin' : null},
          transition_cursor = ${unbounded ? 0 : null}
        WHERE id = ${batchId}`),
      ...insertBeside(db, submission, made),
      ...(webhook?.statements ?? []),
      // Jobs get virtual times when they are made ready, for which the owner must have a row.
      assignVirtualTimes(db, submission.owner, sql`0`),
      unblockJobs(db, batchId, now, sql`true`, UNBLOCKED_WHILE_PAUSED),
    ],
  })
  // The first of them; workers are woken for the rest.
  await advanceOneStep(deps, batchId)
}

function rowOf({ owner, operation, options = {} }: Submission, { batchId, plan, now }: Made) {
  const next = options.next === undefined ? null : JSON.stringify(options.next)
  return {
    id: batchId,
    owner,
    operation: operation.name,
    queue: operation.queue ?? null,
    status: 'pending',
    input: plan.input,
    facts: plan.facts,
    total: plan.jobs.length,
    tallies: {},
    lastSeq: 1,
    concurrency: leastOf(leastOf(operation.concurrency, plan.concurrency ?? null), options.concurrency ?? null),
    createdAt: now,
    priority: options.priority ?? 0,
    maxAttempts: options.maxAttempts ?? operation.maxAttempts,
    runAt: options.runAt ?? null,
    deadlineAt: options.deadlineAt ?? deadlineBy(options, now),
    limitMs: options.limitMs ?? null,
    openUntil: options.openUntil ?? null,
    metadata: options.metadata ?? null,
    budget: options.budget === undefined ? null : startBudget(options.budget),
    next,
    debounceKey: options.debounce?.key ?? null,
    throttleKey: options.throttle?.key ?? null,
    inputBytes: utf8.encode(`${options.metadata ?? ''}${next ?? ''}`).byteLength,
  } satisfies typeof batches.$inferInsert
}

const keyOf = ({ idempotency }: Submission, { fingerprint }: Made) => ({
  idempotencyKey: idempotency?.key ?? null,
  fingerprint,
})

function webhookOf(db: Database, { owner, options }: Submission, { batchId, now }: Made) {
  return options?.webhook === undefined ? null : makeWebhook(db, { id: batchId, owner, now }, options.webhook)
}

/** Makes the statements for the rows that belong to a batch beside its jobs: its first event, its labels, its uploads; and for when it begins. */
function insertBeside(db: Database, submission: Submission, { batchId, plan, now }: Made): Statement[] {
  const { owner, options = {}, uploads = [] } = submission
  const open = options.openUntil !== undefined
  return [
    db.insert(events).values(batchStarted({ batchId, at: now, totalJobs: plan.jobs.length, open, facts: plan.facts })),
    ...insertLabels(db, { batchId, owner, labels: options.labels ?? [] }),
    ...insertUploads(db, { batchId, owner, now }, uploads),
    ...startLater(db, { batchId, owner, operation: submission.operation.name, now }, options),
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

function deadlineBy({ limitMs, runAt }: BatchOptions, now: number): number | null {
  return limitMs === undefined ? null : Math.max(now, runAt ?? now) + limitMs
}
