/** Custom operations: a name, schemas, and a function for one item. Everything else has a default. */
import * as z from 'zod'
import { invalidRequest, MillraceError } from '../errors.ts'
import { refuseItem } from '../http/request/refusals.ts'
import { safeParse } from '../http/request/safe-parse.ts'
import type { Attempt, BatchPlan, RunContext, RunResult } from '../operation.ts'
import { CustomRun } from './context.ts'
import { isContinued } from './continue-later.ts'
import { isNonRetryable, pauseAskedBy } from './errors.ts'
import type { DefinedOperation, OperationDefinition, OperationSchemas } from './types.ts'

const MAX_ATTEMPTS = 3
const TIME_LIMIT_MS = 5 * 60 * 1_000
/** `setTimeout` takes no more. */
const MAX_TIME_LIMIT_MS = 2 ** 31 - 1
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** Bytes of JSON that the result of a job may have; what is larger is a blob. */
const MAX_RESULT_BYTES = 1_000_000
/** Bytes of JSON up to which a result stands in `job_completed` and in lists as well. */
const MAX_REPORTED_BYTES = 2_048

const Settings = z.object({
  name: z.string().regex(NAME, 'expected 1 to 64 letters, digits, ".", "_" and "-", such as "images.resize"'),
  concurrency: z.int().min(1).optional(),
  maxAttempts: z.int().min(1).max(20).optional(),
  timeLimit: z.int().min(1).max(MAX_TIME_LIMIT_MS).optional(),
  maxJobs: z.int().min(1).optional(),
})

/**
 * Makes a custom operation, to be passed to `createMillrace` or `createWorker`.
 *
 * @throws TypeError naming the setting that is wrong
 * @example
 * const resize = defineOperation({
 *   name: 'resize',
 *   item: z.object({ url: z.url(), width: z.int().min(1).default(320) }),
 *   result: z.object({ key: z.string(), bytes: z.int() }),
 *   async run({ url, width }, ctx) {
 *     const image = await ctx.fetch(url)
 *     const { key, size } = await ctx.blobs.put('thumbnail.webp', await thumbnail(await image.bytes(), width))
 *     ctx.emit(size, 'bytes')
 *     return { key, bytes: size }
 *   },
 * })
 */
export function defineOperation<
  const Name extends string,
  Item extends z.ZodType,
  Result extends z.ZodType = z.ZodType<unknown, unknown>,
  Input extends z.ZodType = z.ZodType<unknown, unknown>,
>(definition: OperationDefinition<Name, Item, Result, Input>): DefinedOperation<Name, Item, Result, Input>
export function defineOperation(
  definition: OperationDefinition<string, z.ZodType, z.ZodType, z.ZodType>,
): DefinedOperation {
  checkDefinition(definition)
  const { name, description, item, result = z.unknown(), input, concurrency, timeLimit, maxJobs, backoff } = definition
  const schemas = { item, result, input: input ?? z.unknown() }
  return {
    name,
    description,
    schemas,
    concurrency: concurrency ?? null,
    maxAttempts: definition.maxAttempts ?? MAX_ATTEMPTS,
    timeLimitMs: timeLimit ?? TIME_LIMIT_MS,
    summaryDefaults: {},
    keepsItemIds: declaresId(item),
    ...(maxJobs === undefined ? {} : { maxJobs }),
    backoff(attempt, error) {
      const asked = error.details?.retryAfterMs
      return typeof asked === 'number' ? asked : backoff?.(attempt)
    },
    fromItems: (given, items) => ({ input: given, items }),
    plan: (request) => planBatch(Request.parse(request), { item, input: input ?? null }),
    run: (job, engine) => runJob(definition, schemas, job, engine),
    batchTotals: (tallies) => ({ tallies }),
    merge: null,
  }
}

/** Schemas by the methods that are used of them, since theirs may be of another copy of zod. */
const isSchema = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && '_zod' in value && 'safeParse' in value

function checkDefinition(definition: OperationDefinition<string, z.ZodType, z.ZodType, z.ZodType>): void {
  const settings = Settings.safeParse(definition)
  const issue = settings.error?.issues[0]
  if (issue !== undefined) throw new TypeError(`defineOperation: ${issue.path.join('.')}: ${issue.message}.`)
  for (const field of ['item', 'result', 'input'] as const) {
    if (definition[field] === undefined && field !== 'item') continue
    if (!isSchema(definition[field])) throw new TypeError(`defineOperation: ${field}: expected a schema of zod 4.`)
  }
  if (typeof definition.run !== 'function') throw new TypeError('defineOperation: run: expected a function.')
}

/** Holds where an item's `id` is the operation's own field. */
const declaresId = (item: z.ZodType) =>
  'shape' in item && typeof item.shape === 'object' && item.shape !== null && 'id' in item.shape

const Request = z.object({ input: z.unknown(), items: z.array(z.unknown()) })

/**
 * Checks items as they were sent. Jobs are stored unchanged: defaults and transforms are applied when they run.
 * @throws MillraceError INVALID_REQUEST naming the field
 */
function planBatch(
  request: z.output<typeof Request>,
  { item, input }: { item: z.ZodType; input: z.ZodType | null },
): BatchPlan {
  if (input === null) {
    if (!isNothing(request.input)) throw invalidRequest('input', 'input: this operation takes none. Leave it out.')
  } else demand(input, request.input, ['input'])
  for (const [index, one] of request.items.entries()) demand(item, one, ['items', index])
  return { input: request.input ?? {}, facts: {}, jobs: request.items.map((one) => ({ input: one })) }
}

const isNothing = (input: unknown) =>
  input === undefined || input === null || (typeof input === 'object' && Object.keys(input).length === 0)

function demand(schema: z.ZodType, value: unknown, way: readonly (string | number)[]): void {
  const parsed = safeParse(schema, value)
  if (!parsed.success) throw refuseItem(['body', ...way], value, parsed.error)
}

async function runJob(
  definition: OperationDefinition<string, z.ZodType, z.ZodType, z.ZodType>,
  schemas: OperationSchemas,
  job: Attempt,
  engine: RunContext,
): Promise<RunResult | 'continue'> {
  const { name } = definition
  const run = new CustomRun(name, job, engine, readStored(name, schemas.input, job.batchInput, 'input'))
  const item = readStored(name, schemas.item, job.input, 'item')
  let returned: unknown
  try {
    returned = await definition.run(item, run.ctx)
  } catch (thrown) {
    if (thrown instanceof MillraceError || run.isOfEngine(thrown)) throw thrown
    // A run that was stopped ends with the reason, not with what it made of it.
    if (!engine.signal.aborted) run.ctx.log.warn({ err: thrown }, 'a run of an operation of your own failed')
    throw asFailure(thrown, engine.clock.now())
  }
  if (isContinued(returned)) return 'continue'
  const result = checkResult(name, schemas.result, returned)
  return { ...result, tallies: run.tallies, ...run.writes() }
}

/** @throws MillraceError where the schema is another than when the batch was made, and takes it no longer */
function readStored(name: string, schema: z.ZodType, stored: unknown, place: string): unknown {
  const parsed = safeParse(schema, stored)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = [place, ...(issue?.path ?? [])].join('.')
  throw new MillraceError(
    'OPERATION_FAILED',
    `"${name}" does not take what this batch was made with any more: ${field}: ${issue?.message}.`,
    { transient: false },
  )
}

/** Converts what an operation threw into the engine's error. The message is shown to callers, since the author of the operation wrote it. */
function asFailure(thrown: unknown, now: number): MillraceError {
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
  const retryAfterMs = pauseAskedBy(thrown, now)
  return new MillraceError('OPERATION_FAILED', message, {
    transient: !isNonRetryable(thrown),
    ...(retryAfterMs === null ? {} : { details: { retryAfterMs } }),
  })
}

/** @throws MillraceError where it is not as its schema says, or too large; another attempt would not be better */
function checkResult(name: string, schema: z.ZodType, returned: unknown): Pick<RunResult, 'result' | 'summary'> {
  const parsed = safeParse(schema, returned)
  const issue = parsed.error?.issues[0]
  if (issue !== undefined) {
    const field = ['result', ...issue.path].join('.')
    throw new MillraceError(
      'OPERATION_FAILED',
      `"${name}" returned something else than it declares: ${field}: ${issue.message}.`,
      {
        transient: false,
      },
    )
  }
  const result = parsed.data ?? null
  const json = asJson(name, result)
  const bytes = new TextEncoder().encode(json).byteLength
  if (bytes > MAX_RESULT_BYTES) {
    throw new MillraceError(
      'TOO_LARGE',
      `"${name}" returned ${bytes} bytes of JSON, and a result may have ${MAX_RESULT_BYTES}. Put what is large into ctx.blobs.`,
    )
  }
  return { result, summary: bytes <= MAX_REPORTED_BYTES ? { result } : {} }
}

function asJson(name: string, result: unknown): string {
  try {
    return JSON.stringify(result) ?? 'null'
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MillraceError('OPERATION_FAILED', `"${name}" returned what JSON cannot hold: ${reason}.`, {
      transient: false,
    })
  }
}
