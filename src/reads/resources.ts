/** The types of resource that can be asked for in batches. Another table is one entry of `TABLE_RESOURCES`, another look-up one here. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'
import { batches } from '../schema/batches.ts'
import { cards } from '../schema/cards.ts'
import { TABLE_RESOURCES } from '../schema/resources.ts'
import type { ItemResult } from '../wire/batch-reads.ts'
import { readAnalytics } from './analytics.ts'
import { type Chunks, findChunks } from './chunks.ts'
import { findRows, LONGEST_ID, type Row } from './rows.ts'

/** What was found for an id: the resource, or why it could not be looked up. */
export type Found = { readonly data: Row } | { readonly error: string; readonly status: number }

/** A type of resource. */
export interface Resource {
  /** In front of an id in messages: `Activity`. */
  readonly noun: string
  /** Looks ids up with one query; those that do not exist, or are another owner's, are left out. */
  find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, Found>>
}

/** Every type by name. */
export function readableResources(deps: { db: Database; chunks: Chunks }): ReadonlyMap<string, Resource> {
  const tables = Object.entries(TABLE_RESOURCES).map(([name, resource]): [string, Resource] => [
    name,
    { noun: resource.noun, find: async (owner, ids) => asFound(await findRows(deps.db, resource, owner, ids)) },
  ])
  return new Map<string, Resource>([
    ...tables,
    ['analytics', { noun: 'Analytics', find: async (owner, ids) => asFound(await readAnalytics(deps.db, owner, ids)) }],
    ['batches', { noun: 'Batch', find: async (owner, ids) => asFound(await findBatches(deps.db, owner, ids)) }],
    ['cards', { noun: 'Card', find: async (owner, ids) => asFound(await findCards(deps.db, owner, ids)) }],
    [
      'chunks',
      {
        noun: 'Chunk',
        find: async (owner, ids, signal) => {
          const answers = await findChunks(deps.chunks, owner, ids, signal)
          return new Map([...answers].map(([id, answer]) => [id, 'chunk' in answer ? { data: answer.chunk } : answer]))
        },
      },
    ],
  ])
}

function asFound(rows: Map<string, Row>): Map<string, Found> {
  return new Map([...rows].map(([id, data]) => [id, { data }]))
}

const asTime = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** Holds for rows of these ids that are the owner's and not deleted. */
function ownedBy(owner: string, ids: readonly string[]): SQL {
  const wanted = JSON.stringify(ids.filter((id) => id.length <= LONGEST_ID))
  return sql`owner = ${owner} AND deleted_at IS NULL AND id IN (SELECT value FROM json_each(${wanted}))`
}

async function findBatches(db: Database, owner: string, ids: readonly string[]): Promise<Map<string, Row>> {
  const rows = await db
    .select({
      id: batches.id,
      operation: batches.operation,
      status: batches.status,
      total_jobs: batches.total,
      completed_jobs: batches.completed,
      failed_jobs: batches.failed,
      cancelled_jobs: batches.cancelled,
      created_at: batches.createdAt,
      finished_at: batches.finishedAt,
    })
    .from(batches)
    .where(ownedBy(owner, ids))
  return new Map(
    rows.map((row) => [row.id, { ...row, created_at: asTime(row.created_at), finished_at: asTime(row.finished_at) }]),
  )
}

async function findCards(db: Database, owner: string, ids: readonly string[]): Promise<Map<string, Row>> {
  const rows = await db
    .select({
      id: cards.id,
      title: cards.title,
      body: cards.body,
      category: cards.category,
      privacy_level: cards.privacyLevel,
      tags: cards.tags,
      source_platform: cards.sourcePlatform,
      source_url: cards.sourceUrl,
      metadata: cards.metadata,
      published_at: cards.publishedAt,
      created_at: cards.createdAt,
      updated_at: cards.updatedAt,
    })
    .from(cards)
    .where(ownedBy(owner, ids))
  return new Map(
    rows.map(({ published_at, created_at, updated_at, ...row }) => [
      row.id,
      { ...row, published_at: asTime(published_at), created_at: asTime(created_at), updated_at: asTime(updated_at) },
    ]),
  )
}

/**
 * The names in a `fields` parameter; null for everything.
 * @param fields comma-separated; unknown names do no harm
 */
export function parseFields(fields: string | undefined): ReadonlySet<string> | null {
  const names = (fields ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return names.length === 0 ? null : new Set(names)
}

/** One result for every id, in their order, doubles included. `id` is always part of the data. */
export function presentFound(
  noun: string,
  ids: readonly string[],
  found: ReadonlyMap<string, Found>,
  fields: ReadonlySet<string> | null,
): ItemResult[] {
  const pick = (data: Row) =>
    fields === null
      ? data
      : Object.fromEntries(Object.entries(data).filter(([name]) => name === 'id' || fields.has(name)))
  return ids.map((id): ItemResult => {
    const answer = found.get(id)
    if (answer === undefined) return { id, status: 'error', error: `${noun} with id ${id} not found`, status_code: 404 }
    if ('error' in answer) return { id, status: 'error', error: answer.error, status_code: answer.status }
    return { id, status: 'success', data: pick(answer.data), status_code: 200 }
  })
}
