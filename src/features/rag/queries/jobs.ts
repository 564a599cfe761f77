/** Reads the state of a job that processes documents, and its result. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import { ChannelReport } from '../channels/schemas.ts'
import type { ExportedDocument } from '../export/records.ts'
import { PROCESS } from '../names.ts'
import type { PROCESS_STATUSES, ProcessResult, ProcessStatus } from '../schemas.ts'

/** Most failed items that a result lists. */
const MAX_ERRORS = 100

/** A job as stored. */
export interface ProcessJob {
  readonly id: string
  /** The caller's id of it. */
  readonly name: string
  readonly status: 'pending' | 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled'
  readonly total: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  readonly tallies: Readonly<Record<string, number>>
  readonly lastSeq: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly idleMs: number
  readonly running: Running
  /** Counts of the items of its channel; null without one. */
  readonly channel: ChannelReport | null
}

/** Running items of a job that has not ended. */
interface Running {
  readonly items: number
  /** Sum of their percentages. */
  readonly percent: number
  /** Stage of the first. */
  readonly stage: string | null
}

interface JobRow extends Omit<ProcessJob, 'tallies' | 'running' | 'channel'> {
  readonly tallies: string
  readonly running: string | null
  readonly channel: string | null
}

const NONE_RUNNING: Running = { items: 0, percent: 0, stage: null }

/**
 * Running items, in the statement that reads the counters: by a second one, an item that ends between the two would be in neither, and the
 * progress would go back. The stage is of the row with the smallest number, which is how SQLite reads a bare column beside `min`.
 */
const RUNNING = sql`CASE WHEN finished_at IS NULL THEN (
  SELECT json_object('items', count(*), 'percent', coalesce(sum(j.progress_percent), 0), 'first', min(j.sequence),
    'stage', iif(count(*) = 0, NULL, coalesce(j.stage, 'initializing')))
  FROM jobs j WHERE +j.batch_id = batches.id AND j.status = 'running') END`

const COLUMNS = sql`id, coalesce(idempotency_key, id) AS name, status, total, completed, failed, cancelled, tallies, last_seq AS "lastSeq",
  started_at AS "startedAt", finished_at AS "finishedAt", coalesce(idle_ms, 0) AS "idleMs", ${RUNNING} AS running,
  facts -> 'channel' AS channel`

const parsed = ({ tallies, running, channel, ...row }: JobRow): ProcessJob => ({
  ...row,
  channel: channel === null ? null : ChannelReport.parse(JSON.parse(channel)),
  tallies: JSON.parse(tallies),
  running: running === null ? NONE_RUNNING : JSON.parse(running),
})

/** Finds an owner's job by its name or its id; null when there is none. */
export async function findJob(db: Database, owner: string, name: string): Promise<ProcessJob | null> {
  const [row] = await db.all<JobRow>(sql`
    SELECT ${COLUMNS} FROM batches
    WHERE owner = ${owner} AND deleted_at IS NULL AND operation = ${PROCESS}
      AND id = coalesce((SELECT id FROM batches WHERE id = ${name} AND owner = ${owner}),
        (SELECT id FROM batches WHERE owner = ${owner} AND idempotency_key = ${name}))`)
  return row === undefined ? null : parsed(row)
}

/** Rereads a job; null when it was deleted. */
export async function readJob(db: Database, id: string): Promise<ProcessJob | null> {
  const [row] = await db.all<JobRow>(sql`SELECT ${COLUMNS} FROM batches WHERE id = ${id} AND deleted_at IS NULL`)
  return row === undefined ? null : parsed(row)
}

/**
 * Reads the status of a job: its row, by one more query its failed items once it has ended.
 * @returns null when it was deleted
 */
export async function readStatus(db: Database, id: string): Promise<ProcessStatus | null> {
  const job = await readJob(db, id)
  return job === null ? null : presentJob(db, job)
}

/** Presents a job as its status. */
export async function presentJob(db: Database, job: ProcessJob): Promise<ProcessStatus> {
  return job.finishedAt === null ? underWay(job) : ended(db, job, job.finishedAt)
}

const oneDecimal = (value: number) => Math.round(value * 10) / 10

function underWay(job: ProcessJob): ProcessStatus {
  const { running } = job
  const processed = job.completed + job.failed + job.cancelled
  const share = job.total === 0 ? 0 : (100 * processed + running.percent) / job.total
  const begun = processed > 0 || running.percent > 0 || (running.stage ?? 'initializing') !== 'initializing'
  // A started job without a running item waits for a retry.
  const waits = running.items === 0 && job.startedAt !== null
  const status = begun || waits ? 'processing' : running.items > 0 ? 'initializing' : 'pending'
  const stages = {
    pending: 'Waiting for its turn',
    initializing: 'Initializing',
    processing: `Processing item ${Math.min(job.total, processed + 1)}/${job.total}`,
  }
  return {
    job_id: job.name,
    status,
    progress: Math.min(99.9, oneDecimal(share)),
    stage: stages[status],
    item_stage: running.stage,
    content_processed: processed,
    total_content: job.total,
    embeddings: job.tallies.embeddings ?? 0,
    channel: job.channel,
    error: null,
    result: null,
  }
}

type EndedStatus = Extract<(typeof PROCESS_STATUSES)[number], 'completed' | 'failed' | 'cancelled'>

async function ended(db: Database, job: ProcessJob, finishedAt: number): Promise<ProcessStatus> {
  const status: EndedStatus = job.status === 'failed' || job.status === 'cancelled' ? job.status : 'completed'
  const errors = job.failed + job.cancelled === 0 ? [] : await readErrors(db, job.id)
  const result: ProcessResult = {
    status,
    total_items: job.total,
    completed_items: job.completed,
    failed_items: job.total - job.completed,
    skipped_items: job.tallies.skipped ?? 0,
    embeddings: job.tallies.embeddings ?? 0,
    processing_time:
      job.startedAt === null ? 0 : oneDecimal(Math.max(0, finishedAt - job.startedAt - job.idleMs) / 1_000),
    vector_db: 'builtin',
    errors,
  }
  return {
    job_id: job.name,
    status,
    progress: status === 'completed' ? 100 : oneDecimal((100 * job.completed) / Math.max(1, job.total)),
    stage: stageOf(status, result),
    item_stage: null,
    content_processed: job.total,
    total_content: job.total,
    embeddings: job.tallies.embeddings ?? 0,
    channel: job.channel,
    error: status === 'completed' ? null : errorOf(status, result),
    result,
  }
}

function stageOf(status: EndedStatus, { failed_items: failed }: ProcessResult): string {
  if (status === 'failed') return 'Processing failed'
  if (status === 'cancelled') return 'Processing was cancelled'
  if (failed === 0) return 'Processing completed successfully!'
  return `Processing completed; ${failed} ${failed === 1 ? 'item' : 'items'} failed`
}

function errorOf(status: EndedStatus, { errors: [first] }: ProcessResult): string {
  if (status === 'cancelled') return 'The job was cancelled.'
  return `Processing failed: ${first?.message ?? 'the job was stopped before it began.'}`
}

function readErrors(db: Database, id: string): Promise<ProcessResult['errors']> {
  return db.all<ProcessResult['errors'][number]>(sql`
    SELECT coalesce(url, label, sequence) AS item, lower(coalesce(error_code, 'unknown')) AS error, coalesce(error_message, '') AS message
    FROM jobs WHERE batch_id = ${id} AND status IN ('failed', 'cancelled') ORDER BY sequence LIMIT ${MAX_ERRORS}`)
}

/** Lists the documents of a job that were stored or unchanged, in the order of its items. */
export function readExportedDocuments(db: Database, owner: string, id: string): Promise<ExportedDocument[]> {
  return db.all<ExportedDocument>(sql`
    SELECT input ->> 'id' AS "itemId", summary ->> 'documentId' AS "documentId" FROM jobs
    WHERE batch_id = ${id} AND owner = ${owner} AND status = 'completed' ORDER BY sequence`)
}
