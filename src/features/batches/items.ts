/** Items of a batch: finds the operation that takes them, checks their sizes, and appends those of an open batch, which come in slices. */
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { appendJobs, takesNoMore } from '../../engine/transitions/open-batches.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps } from '../../http/context.ts'
import type { readNdjson } from '../../http/request/ndjson.ts'
import type { BatchState } from '../../live/state.ts'
import type { BatchPlan, JobPlan, Operation } from '../../operation.ts'
import { type NamedItems, takeIds, withIds } from './item-ids.ts'
import { readBatchInput, readNextPosition } from './queries.ts'
import type { ItemsAppended } from './schemas.ts'

/** Items of a stream that are added by one commit. */
const ITEMS_A_COMMIT = 1_000

/** Bytes of JSON that an item may have: what keeps it has a bound of its own on every runtime, and what it gives needs room beside it. */
const MAX_ITEM_BYTES = 1_000_000
/** Bytes of lines that are added by one commit. */
const COMMIT_BYTES = 1_000_000
/** JSON may be longer written anew than it was sent, but no more than so many times: 1e20 becomes 21 digits. */
const MAX_GROWTH = 5

/** An operation that takes items. */
export type ItemOperation = Operation & { readonly fromItems: NonNullable<Operation['fromItems']> }

/**
 * Finds an operation of the server, or one that the owner declared.
 * @throws MillraceError INVALID_REQUEST, naming those that there are
 */
export async function findOperation(
  deps: Pick<AppDeps, 'operations' | 'declared'>,
  owner: string,
  name: string,
): Promise<ItemOperation> {
  const own = Object.hasOwn(deps.operations, name) ? deps.operations[name] : undefined
  const operation = own ?? (await deps.declared?.find(owner, name))
  if (operation?.fromItems) return { ...operation, fromItems: operation.fromItems }
  const known = Object.values(deps.operations).filter(({ fromItems }) => fromItems !== null)
  const declared = (await deps.declared?.names(owner)) ?? []
  throw invalidRequest(
    'operation',
    `There is no operation "${name}" here. There are: ${[...known.map((one) => one.name), ...declared].join(', ')}.`,
  )
}

const utf8 = new TextEncoder()

/**
 * Checks how large items are.
 * @param largest bytes of the text that the largest of them came in
 * @throws MillraceError INVALID_REQUEST naming the item
 */
export async function checkItems(items: readonly unknown[], largest: number): Promise<void> {
  if (largest * MAX_GROWTH <= MAX_ITEM_BYTES) return
  const yielder = new Yielder(MAX_ITEM_BYTES)
  for (const [index, item] of items.entries()) await yielder.after(checkSize(item, `items.${index}`))
}

/** Yields the event loop each time so much work is done. */
class Yielder {
  readonly #every: number
  #done = 0

  constructor(every: number) {
    this.#every = every
  }

  async after(amount: number): Promise<void> {
    this.#done += amount
    if (this.#done < this.#every) return
    this.#done = 0
    await yieldToEventLoop()
  }
}

/** Likewise, of one thing under its name. @returns about how many bytes it has */
export function checkSize(value: unknown, field: string): number {
  const json = JSON.stringify(value) ?? ''
  // No character takes more than three bytes: most need no counting.
  const bytes = json.length * 3 <= MAX_ITEM_BYTES ? 0 : utf8.encode(json).byteLength
  if (bytes <= MAX_ITEM_BYTES) return json.length
  const counted = (n: number) => n.toLocaleString('en')
  throw invalidRequest(
    field,
    `${field}: expected at most ${counted(MAX_ITEM_BYTES)} bytes of JSON, and these are ${counted(bytes)}.`,
  )
}

/**
 * Appends a slice of items to an open batch, line by line as they arrive.
 * @param position of the first in the whole batch, from 0; undefined where the caller named none
 */
export async function appendItems(
  deps: AppDeps,
  batch: BatchState,
  lines: ReturnType<typeof readNdjson>,
  position: number | undefined,
): Promise<ItemsAppended> {
  if (batch.openUntil === null) throw takesNoMore()
  refuseFed(batch)
  const operation = await findOperation(deps, batch.owner, batch.operation)
  const input = await readBatchInput(deps.db, batch.id)
  const from = position ?? (await positionOfFirst(deps, batch.id))
  let received = 0
  let added = 0
  let group: unknown[] = []
  let groupBytes = 0
  const flush = async () => {
    const items = group
    group = []
    groupBytes = 0
    if (items.length === 0) return
    if (operation.maxJobs !== undefined && from + received + items.length > operation.maxJobs) {
      throw new MillraceError(
        'BATCH_TOO_LARGE',
        `items: a batch of "${operation.name}" takes at most ${operation.maxJobs}, and these are from ${from + received} to ${from + received + items.length - 1}.`,
        { details: { field: 'items' } },
      )
    }
    // A database on the same machine answers without letting go of the event loop.
    await yieldToEventLoop()
    const { jobs, fault } = plan(operation, input, items, { from, received })
    if (jobs.length > 0) added += await appendJobs(deps, batch, from + received + 1, jobs)
    received += jobs.length
    if (fault !== null) throw fault
  }
  try {
    for await (const { value, bytes } of lines) {
      if (bytes * MAX_GROWTH > MAX_ITEM_BYTES) checkSize(value, `items.${received + group.length}`)
      if (groupBytes + bytes > COMMIT_BYTES) await flush()
      group.push(value)
      groupBytes += bytes
      if (group.length === ITEMS_A_COMMIT) await flush()
    }
  } finally {
    // Items before a malformed line are added all the same: the answer says so.
    await flush()
  }
  return { success: true, batchId: batch.id, received, added, next: from + received }
}

/** @throws MillraceError CONFLICT for a batch that gets its items from the one before it */
export function refuseFed({ chain, openUntil }: Pick<BatchState, 'chain' | 'openUntil'>): void {
  if (chain === null || openUntil === null) return
  throw new MillraceError(
    'CONFLICT',
    `The items of this batch are the results of batch ${chain.from}; it takes no others, and is sealed once all are there.`,
  )
}

/** Returns the position of a slice that names none: in a batch without items it can only be the first. */
async function positionOfFirst(deps: AppDeps, batchId: string): Promise<number> {
  const next = await readNextPosition(deps.db, batchId)
  if (next === 0) return 0
  throw invalidRequest(
    'from',
    `from: say which place the first of these items has in the batch. The next that is free is ?from=${next}.`,
  )
}

/**
 * Plans the items of a whole batch, in slices where they are many.
 * @throws MillraceError as the operation does, positions counted over all items; BATCH_TOO_LARGE beyond ten times its `maxJobs`
 */
export async function planItems(
  operation: ItemOperation,
  input: unknown,
  items: readonly unknown[],
): Promise<BatchPlan> {
  const { maxJobs } = operation
  if (maxJobs !== undefined && items.length > 10 * maxJobs) {
    throw new MillraceError(
      'BATCH_TOO_LARGE',
      `items: expected at most ${10 * maxJobs} for "${operation.name}", doubles included, and there are ${items.length}.`,
      { details: { field: 'items' } },
    )
  }
  const positions = new Map<string, number>()
  if (items.length <= ITEMS_A_COMMIT) {
    const named = namedItems(operation, items, positions)
    // Equal items of different ids are not one.
    const plan = operation.plan(operation.fromItems(input, named.items, named.ids === null))
    return { ...plan, jobs: withIds(plan.jobs, named.ids) }
  }
  const jobs: JobPlan[] = []
  let first: BatchPlan | null = null
  for (let at = 0; at < items.length; at += ITEMS_A_COMMIT) {
    await yieldToEventLoop()
    const named = namedItems(operation, items.slice(at, at + ITEMS_A_COMMIT), positions, at)
    try {
      const plan = operation.plan(operation.fromItems(input, named.items))
      first ??= plan
      for (const job of withIds(plan.jobs, named.ids)) jobs.push(job)
    } catch (error) {
      throw error instanceof MillraceError ? countedFrom(at, error) : error
    }
  }
  return { ...(first ?? { input: {}, facts: {} }), jobs }
}

/** Takes the callers' own ids off items, unless they are fields of the operation's. See {@link takeIds}. */
export function namedItems(
  { keepsItemIds = false }: ItemOperation,
  items: readonly unknown[],
  positions: Map<string, number>,
  first = 0,
): NamedItems {
  return keepsItemIds ? { items, ids: null } : takeIds(items, positions, first)
}

/** Rewrites an error about an item of a slice, so that it names the item's position in the whole batch. */
export function countedFrom(at: number, error: MillraceError): MillraceError {
  const field = error.details?.field
  if (typeof field !== 'string' || indexOfItem(error) === null) return error
  const counted = (text: string) => shiftPositions(text, at)
  return new MillraceError(error.code, counted(error.message), { details: { ...error.details, field: counted(field) } })
}

/** Returns the position of the item that an error is about; null where it is about something else. */
export function indexOfItem({ details }: MillraceError): number | null {
  const position = /^items\.(\d+)/.exec(typeof details?.field === 'string' ? details.field : '')?.[1]
  return position === undefined ? null : Number(position)
}

/** Adds an offset to each position of an item that a text names. */
const shiftPositions = (text: string, by: number) =>
  text.replace(/\bitems\.(\d+)/g, (_, position: string) => `items.${by + Number(position)}`)

/** Plans the items of a slice. Where one is invalid, returns the jobs of those before it and the error. */
function plan(
  operation: ItemOperation,
  input: unknown,
  items: readonly unknown[],
  { from, received }: { from: number; received: number },
): { jobs: readonly JobPlan[]; fault: MillraceError | null } {
  const jobsOf = (some: readonly unknown[]) => {
    const named = namedItems(operation, some, new Map())
    return withIds(operation.plan(operation.fromItems(input, named.items)).jobs, named.ids)
  }
  try {
    return { jobs: jobsOf(items), fault: null }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const field = error.details?.field
    const at = indexOfItem(error)
    if (typeof field !== 'string' || at === null) return { jobs: [], fault: error }
    // The operation counts from the first that it was given, the caller from the first of the slice.
    const counted = (text: string) => shiftPositions(text, received)
    const message = `${counted(error.message)} The items before it were taken; it would be ?from=${from + received + at}.`
    const fault = new MillraceError(error.code, message, { details: { ...error.details, field: counted(field) } })
    return { jobs: at === 0 ? [] : jobsOf(items.slice(0, at)), fault }
  }
}
