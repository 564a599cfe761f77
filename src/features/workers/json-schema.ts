/** Validation by JSON Schema (2020-12), without eval: for what callers declare, on both runtimes. */
import { type OutputUnit, type Schema, Validator } from '@cfworker/json-schema'
import { holdsLossless } from '../../lossless-json.ts'

/** Fault of a value, and its path. */
export interface ValueFault {
  readonly path: readonly string[]
  readonly message: string
}

/** Validates a value. @returns null where it is valid */
export type CheckValue = (value: unknown) => ValueFault | null

/** Keywords that only say that something below them is wrong. */
const WRAPPERS: ReadonlySet<string> = new Set([
  ...[
    'properties',
    'items',
    'prefixItems',
    '$ref',
    'allOf',
    'then',
    'else',
    'if',
    'additionalItems',
    'dependentSchemas',
  ],
])

/** Texts of values that are put into messages. */
const MAX_SHOWN = 500

/**
 * Makes a check of a schema that `findSchemaFault` found nothing wrong with.
 * @example
 * compileSchema({ properties: { width: { type: 'integer' } } })({ width: 'x' })
 * // { path: ['width'], message: 'Instance type "string" is invalid. Expected "integer".' }
 */
export function compileSchema(schema: Schema | boolean): CheckValue {
  const validator = new Validator(schema, '2020-12', true)
  return (value) => {
    const { valid, errors } = validator.validate(holdsLossless(value) ? asDoubles(value) : value)
    return valid ? null : faultOf(errors)
  }
}

/** Numbers that a double does not hold, as the nearest double. */
const asDoubles = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

function faultOf(errors: readonly OutputUnit[]): ValueFault {
  const error = errors.find(({ keyword }) => !WRAPPERS.has(keyword)) ?? errors[0]
  if (error === undefined) return { path: [], message: 'Not as its schema says.' }
  const path = error.instanceLocation
    .split('/')
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'))
  const named = /"(.*)"/s.exec(error.error)?.[1] ?? ''
  if (error.keyword === 'required') return { path: [...path, named], message: 'Field required.' }
  if (error.keyword === 'additionalProperties') return { path: [...path, named], message: 'Not known here.' }
  return { path, message: wordsOf(error) }
}

/** The sentences of the library speak of instances; ours of what is expected. */
function wordsOf({ keyword, error }: OutputUnit): string {
  const text = error.length > MAX_SHOWN ? `${error.slice(0, MAX_SHOWN).toWellFormed()} …` : error
  const types = /^Instance type "(.*)" is invalid\. Expected "(.*)"\.$/s.exec(text)
  if (keyword === 'type' && types !== null) return `Expected ${types[2]?.replaceAll('", "', ' or ')}, not ${types[1]}.`
  if (keyword === 'false') return 'Expected nothing here.'
  return text.replace(/^Instance does not match/, 'This does not match')
}
