/** The items of a batch: which operation takes them, how large one may be, and how those of an open batch come in slices. */
import type { Context } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { appendJobs, sealBatch, takesNoMore } from '../../engine/transitions/open-batches.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { demandNdjson, readNdjson, readOptionalJson, readQuery } from '../../http/request/body.ts'
import type { BatchPlan, JobPlan, Operation } from '../../ports.ts'
import { findBatch } from './load-batch.ts'
import { readBatchInput, readNextPlace } from './queries.ts'
import { AppendItems, type BatchSealed, type ItemsAppended, SealBatch } from './schemas.ts'

/** Items of a stream that are added by one commit. */
const ITEMS_A_COMMIT = 1_000

/** Bytes of JSON that an item may have: what keeps it has a bound of its own on every home, and what it gives needs room beside it. */
const MAX_ITEM_BYTES = 1_000_000
/** Bytes of lines that are added by one commit. */
const COMMIT_BYTES = 1_000_000
/** JSON may be longer written anew than it was sent, but no more than so many times: 1e20 becomes 21 digits. */
const MAX_GROWTH = 5

/** An operation that takes items. */
export type ItemOperation = Operation & { readonly fromItems: NonNullable<Operation['fromItems']> }

/** @throws MillraceError INVALID_REQUEST, naming those that there are */
export function findOperation(deps: AppDeps, name: string): ItemOperation {
  const operation = Object.hasOwn(deps.operations, name) ? deps.operations[name] : undefined
  if (operation !== undefined && operation.fromItems !== null) return { ...operation, fromItems: operation.fromItems }
  const known = Object.values(deps.operations).filter(({ fromItems }) => fromItems !== null)
  throw invalidRequest(
    'operation',
    `There is no operation "${name}" here. There are: ${known.map((one) => one.name).join(', ')}.`,
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
  const turn = new Turns(MAX_ITEM_BYTES)
  for (const [index, item] of items.entries()) await turn.after(checkSize(item, `items.${index}`))
}

/** Gives everything else its turn whenever so much was done. */
class Turns {
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

/** `POST /:id/seal`. */
export async function sealItems(c: Context<Env, '/:id/seal'>, deps: AppDeps): Promise<Response> {
  const batch = await findBatch(c, deps)
  const { total } = await readOptionalJson(c, SealBatch)
  const totalJobs = await sealBatch(deps, batch.id, total === undefined ? {} : { total })
  // It may have ended with that, and its webhook is to be told.
  deps.dispatcher.wake()
  return c.json({ success: true, batchId: batch.id, totalJobs } satisfies BatchSealed)
}

/** `POST /:id/items`: takes a slice of items line by line, adding them as they come in. */
export async function appendItems(c: Context<Env, '/:id/items'>, deps: AppDeps): Promise<Response> {
  demandNdjson(c)
  const query = readQuery(c, AppendItems)
  const batch = await findBatch(c, deps)
  if (batch.openUntil === null) throw takesNoMore()
  const operation = findOperation(deps, batch.operation)
  const input = await readBatchInput(deps.db, batch.id)
  const from = query.from ?? (await placeOfFirst(deps, batch.id))
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
    for await (const { value, bytes } of readNdjson(c.req.raw.body ?? new Blob([]).stream())) {
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
  return c.json({ success: true, batchId: batch.id, received, added, next: from + received } satisfies ItemsAppended)
}

/** Returns the place of a slice that names none: in a batch without items it can only be the first. */
async function placeOfFirst(deps: AppDeps, batchId: string): Promise<number> {
  const next = await readNextPlace(deps.db, batchId)
  if (next === 0) return 0
  throw invalidRequest(
    'from',
    `from: say which place the first of these items has in the batch. The next that is free is ?from=${next}.`,
  )
}

/**
 * Plans the items of a whole batch, in slices where they are many.
 * @throws MillraceError as the operation does, places counted over all items; BATCH_TOO_LARGE beyond ten times its `maxJobs`
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
  if (items.length <= ITEMS_A_COMMIT) return operation.plan(operation.fromItems(input, items, true))
  const jobs: JobPlan[] = []
  let first: BatchPlan | null = null
  for (let at = 0; at < items.length; at += ITEMS_A_COMMIT) {
    await yieldToEventLoop()
    try {
      const plan = operation.plan(operation.fromItems(input, items.slice(at, at + ITEMS_A_COMMIT)))
      first ??= plan
      for (const job of plan.jobs) jobs.push(job)
    } catch (error) {
      throw error instanceof MillraceError ? countedFrom(at, error) : error
    }
  }
  return { ...(first ?? { input: {}, facts: {} }), jobs }
}

/** An error about an item of a slice, the item counted from the first of all. */
function countedFrom(at: number, error: MillraceError): MillraceError {
  const field = error.details?.field
  const wrong = /^items\.(\d+)/.exec(typeof field === 'string' ? field : '')
  if (typeof field !== 'string' || wrong === null) return error
  const counted = (text: string) => text.replace(wrong[0], `items.${at + Number(wrong[1])}`)
  return new MillraceError(error.code, counted(error.message), { details: { ...error.details, field: counted(field) } })
}

/** Plans items of a slice: where one of them is wrong, those before it, and what is wrong. */
function plan(
  operation: ItemOperation,
  input: unknown,
  items: readonly unknown[],
  { from, received }: { from: number; received: number },
): { jobs: readonly JobPlan[]; fault: MillraceError | null } {
  const jobsOf = (some: readonly unknown[]) => operation.plan(operation.fromItems(input, some)).jobs
  try {
    return { jobs: jobsOf(items), fault: null }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const field = error.details?.field
    const wrong = /^items\.(\d+)/.exec(typeof field === 'string' ? field : '')
    if (typeof field !== 'string' || wrong === null) return { jobs: [], fault: error }
    const at = Number(wrong[1])
    // The operation counts from the first that it was given, the caller from the first of the slice.
    const counted = (text: string) => text.replace(wrong[0], `items.${received + at}`)
    const message = `${counted(error.message)} The items before it were taken; it would be ?from=${from + received + at}.`
    const fault = new MillraceError(error.code, message, { details: { ...error.details, field: counted(field) } })
    return { jobs: at === 0 ? [] : jobsOf(items.slice(0, at)), fault }
  }
}
