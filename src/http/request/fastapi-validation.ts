/** Reading bodies and query strings for surfaces that list every wrong field (status 422), as FastAPI's clients know it. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'
import { demandJson } from './body.ts'
import { type FieldIssue, safeParse } from './fields.ts'
import { parseJson } from './json.ts'

/** Issues that an answer lists. */
const MOST_ISSUES = 100

/** JSON types as FastAPI's validation names them. */
const TYPES: Readonly<Record<string, string>> = { array: 'list', boolean: 'bool', object: 'dict', record: 'dict' }

/**
 * Reads a body as JSON.
 * @throws MillraceError INVALID_REQUEST when it is no JSON, UNSUPPORTED_MEDIA_TYPE when it is sent as something else
 */
export async function readBody(c: Context<Env>): Promise<unknown> {
  demandJson(c)
  try {
    return parseJson(await c.req.text())
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
  return checkFields('body', await readBody(c), schema)
}

/**
 * Checks a value that came in `place` (`body`, `query`).
 * @throws MillraceError UNPROCESSABLE
 */
export function checkFields<T>(place: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = safeParse(schema, value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, MOST_ISSUES).map((issue): FieldIssue => {
    const loc = [place, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
    if (issue.code === 'invalid_type' && at(value, issue.path) === undefined) {
      return { loc, msg: 'Field required', type: 'missing' }
    }
    return { loc, msg: issue.message, type: typeOf(issue) }
  })
  throw new MillraceError('UNPROCESSABLE', issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '), {
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
