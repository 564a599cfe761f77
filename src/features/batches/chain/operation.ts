/**
 * The operation `batch.chain`: feeds a batch with the results of the one before it, in slices, and seals it. The engine makes its jobs; callers
 * cannot. Each slice is at the position that its results give it, so one that is written twice, by a run that was cut off and the one after
 * it, is written once.
 */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { makeWebhook } from '../../../engine/webhooks.ts'
import { MillraceError } from '../../../errors.ts'
import type {
  Attempt,
  ContinueAt,
  DeclaredOperations,
  Operation,
  Operations,
  RunContext,
  RunResult,
} from '../../../operation.ts'
import { CHAIN_ATTEMPTS, CHAIN_OPERATION, type ChainError } from '../../../schema/chain.ts'
import { findOperation, type ItemOperation } from '../items.ts'
import { readBatchInput } from '../queries.ts'
import { fitResults, idsOf, readResults, type Span } from './feed.ts'

/** Longest run, in milliseconds; the rest is left to the next one, so that a slot is not kept for long. */
const MAX_RUN_MS = 30_000
/** Between two tries to keep what an owner has no room for, in milliseconds, and how long these go on. */
const ROOM_PAUSE_MS = 60_000
const ROOM_WAIT_MS = 60 * 60_000
/** Errors that are kept. */
const MAX_ERRORS = 20

const Input = z.object({
  batchId: z.string(),
  from: z.string(),
  after: z.int(),
  upTo: z.int(),
  webhook: z
    .object({ url: z.string(), secret: z.string().optional(), events: z.array(z.string()).optional() })
    .nullable(),
})

/** State between two slices. */
const State = z.object({
  /** Position up to which results are read. */
  cursor: z.int(),
  /** Items made of them. */
  items: z.int(),
  errors: z.array(z.object({ index: z.int().nullable(), field: z.string().nullable(), message: z.string() })),
  /** Since when there is no room for more, in milliseconds since the epoch; null where there is. */
  fullSince: z.int().nullable(),
})
type State = z.infer<typeof State>

const BEGINNING: State = { cursor: 0, items: 0, errors: [], fullSince: null }

/**
 * Makes the operation.
 * @param others operations of the server that a batch may be of
 * @param declaredBy finds those that owners declared
 */
export function chain(others: Operations, declaredBy: (ctx: RunContext) => DeclaredOperations): Operation {
  return {
    name: CHAIN_OPERATION,
    concurrency: null,
    maxAttempts: CHAIN_ATTEMPTS,
    timeLimitMs: MAX_RUN_MS + 5 * 60_000,
    summaryDefaults: {},
    fromItems: null,
    merge: null,
    batchTotals: () => ({}),
    plan() {
      throw new MillraceError(
        'INVALID_REQUEST',
        'Batches are fed by those before them, which name them in "options.then".',
      )
    },
    run: (job, ctx) => new Feeding(job, ctx, { operations: others, declared: declaredBy(ctx) }).run(),
  }
}

/** One run of a job. */
class Feeding {
  readonly #ctx: RunContext
  readonly #registry: { readonly operations: Operations; readonly declared: DeclaredOperations }
  readonly #batch: { readonly id: string; readonly owner: string }
  readonly #span: Span
  readonly #webhook: z.infer<typeof Input>['webhook']
  #state: State

  constructor(job: Attempt, ctx: RunContext, registry: { operations: Operations; declared: DeclaredOperations }) {
    const { batchId, webhook, ...span } = Input.parse(job.input)
    this.#webhook = webhook
    this.#ctx = ctx
    this.#registry = registry
    this.#batch = { id: batchId, owner: job.owner }
    this.#span = span
    this.#state = State.safeParse(job.checkpoint).data ?? BEGINNING
  }

  async run(): Promise<RunResult | ContinueAt | 'continue'> {
    const { clock } = this.#ctx
    const until = clock.now() + MAX_RUN_MS
    const operation = await this.#findOperation()
    await this.#addWebhook()
    if (operation === null) return this.#seal()
    const input = await readBatchInput(this.#ctx.db, this.#batch.id)
    for (;;) {
      const step = await this.#feed(operation, input)
      if (step === 'done') return this.#seal()
      if (step === 'full') return { continueAt: clock.now() + ROOM_PAUSE_MS }
      await this.#ctx.yield()
      if (this.#ctx.budgetExhausted() || clock.now() >= until) return 'continue'
    }
  }

  /** Finds what the batch is of; null where that is there no more, so that nothing can become an item. */
  async #findOperation(): Promise<ItemOperation | null> {
    const [row] = await this.#ctx.db.all<{ operation: string }>(
      sql`SELECT operation FROM batches WHERE id = ${this.#batch.id} AND open_until IS NOT NULL`,
    )
    if (row === undefined) return null
    try {
      return await findOperation(this.#registry, this.#batch.owner, row.operation)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      this.#note([{ index: null, field: null, message: error.message }])
      return null
    }
  }

  /** Gives the batch its webhook, before any event that it receives. */
  async #addWebhook(): Promise<void> {
    if (this.#webhook === null) return
    const { db, clock } = this.#ctx
    const missing = sql`EXISTS (SELECT 1 FROM batches WHERE id = ${this.#batch.id} AND open_until IS NOT NULL AND webhook_id IS NULL)`
    const [found] = await db.all<{ missing: number }>(sql`SELECT ${missing} AS missing`)
    if (found?.missing !== 1) return
    const { id, statements } = makeWebhook(db, { ...this.#batch, now: clock.now() }, this.#webhook)
    await db.batch([
      // Fails the commit, by what is no JSON, where another run was first: the next one finds its webhook.
      db.all(sql`SELECT json(CASE WHEN ${missing} THEN 'true' ELSE 'there is one' END) AS missing`),
      db.run(sql`UPDATE batches SET webhook_id = ${id} WHERE id = ${this.#batch.id}`),
      ...statements,
    ])
  }

  /** Makes items of a page of results. */
  async #feed(operation: ItemOperation, input: unknown): Promise<'more' | 'done' | 'full'> {
    const { cursor, items } = this.#state
    const { results, next } = await readResults(this.#ctx.db, this.#span, cursor)
    const fitted = fitResults(operation, input, results, await this.#readTaken(idsOf(operation, results)))
    const room = operation.maxJobs === undefined ? fitted.jobs.length : Math.max(0, operation.maxJobs - items)
    const jobs = fitted.jobs.slice(0, room)
    if (jobs.length > 0) {
      const refused = await this.#append(jobs)
      if (refused !== null) return refused
    }
    this.#state = { ...this.#state, cursor: next ?? cursor, items: items + jobs.length, fullSince: null }
    this.#note(fitted.errors)
    if (jobs.length < fitted.jobs.length) {
      const message = `A batch of "${operation.name}" takes at most ${operation.maxJobs} items; the results after these became none.`
      this.#note([{ index: null, field: null, message }])
      return 'done'
    }
    if (next === null) return 'done'
    await this.#ctx.checkpoint(this.#state)
    return 'more'
  }

  /** @returns null where they are written; else `done` where the batch takes no more, `full` where the owner has no room for now */
  async #append(jobs: Parameters<RunContext['openBatches']['append']>[2]): Promise<'done' | 'full' | null> {
    const { clock, openBatches } = this.#ctx
    try {
      await openBatches.append(this.#batch, this.#state.items + 1, jobs)
      return null
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      if (error.code === 'CONFLICT' && error.details === undefined) return 'done'
      if (error.code !== 'QUOTA_EXCEEDED') throw error
      const fullSince = this.#state.fullSince ?? clock.now()
      this.#state = { ...this.#state, fullSince }
      if (clock.now() - fullSince >= ROOM_WAIT_MS) {
        this.#note([{ index: null, field: null, message: error.message }])
        return 'done'
      }
      await this.#ctx.checkpoint(this.#state)
      return 'full'
    }
  }

  /** Reads those of the ids that earlier items of the batch have; not those of this slice, which may have been written before. */
  async #readTaken(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set()
    const rows = await this.#ctx.db.all<{ id: string }>(sql`
      SELECT j.item_id AS id FROM json_each(${JSON.stringify(ids)}) i CROSS JOIN jobs j ON j.batch_id = ${this.#batch.id} AND j.item_id = i.value
      WHERE j.sequence <= ${this.#state.items}`)
    return new Set(rows.map(({ id }) => id))
  }

  #note(errors: readonly ChainError[]): void {
    this.#state = { ...this.#state, errors: [...this.#state.errors, ...errors].slice(0, MAX_ERRORS) }
  }

  async #seal(): Promise<RunResult> {
    await this.#ctx.openBatches.seal(this.#batch.id, this.#span.from, this.#state.errors)
    return { result: { items: this.#state.items }, summary: {}, tallies: {} }
  }
}
