/** Turns results of a batch into items of the one that follows it, as if they had been sent: each is checked by the operation that gets it. */
import { sql } from 'drizzle-orm'
import { MillraceError } from '../../../errors.ts'
import { parseLossless } from '../../../lossless-json.ts'
import type { JobPlan } from '../../../operation.ts'
import type { Database } from '../../../ports.ts'
import type { ChainError } from '../../../schema/chain.ts'
import { takeIds } from '../item-ids.ts'
import { checkSize, type ItemOperation } from '../items.ts'
import { readItemResults } from '../queries.ts'

/** Results read at once, and made items by one commit. */
const RESULTS_A_PAGE = 1_000

/** A result of the batch before. */
export interface Result {
  /** Position of its job, from 0. */
  readonly index: number
  /** The caller's own id for the item that it came of; null for none. */
  readonly itemId: string | null
  readonly value: unknown
}

/** A page of results; `next` is null where there are no more. */
interface Page {
  readonly results: readonly Result[]
  readonly next: number | null
}

/** The results that a batch is fed with: of the jobs that completed in one run, or in several of which none fed it. */
export interface Span {
  readonly from: string
  /** Event of the batch before after which they came; 0 where none was fed before. */
  readonly after: number
  /** The last event that counts. */
  readonly upTo: number
}

/**
 * Reads a page of results: at first in the order of the items, later, since only the log says which are new, in the order they came.
 * @param cursor `next` of the page before; 0 at first
 */
export async function readResults(db: Database, { from, after, upTo }: Span, cursor: number): Promise<Page> {
  if (after > 0) return readNewResults(db, { from, upTo, after: Math.max(after, cursor) })
  const { rows, next } = await readItemResults(db, from, { set: 'succeeded', after: cursor, limit: RESULTS_A_PAGE })
  return { results: rows.map(({ index, itemId, result }) => ({ index, itemId, value: result ?? null })), next }
}

interface NewRow {
  seq: number
  sequence: number
  item_id: string | null
  result: string | null
}

async function readNewResults(db: Database, { from, after, upTo }: Span): Promise<Page> {
  const rows = await db.all<NewRow>(sql`
    SELECT e.seq, j.sequence, j.item_id, j.result FROM events e CROSS JOIN jobs j ON j.id = e.job_id
    WHERE e.batch_id = ${from} AND e.seq > ${after} AND e.seq <= ${upTo} AND e.type = 'job_completed' ORDER BY e.seq LIMIT ${NEW_A_PAGE}`)
  const results = rows.map(({ sequence, item_id, result }) => ({
    index: sequence - 1,
    itemId: item_id,
    value: result === null ? null : parseLossless(result),
  }))
  return { results, next: rows.length === NEW_A_PAGE ? (rows.at(-1)?.seq ?? null) : null }
}

/** Fewer, since their size is not looked at before: each may have 1 MB. */
const NEW_A_PAGE = 20

/** Jobs that were made of results, and the errors of the results that became none. */
export interface Fitted {
  readonly jobs: readonly JobPlan[]
  readonly errors: readonly ChainError[]
}

/**
 * Plans jobs of results. An object's `id` is the id of its item, as in any create; where it has none, that of the item before is.
 * @param taken ids of items that the batch has already
 */
export function fitResults(
  operation: ItemOperation,
  input: unknown,
  results: readonly Result[],
  taken: ReadonlySet<string>,
): Fitted {
  const errors: ChainError[] = []
  const named: Named[] = []
  const seen = new Set(taken)
  for (const result of results) {
    const one = refusing(result, errors, () => nameItem(operation, result, seen))
    if (one !== null) named.push(one)
  }
  const whole = planAll(operation, input, named)
  if (whole !== null) return { jobs: whole, errors }
  // One of them is wrong: each is planned by itself, to find out which.
  const jobs = named.flatMap((one) => refusing(one.result, errors, () => planAll(operation, input, [one], true)) ?? [])
  return { jobs, errors }
}

/** A result as an item, without the id that it is given. */
interface Named {
  readonly result: Result
  readonly item: unknown
  readonly itemId: string | undefined
}

/** Takes the id off a result. */
function nameItem({ keepsItemIds = false }: ItemOperation, result: Result, seen: Set<string>): Named {
  checkSize(result.value, 'items.0')
  if (keepsItemIds) return { result, item: result.value, itemId: undefined }
  const { items, ids } = takeIds([result.value], new Map())
  const itemId = ids?.[0] ?? result.itemId ?? undefined
  if (itemId !== undefined && seen.has(itemId)) {
    throw new MillraceError('CONFLICT', `items.0.id: another item of this batch has the id "${itemId}".`, {
      details: { field: 'items.0.id' },
    })
  }
  if (itemId !== undefined) seen.add(itemId)
  return { result, item: items[0], itemId }
}

/** Ids that results may give their items: those that a batch may have already. */
export function idsOf({ keepsItemIds = false }: ItemOperation, results: readonly Result[]): string[] {
  if (keepsItemIds) return []
  return results.flatMap(({ value, itemId }) => {
    const own = typeof value === 'object' && value !== null && 'id' in value ? value.id : itemId
    return typeof own === 'string' ? [own] : []
  })
}

/**
 * Plans a job for each item.
 * @param throws whether errors are thrown
 * @returns null where one of them is no item
 */
function planAll(
  operation: ItemOperation,
  input: unknown,
  named: readonly Named[],
  throws = false,
): readonly JobPlan[] | null {
  try {
    const items = named.map(({ item }) => item)
    const { jobs } = operation.plan(operation.fromItems(input, items))
    if (jobs.length !== items.length)
      throw new MillraceError('INVALID_REQUEST', 'items.0: this makes no job of its own.')
    return jobs.map((job, at) => {
      const itemId = named[at]?.itemId
      return itemId === undefined ? job : { ...job, itemId }
    })
  } catch (error) {
    if (throws || !(error instanceof MillraceError)) throw error
    return null
  }
}

/** Runs a step for one result. @returns null where the result is refused, which is added to the errors */
function refusing<T>({ index }: Result, errors: ChainError[], step: () => T): T | null {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const named = (text: string) => text.replace(/\bitems\.0\b/g, 'result')
    const { field } = error.details ?? {}
    errors.push({
      index,
      field: typeof field === 'string' ? named(field) : null,
      message: named(error.message).slice(0, MAX_MESSAGE),
    })
    return null
  }
}

const MAX_MESSAGE = 500
