/** Reading bodies and query strings for surfaces that list every wrong field (status 422), as FastAPI's clients know it. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'
import { demandJson } from './body.ts'
import { type FieldIssue, safeParse } from './fields.ts'
import { type JsonBody, readJsonBody } from './json-body.ts'

/** Issues that an answer lists. */
const MAX_ISSUES = 100

/** JSON types as FastAPI's validation names them. */
const TYPES: Readonly<Record<string, string>> = { array: 'list', boolean: 'bool', object: 'dict', record: 'dict' }

/**
 * Reads a body as JSON, for a route that checks it itself: of an array that is a member of it, it is given no more than some 100,000 elements.
 * @throws MillraceError INVALID_REQUEST when it is no JSON, UNSUPPORTED_MEDIA_TYPE when it is sent as something else
 */
export async function readBody(c: Context<Env>): Promise<unknown> {
  return (await readWhole(c)).value
}

async function readWhole(c: Context<Env>): Promise<JsonBody> {
  demandJson(c)
  try {
    return await readJsonBody(c)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new MillraceError('INVALID_REQUEST', `The request body is not valid JSON: ${error.message}`)
  }
}

/**
 * Reads a JSON body.
 * @throws MillraceError INVALID_REQUEST when it is no JSON, UNSUPPORTED_MEDIA_TYPE, UNPROCESSABLE listing `{loc, msg, type}` of each wrong field
 */
export async function readFields<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  const { value, demandWhole } = await readWhole(c)
  const fields = checkFields('body', value, schema)
  demandWhole()
  return fields
}

/** Items of a long list that are checked between two turns of everything else. */
const TURN_ITEMS = 500

/**
 * Reads a JSON body one of whose members is a long list, checking the items some at a time, up to the first of these that holds a wrong one.
 * @param frame schema of the body that takes any items
 * @param name of that member
 * @returns the body, and its items checked
 * @throws MillraceError as {@link readFields} does
 */
export async function readLongList<N extends string, T extends Readonly<Record<N, readonly unknown[]>>, I>(
  c: Context<Env>,
  frame: z.ZodType<T>,
  name: N,
  item: z.ZodType<I>,
): Promise<{ body: T; items: I[] }> {
  const body = await readFields(c, frame)
  const values = body[name]
  const items: I[] = []
  for (let first = 0; first < values.length; first += TURN_ITEMS) {
    await yieldToEventLoop()
    for (const [place, value] of values.slice(first, first + TURN_ITEMS).entries()) {
      const parsed = safeParse(item, value)
      if (!parsed.success) throw unprocessable(['body', name, first + place], value, parsed.error)
      items.push(parsed.data)
    }
  }
  return { body, items }
}

/**
 * Checks a value that came in `place` (`body`, `query`).
 * @throws MillraceError UNPROCESSABLE
 */
export function checkFields<T>(place: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = safeParse(schema, value)
  if (parsed.success) return parsed.data
  throw unprocessable([place], value, parsed.error)
}

/** Makes the error that lists what is wrong with the value at `path`. */
function unprocessable(path: readonly (string | number)[], value: unknown, error: z.ZodError): MillraceError {
  const issues = error.issues.slice(0, MAX_ISSUES).map((issue): FieldIssue => {
    const loc = [...path, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
    if (issue.code === 'invalid_type' && at(value, issue.path) === undefined) {
      return { loc, msg: 'Field required', type: 'missing' }
    }
    return { loc, msg: issue.message, type: typeOf(issue) }
  })
  return new MillraceError('UNPROCESSABLE', issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '), {
    details: { issues },
  })
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = Object.getOwnPropertyDescriptor(here, step)?.value
  }
  return here
}

function typeOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${TYPES[issue.expected] ?? issue.expected}_type`
    case 'too_big':
      return issue.origin === 'array' || issue.origin === 'string' ? 'too_long' : 'less_than_equal'
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string' ? 'too_short' : 'greater_than_equal'
    case 'invalid_format':
      return 'string_pattern_mismatch'
    case 'invalid_value':
      return 'enum'
    default:
      return 'value_error'
  }
}
