/** Reads the state of a bulk task on cards, and its result. */
import { type SQL, sql } from 'drizzle-orm'
import type { Clock, Database } from '../../../ports.ts'
import { MAX_ERRORS, type TaskStatus } from '../schemas.ts'

/** A task as the card surface sees it. */
export interface CardTask {
  readonly id: string
  /** `cards.import`, `cards.export`, `cards.delete`, `cards.restore`. */
  readonly operation: string
  /** Of an export. */
  readonly format: string | null
  readonly state: TaskStatus['status']
  readonly total: number
  /** Cards gone through so far, those of running slices included. */
  readonly current: number
  /** Of FAILURE and RETRY. */
  readonly error: string | null
  /** Seconds, two places: from its begin to its end, without the time it lay stopped or paused; 0 for a task that was never begun. */
  readonly duration: number
  readonly finishedAt: number | null
}

/** Result of a task that has ended. */
export interface CardTaskResult {
  /** Sums over its slices, by name. */
  readonly counts: Readonly<Record<string, number>>
  /** Of the first cards that failed, in order. */
  readonly errors: readonly Readonly<Record<string, unknown>>[]
  /** Slices that failed for good or were never run, the first of them; `cards` says of how many cards. */
  readonly lost: readonly { readonly input: unknown; readonly error: string }[]
  readonly lostCards: number
  /** Result of the first job, for an export. */
  readonly first: unknown
  /** Checkpoint of the first job where it gave no result, if it stored one. */
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
        (SELECT id FROM batches WHERE owner = ${owner} AND idempotency_key = ${id} ORDER BY id DESC LIMIT 1))`)
  if (row === undefined) return null
  const [lefts, running, failures] = await db.batch([
    db.all<{ left: number; waiting: number; error: string | null }>(sql`
      SELECT count(*) AS left, coalesce(sum(status <> 'running' AND error_code IS NOT NULL), 0) AS waiting, max(error_message) AS error
      FROM jobs WHERE batch_id = ${row.id} AND status IN ('ready', 'scheduled', 'blocked', 'running')
        AND (SELECT finished_at FROM batches WHERE id = ${row.id}) IS NULL`),
    db.all<{ cards: number }>(sql`
      SELECT coalesce(sum(progress_percent * coalesce(${CARDS_OF}, ${row.total})) / 100, 0) AS cards
      FROM jobs WHERE +batch_id = ${row.id} AND status = 'running'`),
    db.all<{ error: string }>(sql`
      SELECT error_message AS error FROM jobs WHERE batch_id = ${row.id} AND status IN ('failed', 'cancelled') ORDER BY sequence LIMIT 1`),
  ])
  const left = lefts[0] ?? { left: 0, waiting: 0, error: null }
  const state = stateOf(row, left)
  return {
    id: row.id,
    operation: row.operation,
    format: row.format,
    state,
    total: row.total,
    current: Math.min(row.total, (row.cards ?? 0) + (running[0]?.cards ?? 0)),
    error:
      state === 'FAILURE'
        ? (failures[0]?.error ?? 'The task was stopped before it began.')
        : state === 'RETRY'
          ? left.error
          : null,
    duration: Math.round(worked(row) / 10) / 100,
    finishedAt: row.finished_at,
  }
}

/** Milliseconds. */
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
      // Of a task that ran out of time, what was done is its partial result; it has not succeeded.
      return row.stop_code === null ? 'SUCCESS' : 'FAILURE'
    default:
      return 'FAILURE'
  }
}

/** Reads what a task that has ended came to. */
export async function readCardTaskResult(db: Database, id: string): Promise<CardTaskResult> {
  const lost = sql`batch_id = ${id} AND status IN ('failed', 'cancelled')`
  const [sums, errors, slices, cards, firsts] = await db.batch([
    db.all<{ name: string; amount: number }>(sql`
      SELECT c.key AS name, sum(c.value) AS amount FROM card_slices s, json_each(s.counts) c WHERE s.batch_id = ${id} GROUP BY c.key`),
    db.all<{ error: string }>(sql`
      SELECT e.value AS error FROM card_slices s, json_each(s.errors) e
      WHERE s.batch_id = ${id} AND s.errors <> '[]' ORDER BY s.sequence, e.key LIMIT ${MAX_ERRORS}`),
    db.all<{ input: string; error: string | null }>(
      sql`SELECT input, error_message AS error FROM jobs WHERE ${lost} ORDER BY sequence LIMIT ${MAX_ERRORS}`,
    ),
    db.all<{ cards: number | null }>(sql`SELECT sum(${CARDS_OF}) AS cards FROM jobs WHERE ${lost}`),
    db.all<{ result: string | null; checkpoint: string | null }>(
      sql`SELECT result, checkpoint FROM jobs WHERE batch_id = ${id} AND sequence = 1`,
    ),
  ])
  return {
    counts: Object.fromEntries(sums.map(({ name, amount }) => [name, amount])),
    errors: errors.map(({ error }) => JSON.parse(error)),
    lost: slices.map(({ input, error }) => ({ input: JSON.parse(input), error: error ?? '' })),
    lostCards: cards[0]?.cards ?? 0,
    first: JSON.parse(firsts[0]?.result ?? 'null'),
    checkpoint: JSON.parse(firsts[0]?.checkpoint ?? 'null'),
  }
}

/** Reads the number of cards of an owner that are not deleted. */
export async function countCards(db: Database, owner: string): Promise<number> {
  const [row] = await db.all<{ cards: number }>(sql`SELECT cards FROM card_accounts WHERE owner = ${owner}`)
  return row?.cards ?? 0
}

/** A worker signs in every second; one that was silent for so long does not answer. */
const SILENT_MS = 15_000

/** Workers that run jobs now. */
export async function countWorkers(deps: { db: Database; clock: Clock }): Promise<number> {
  const since: SQL = sql`seen_at > ${deps.clock.now() - SILENT_MS}`
  const [row] = await deps.db.all<{ workers: number } | undefined>(
    sql`SELECT count(*) AS workers FROM workers WHERE ${since}`,
  )
  return row?.workers ?? 0
}
