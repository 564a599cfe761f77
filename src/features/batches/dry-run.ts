/** Dry runs of creates: everything is checked and planned as for a batch, all wrong items are counted, and nothing is kept. */
import { sql } from 'drizzle-orm'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { fitPace, type Pace, readMeasured } from '../../engine/pace.ts'
import { demandTimeToCome, NOTHING_TO_DO } from '../../engine/transitions/submit.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps } from '../../http/context.ts'
import type { Database } from '../../ports.ts'
import { checkItems, checkSize, countedFrom, type ItemOperation, indexOfItem, namedItems, planItems } from './items.ts'
import type { CreateBatch, DryRunReport } from './schemas.ts'
import { prepareBatch } from './submit-batch.ts'

/** Wrong items that a report names; the others are counted. */
const MAX_ERRORS = 100
/** Items that are checked one by one before the event loop is yielded. */
const ITEMS_A_TURN = 250
/** Pace before anything was measured; what was measured outweighs it soon. */
const FIRST_GUESS: Pace = { task: 100, item: 100 }

/**
 * Checks a create.
 * @param largest bytes of the text that the largest item came in
 * @throws MillraceError as a create does for what is wrong beside its items
 */
export async function dryRunBatch(
  deps: AppDeps,
  owner: string,
  body: CreateBatch,
  largest: number,
): Promise<DryRunReport> {
  if (body.open === true) {
    throw invalidRequest('dryRun', 'dryRun: an open batch has no items yet. Send "items" in place of "open".')
  }
  const { operation, options } = await prepareBatch(deps, owner, body)
  demandTimeToCome(options, deps.clock.now())
  const items = body.items ?? []
  if (items.length === 0) throw new MillraceError('INVALID_REQUEST', NOTHING_TO_DO)
  await operation.checkInput?.(deps.db, owner, body.input ?? {})
  const { totalJobs, invalid, errors } = await planAll(operation, body.input ?? {}, items, largest)
  return {
    success: true,
    dryRun: true,
    operation: operation.name,
    items: items.length,
    valid: items.length - invalid,
    invalid,
    errors,
    totalJobs,
    estimatedSeconds: await estimateSeconds(deps.db, operation.name, totalJobs),
  }
}

type Planned = Pick<DryRunReport, 'totalJobs' | 'invalid' | 'errors'>

/** Plans as a create does; where an item is wrong, each by itself, to find the others. */
async function planAll(
  operation: ItemOperation,
  input: unknown,
  items: readonly unknown[],
  largest: number,
): Promise<Planned> {
  try {
    await checkItems(items, largest)
    const { jobs } = await planItems(operation, input, items)
    return { totalJobs: jobs.length, invalid: 0, errors: [] }
  } catch (error) {
    if (!(error instanceof MillraceError) || indexOfItem(error) === null) throw error
    return planEach(operation, input, items)
  }
}

async function planEach(operation: ItemOperation, input: unknown, items: readonly unknown[]): Promise<Planned> {
  const positions = new Map<string, number>()
  const errors: DryRunReport['errors'] = []
  let invalid = 0
  let totalJobs = 0
  for (const [index, item] of items.entries()) {
    if (index % ITEMS_A_TURN === 0) await yieldToEventLoop()
    try {
      checkSize(item, `items.${index}`)
      const named = namedItems(operation, [item], positions, index)
      totalJobs += planOne(operation, input, named.items, index)
    } catch (error) {
      if (!(error instanceof MillraceError) || indexOfItem(error) === null) throw error
      invalid++
      if (errors.length < MAX_ERRORS) {
        errors.push({ index, field: String(error.details?.field), message: error.message })
      }
    }
  }
  return { totalJobs, invalid, errors }
}

/** Plans one item; errors name its position in the request. @returns the number of its jobs */
function planOne(operation: ItemOperation, input: unknown, items: readonly unknown[], index: number): number {
  try {
    return operation.plan(operation.fromItems(input, items)).jobs.length
  } catch (error) {
    throw error instanceof MillraceError ? countedFrom(index, error) : error
  }
}

/** Estimates how long so many jobs run, by the last batches of the operation; null where none was measured. */
async function estimateSeconds(db: Database, operation: string, jobs: number): Promise<number | null> {
  const measured = await readMeasured(db, operation, { items: sql`completed + failed` })
  if (measured.length === 0) return null
  const pace = fitPace(measured, FIRST_GUESS)
  return Math.max(1, Math.ceil((pace.task + pace.item * jobs) / 1_000))
}
