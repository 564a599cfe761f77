/** Reads the state of a bulk task on cards, and its result. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import { MAX_ERRORS, type TaskStatus } from '../schemas.ts'

/** Most rows that a warning names. */
const MAX_NAMED_ROWS = 10

/** State of a task, as the card surface shows it. */
export interface CardTask {
  readonly id: string
  /** `cards.import`, `cards.export`, `cards.delete`, `cards.restore`. */
  readonly operation: string
  /** Format of an export; null for other tasks. */
  readonly format: string | null
  readonly state: TaskStatus['status']
  readonly total: number
  /** Cards processed so far, those of running slices included. */
  readonly current: number
  /** Error of FAILURE and RETRY. */
  readonly error: string | null
  /** Seconds, rounded to 0.01: from start to end, without the time it was stopped or paused; 0 for a task that never started. */
  readonly duration: number
  readonly finishedAt: number | null
}

/** Result of a task that has ended. */
export interface CardTaskResult {
  /** Sums over its slices, by name. */
  readonly counts: Readonly<Record<string, number>>
  /** Errors of the first failed cards, in order. */
  readonly errors: readonly Readonly<Record<string, unknown>>[]
  /** The first of the slices that failed for good or never ran; `cards` is the number of their cards. */
  readonly lost: readonly { readonly input: unknown; readonly error: string }[]
  readonly lostCards: number
  /** First rows of a CSV that repeat its header. */
  readonly headerRows: readonly number[]
  /** See `CsvFacts`; null for other forms. */
  readonly csv: unknown
  /** Name of the sheet, for a workbook. */
  readonly sheet: string | null
  /** Result of the first job, for an export. */
  readonly first: unknown
  /** Checkpoint of the first job where it has no result, if it stored one. */
  readonly checkpoint: unknown
}

interface TaskRow {
  id: string
  operation: string
  format: string | null
  status: 'pending' | 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled'
  total: number
  cards: number | null
  stop_code: string | null
  started_at: number | null
  finished_at: number | null
  idle_ms: number | null
}

/** Number of cards that a job's input names. */
const CARDS_OF = sql.raw(`CASE json_type(input) WHEN 'array' THEN json_array_length(input) ELSE input ->> 'count' END`)

/** Reads an owner's task by its id, or by the caller's own name for it; null when there is none. */
export async function readCardTask(db: Database, owner: string, id: string): Promise<CardTask | null> {
  const [row] = await db.all<TaskRow>(sql`
    SELECT id, operation, status, facts ->> 'totalCards' AS total, facts ->> 'format' AS format, tallies ->> 'cards' AS cards, stop_code, started_at, finished_at, idle_ms FROM batches
    WHERE owner = ${owner} AND deleted_at IS NULL AND operation IN ('cards.import', 'cards.export', 'cards.delete', 'cards.restore')
      AND id = coalesce((SELECT id FROM batches WHERE id = ${id} AND owner = ${owner}),
        (SELECT id FROM batches WHERE owner = ${owner} AND idempotency_key = ${id}))`)
  if (row === undefined) return null
  const [lefts, running, failures, goods] = await db.batch([
    db.all<{ left: number; waiting: number; error: string | null }>(sql`
      SELECT count(*) AS left, coalesce(sum(status <> 'running' AND error_code IS NOT NULL), 0) AS waiting, max(error_message) AS error
      FROM jobs WHERE batch_id = ${row.id} AND status IN ('ready', 'scheduled', 'blocked', 'running')
        AND (SELECT finished_at FROM batches WHERE id = ${row.id}) IS NULL`),
    db.all<{ cards: number }>(sql`
      SELECT coalesce(sum(progress_percent * coalesce(${CARDS_OF}, ${row.total})) / 100, 0) AS cards
      FROM jobs WHERE +batch_id = ${row.id} AND status = 'running'`),
    db.all<{ error: string }>(sql`
      SELECT error_message AS error FROM jobs WHERE batch_id = ${row.id} AND status IN ('failed', 'cancelled') ORDER BY sequence LIMIT 1`),
    db.all<{ slices: number; good: number; error: string | null }>(sql`
      SELECT count(*) AS slices, coalesce(sum(${GOOD}), 0) AS good,
        (SELECT e.value ->> 'error' FROM card_slices s, json_each(s.errors) e
          WHERE s.batch_id = ${row.id} AND e.value ->> 'error' IS NOT NULL ORDER BY s.sequence, e.key LIMIT 1) AS error
      FROM card_slices WHERE batch_id = ${row.id} AND ${row.operation === 'cards.import' && row.finished_at !== null}`),
  ])
  const left = lefts[0] ?? { left: 0, waiting: 0, error: null }
  const [imported] = goods
  // An import without a finished slice is reported by the state of its batch.
  const isInVain = imported !== undefined && imported.slices > 0 && imported.good === 0
  const state = isInVain ? 'FAILURE' : stateOf(row, left)
  const failure = failures[0]?.error ?? (isInVain ? inVain(row.total, imported.error) : null)
  return {
    id: row.id,
    operation: row.operation,
    format: row.format,
    state,
    total: row.total,
    current: Math.min(row.total, (row.cards ?? 0) + (running[0]?.cards ?? 0)),
    error:
      state === 'FAILURE'
        ? (failure ?? 'The task was stopped before it began.')
        : state === 'RETRY'
          ? left.error
          : null,
    duration: Math.round(worked(row) / 10) / 100,
    finishedAt: row.finished_at,
  }
}

/** Sum of the successful counts of an import's slice. */
const GOOD = sql.raw(
  ['imported', 'updated', 'skipped', 'valid'].map((name) => `coalesce(counts ->> '${name}', 0)`).join(' + '),
)

function inVain(total: number, error: string | null): string | null {
  if (error === null) return total === 0 ? null : 'The body holds headers and no cards.'
  const none = total === 1 ? 'The card could not be imported.' : `None of the ${total} cards could be imported.`
  return `${none} The first: ${error}.`
}

/** Returns the time a task ran, in milliseconds. */
function worked({ started_at, finished_at, idle_ms }: TaskRow): number {
  if (started_at === null || finished_at === null) return 0
  return Math.max(0, finished_at - started_at - (idle_ms ?? 0))
}

function stateOf(row: TaskRow, { left, waiting }: { left: number; waiting: number }): TaskStatus['status'] {
  switch (row.status) {
    case 'pending':
      return 'PENDING'
    case 'processing':
      return left > 0 && left === waiting ? 'RETRY' : 'STARTED'
    case 'completed':
      return 'SUCCESS'
    case 'partial':
      // A task that exceeded its time limit has a partial result, and did not succeed.
      return row.stop_code === null ? 'SUCCESS' : 'FAILURE'
    default:
      return 'FAILURE'
  }
}

/** Reads the result of an ended task. */
export async function readCardTaskResult(db: Database, id: string): Promise<CardTaskResult> {
  const lost = sql`batch_id = ${id} AND status IN ('failed', 'cancelled')`
  const [sums, errors, slices, cards, headers, inputs, firsts] = await db.batch([
    db.all<{ name: string; amount: number }>(sql`
      SELECT c.key AS name, sum(c.value) AS amount FROM card_slices s, json_each(s.counts) c WHERE s.batch_id = ${id} GROUP BY c.key`),
    db.all<{ error: string }>(sql`
      SELECT e.value AS error FROM card_slices s, json_each(s.errors) e
      WHERE s.batch_id = ${id} AND s.errors <> '[]' AND e.value ->> 'header' IS NULL ORDER BY s.sequence, e.key LIMIT ${MAX_ERRORS}`),
    db.all<{ input: string; error: string | null }>(
      sql`SELECT input, error_message AS error FROM jobs WHERE ${lost} ORDER BY sequence LIMIT ${MAX_ERRORS}`,
    ),
    db.all<{ cards: number | null }>(sql`SELECT sum(${CARDS_OF}) AS cards FROM jobs WHERE ${lost}`),
    db.all<{ row: number }>(sql`
      SELECT e.value ->> 'header' AS row FROM card_slices s, json_each(s.errors) e
      WHERE s.batch_id = ${id} AND s.counts ->> 'headers' > 0 AND e.value ->> 'header' IS NOT NULL ORDER BY s.sequence, e.key LIMIT ${MAX_NAMED_ROWS}`),
    db.all<{ csv: string | null; sheet: string | null }>(
      sql`SELECT input -> 'csv' AS csv, input ->> 'sheet' AS sheet FROM batches WHERE id = ${id}`,
    ),
    db.all<{ result: string | null; checkpoint: string | null }>(
      sql`SELECT result, checkpoint FROM jobs WHERE batch_id = ${id} AND sequence = 1`,
    ),
  ])
  return {
    counts: Object.fromEntries(sums.map(({ name, amount }) => [name, amount])),
    errors: errors.map(({ error }) => JSON.parse(error)),
    lost: slices.map(({ input, error }) => ({ input: JSON.parse(input), error: error ?? '' })),
    lostCards: cards[0]?.cards ?? 0,
    headerRows: headers.map(({ row }) => row),
    csv: JSON.parse(inputs[0]?.csv ?? 'null'),
    sheet: inputs[0]?.sheet ?? null,
    first: JSON.parse(firsts[0]?.result ?? 'null'),
    checkpoint: JSON.parse(firsts[0]?.checkpoint ?? 'null'),
  }
}

/** Reads the number of cards of an owner that are not deleted. */
export async function countCards(db: Database, owner: string): Promise<number> {
  const [row] = await db.all<{ cards: number }>(sql`SELECT cards FROM card_accounts WHERE owner = ${owner}`)
  return row?.cards ?? 0
}
