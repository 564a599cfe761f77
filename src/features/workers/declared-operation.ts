/** Makes an operation of a declaration: items are validated here, and run by workers over HTTP. */
import { backoff } from '../../backoff.ts'
import { ATTEMPT_BACKOFF } from '../../engine/worker/attempt.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { Operation } from '../../operation.ts'
import { type CheckValue, compileSchema, type ValueFault } from './json-schema.ts'
import type { OperationDeclaration } from './schemas.ts'

const MAX_ATTEMPTS = 3
const TIME_LIMIT_SECONDS = 3_600

/** A declared operation, with the checks of its workers' calls. */
export interface WorkerOperation extends Operation {
  readonly queue: string
  readonly declaration: OperationDeclaration
  readonly checkResult: CheckValue
  /** Backoff before the next attempt, in milliseconds, by the number of attempts made. */
  readonly pauseMs: (attempt: number) => number
}

/** Fields of an item, a result or an input that are named in a path: `items.3.width`. */
export const fieldOf = (...steps: readonly (string | number)[]) => steps.join('.')

const NOTHING_WRONG: CheckValue = () => null

/** Compiles a copy: the library writes into schemas. */
function checkOf(schema: unknown): CheckValue {
  if (schema === undefined) return NOTHING_WRONG
  const copy: unknown = JSON.parse(JSON.stringify(schema))
  return typeof copy === 'boolean' || (typeof copy === 'object' && copy !== null) ? compileSchema(copy) : NOTHING_WRONG
}

/** Holds where an item's `id` is a field of the declared ones. */
function declaresId(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null || !('properties' in schema)) return false
  const { properties } = schema
  return typeof properties === 'object' && properties !== null && Object.hasOwn(properties, 'id')
}

function refuse(parent: string, { path, message }: ValueFault): MillraceError {
  const field = fieldOf(...parent.split('.'), ...path)
  return invalidRequest(field, `${field}: ${message}`)
}

/** Makes the operation. */
export function makeWorkerOperation(name: string, declaration: OperationDeclaration): WorkerOperation {
  const { concurrency, maxAttempts, timeLimitSeconds, maxJobs, description } = declaration
  const checkItem = checkOf(declaration.item)
  const checkInput = checkOf(declaration.input)
  const { firstSeconds, maxSeconds } = declaration.backoff ?? {}
  const bounds =
    firstSeconds === undefined
      ? ATTEMPT_BACKOFF
      : { firstMs: firstSeconds * 1_000, ...(maxSeconds === undefined ? {} : { mostMs: maxSeconds * 1_000 }) }
  return {
    name,
    queue: name,
    declaration,
    description,
    concurrency: concurrency ?? null,
    maxAttempts: maxAttempts ?? MAX_ATTEMPTS,
    timeLimitMs: (timeLimitSeconds ?? TIME_LIMIT_SECONDS) * 1_000,
    summaryDefaults: {},
    keepsItemIds: declaresId(declaration.item),
    ...(maxJobs === undefined ? {} : { maxJobs }),
    jsonSchemas: { item: declaration.item, result: declaration.result, input: declaration.input },
    fromItems: (input, items) => ({ input, items }),
    plan(request) {
      const { input, items } = Object(request)
      const wrong = checkInput(input ?? {})
      if (wrong !== null) throw refuse('input', wrong)
      const given: readonly unknown[] = Array.isArray(items) ? items : []
      for (const [index, item] of given.entries()) {
        const fault = checkItem(item)
        if (fault !== null) throw refuse(`items.${index}`, fault)
      }
      return { input: input ?? {}, facts: {}, jobs: given.map((item) => ({ input: item })) }
    },
    run: () => Promise.reject(new MillraceError('UNKNOWN', `Jobs of "${name}" are run by workers over HTTP.`)),
    batchTotals: (tallies) => ({ tallies }),
    merge: null,
    checkResult: checkOf(declaration.result),
    pauseMs: (attempt) => Math.min(backoff(attempt, bounds), MAX_PAUSE_MS),
  }
}

const MAX_PAUSE_MS = 24 * 60 * 60 * 1_000
