/** Refusals of what a schema does not take, in the two ways that surfaces have: the first wrong field, or a list of all. */
import type * as z from 'zod'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { FieldIssue } from './fields.ts'

/** Source of a value in a request, as FastAPI calls it. */
export type Place = 'body' | 'query' | 'path' | 'form'

/**
 * Makes the error for a value that a schema does not take.
 * @param at where the value came from, and the way to it there
 */
export type Refuse = (at: readonly [Place, ...(string | number)[]], value: unknown, error: z.ZodError) => MillraceError

/** One thing that is wrong. */
interface Fault {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly type: string
  /** Nothing stands there. */
  readonly isAbsent: boolean
}

/** Issues that an answer lists. */
const MAX_ISSUES = 100
/** Unknown fields that a sentence names, and characters that it says of one thing that is wrong: both may be as long as the body. */
const MAX_KEYS = 20
const MAX_MESSAGE = 1_000

/** JSON types as FastAPI's validation names them. */
const TYPES: Readonly<Record<string, string>> = { array: 'list', boolean: 'bool', object: 'dict', record: 'dict' }

/**
 * Makes INVALID_REQUEST (400) with a sentence about the first fault, by its path in JavaScript notation (`chunks[0].text`). A message that begins
 * with a small letter continues the path as one sentence.
 */
export const refuseInSentence: Refuse = ([, ...way], value, error) => {
  const first = leadingFault(faultsOf(value, error))
  if (first === undefined) return new MillraceError('INVALID_REQUEST', 'The request is not as it should be.')
  const place = [...way, ...first.path].map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  const field = shorten(place.replace(/^\./, ''))
  const joint = field === '' ? '' : /^[a-z]/.test(first.message) ? ' ' : ': '
  return invalidRequest(field, shorten(`${field}${joint}${first.message}`))
}

/** INVALID_REQUEST (400) that says what is wrong first, by the name of its field; of unknown fields each. */
export const refuseFirst: Refuse = ([, ...way], value, error) => {
  const faults = faultsOf(value, error)
  const first = leadingFault(faults)
  if (first === undefined) return new MillraceError('INVALID_REQUEST', 'The request is not as it should be.')
  const named = first.type === UNKNOWN ? faults.filter(({ type }) => type === UNKNOWN).slice(0, MAX_KEYS) : [first]
  const sentence = ({ path, message }: Fault) => {
    const field = fieldOf([...way, ...path])
    return field === '' ? message : `${field}: ${message}`
  }
  return invalidRequest(fieldOf([...way, ...first.path]), shorten(named.map(sentence).join(' ')))
}

/** As {@link refuseFirst}, in a sentence with its period, so that others may follow it. */
export const refuseItem: Refuse = (at, value, error) => {
  const { message, details } = refuseFirst(at, value, error)
  return new MillraceError('INVALID_REQUEST', message.replace(/([^.?])$/, '$1.'), { details: { ...details } })
}

/** UNPROCESSABLE (422) that lists `{loc, msg, type}` of each wrong field, as FastAPI's clients know it. */
export const refuseAll: Refuse = (at, value, error) => {
  const issues = faultsOf(value, error)
    .slice(0, MAX_ISSUES)
    .map(
      ({ path, message, type }): FieldIssue => ({
        loc: [...at, ...path],
        msg: type === MISSING ? REQUIRED : message,
        type,
      }),
    )
  return new MillraceError('UNPROCESSABLE', issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '), {
    details: { issues },
  })
}

const UNKNOWN = 'extra_forbidden'
const MISSING = 'missing'
const REQUIRED = 'Field required'

const fieldOf = (path: readonly (string | number)[]) => shorten(path.join('.'))

const shorten = (text: string) => (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE).toWellFormed()}…`)

function faultsOf(value: unknown, error: z.ZodError): Fault[] {
  return error.issues.flatMap((issue): Fault[] => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    if (issue.code === 'unrecognized_keys') {
      const lines = issue.message.split('\n')
      return issue.keys.map((key, place) => ({
        path: [...path, shorten(key)],
        message: lines[place] ?? issue.message,
        type: UNKNOWN,
        isAbsent: false,
      }))
    }
    const found = at(value, issue.path)
    if (issue.code === 'invalid_type' && found === undefined) {
      // A schema's own words say what is expected; zod's say no more than this.
      return [
        {
          path,
          message: issue.message.startsWith('Invalid input') ? REQUIRED : issue.message,
          type: MISSING,
          isAbsent: true,
        },
      ]
    }
    return [{ path, message: issue.message, type: typeOf(issue), isAbsent: found === undefined }]
  })
}

/** Returns the fault to report where only one is: the first. For a field that is missing because its name is misspelt, the fault of that name. */
function leadingFault(faults: readonly Fault[]): Fault | undefined {
  const [first] = faults
  if (first?.isAbsent !== true) return first
  const isMisspelt = ({ path, message, type }: Fault) =>
    type === UNKNOWN &&
    message.includes(`"${first.path.at(-1)}"`) &&
    fieldOf(path.slice(0, -1)) === fieldOf(first.path.slice(0, -1))
  return faults.find(isMisspelt) ?? first
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
