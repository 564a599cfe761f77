/**
 * Limits the JSON Schemas that callers declare, for validation runs caller-chosen work on the thread that serves all requests. So only
 * listed keywords are taken, references lead to `$defs` without cycles, and a pattern takes time linear in the length of the text.
 */
import { describeUnknown } from '../../http/request/unknown-names.ts'

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = [
  'items',
  'additionalProperties',
  'additionalItems',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
]
const SOME = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const NAMED = ['properties', 'dependentSchemas', '$defs']
const PLAIN = [
  ...['type', 'enum', 'const', 'required', 'dependentRequired', 'format', 'pattern', '$ref', 'minLength', 'maxLength'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minItems', 'maxItems'],
  ...['minContains', 'maxContains', 'minProperties', 'maxProperties'],
]
const WORDS = [
  '$schema',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$comment',
]
const KEYWORDS: readonly string[] = [...ONE, ...SOME, ...NAMED, ...PLAIN, ...WORDS]
const TYPES: readonly unknown[] = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

/** Most subschemas of a schema, with references expanded: they bound the work of a validation. */
const MAX_SCHEMAS = 2_000
const MAX_PATTERN = 500
/** Most ways in which a pattern may match a text, apart from its length. */
const MAX_WAYS = 100_000

/** Fault of a schema. */
export interface SchemaFault {
  readonly path: readonly string[]
  readonly message: string
}

/** Finds the first fault of a JSON Schema: invalid, or beyond the limits. @returns null where there is none */
export function findSchemaFault(schema: unknown): SchemaFault | null {
  try {
    new Walk(schema).schema(schema, [], [])
    return null
  } catch (fault) {
    if (fault instanceof Fault) return { path: fault.path, message: fault.message }
    throw fault
  }
}

class Fault extends Error {
  readonly path: readonly string[]
  constructor(path: readonly string[], message: string) {
    super(message)
    this.path = path
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Walk {
  readonly #root: unknown
  #seen = 0

  constructor(root: unknown) {
    this.#root = root
  }

  /** @param refs references that were followed to get here */
  schema(schema: unknown, path: readonly string[], refs: readonly string[]): void {
    if (typeof schema === 'boolean') return
    if (!isObject(schema)) throw new Fault(path, 'Expected a JSON Schema: an object, true or false.')
    if (++this.#seen > MAX_SCHEMAS) {
      throw new Fault(
        path,
        `Expected a schema of at most ${MAX_SCHEMAS.toLocaleString('en')} parts, references followed.`,
      )
    }
    for (const [keyword, value] of Object.entries(schema)) {
      const at = [...path, keyword]
      if (keyword.startsWith('x-')) continue
      if (!KEYWORDS.includes(keyword)) throw new Fault(at, describeUnknown(keyword, KEYWORDS))
      if (ONE.includes(keyword)) this.schema(value, at, refs)
      else if (SOME.includes(keyword)) this.#list(value, at, refs)
      else if (NAMED.includes(keyword)) this.#named(value, at, refs)
      else this.#plain(keyword, value, at, refs)
    }
  }

  #list(value: unknown, at: readonly string[], refs: readonly string[]): void {
    if (!Array.isArray(value)) throw new Fault(at, 'Expected a list of schemas.')
    for (const [index, one] of value.entries()) this.schema(one, [...at, String(index)], refs)
  }

  #named(value: unknown, at: readonly string[], refs: readonly string[]): void {
    if (!isObject(value)) throw new Fault(at, 'Expected schemas by name.')
    for (const [name, one] of Object.entries(value)) this.schema(one, [...at, name], refs)
  }

  #plain(keyword: string, value: unknown, at: readonly string[], refs: readonly string[]): void {
    if (keyword === '$ref') this.#reference(value, at, refs)
    else if (keyword === 'pattern') demandPattern(value, at)
    else if (keyword === 'type') {
      const types = Array.isArray(value) ? value : [value]
      if (types.length === 0 || !types.every((type) => TYPES.includes(type))) {
        throw new Fault(at, `Expected one or some of: ${TYPES.join(', ')}.`)
      }
    } else if (keyword === 'required') {
      const names = Array.isArray(value) && value.every((name) => typeof name === 'string')
      if (!names) throw new Fault(at, 'Expected a list of names.')
    } else if (keyword === 'enum') {
      if (!Array.isArray(value)) throw new Fault(at, 'Expected a list of values.')
    } else if (/^(min|max|exclusive|multiple)/.test(keyword) && typeof value !== 'number') {
      throw new Fault(at, 'Expected a number.')
    }
  }

  #reference(value: unknown, at: readonly string[], refs: readonly string[]): void {
    const name = typeof value === 'string' ? /^#\/\$defs\/([\w.-]+)$/.exec(value)?.[1] : undefined
    const defs = isObject(this.#root) ? this.#root.$defs : undefined
    if (name === undefined || !isObject(defs) || !Object.hasOwn(defs, name)) {
      throw new Fault(at, 'Expected a reference such as "#/$defs/point" to a schema under "$defs".')
    }
    if (refs.includes(name)) throw new Fault(at, 'Expected references that lead in no circle.')
    this.schema(defs[name], at, [...refs, name])
  }
}

function demandPattern(value: unknown, at: readonly string[]): void {
  if (typeof value !== 'string' || value.length > MAX_PATTERN) {
    throw new Fault(at, `Expected a regular expression of at most ${MAX_PATTERN} characters.`)
  }
  try {
    new RegExp(value, 'u')
  } catch {
    throw new Fault(at, 'Expected a regular expression of JavaScript, as with the flag u.')
  }
  if (waysOf(value) > MAX_WAYS) {
    throw new Fault(
      at,
      'Expected a pattern that begins with "^", has at most one "*", "+" or "{n,}", repeats no group and refers to none. Bound the others: "{0,64}".',
    )
  }
}

/** A class, an escape, a group's bounds, a repetition, the choice, or any other character. */
const TOKEN =
  /\[(?:\\.|[^\]\\])*\]|\\[pPu]\{[^}]*\}|\\k<[^>]*>|\\.|\(\?(?:[:=!]|<[=!]|<[^>]*>)?|[()]|[*+?]|\{(\d+)(,?)(\d*)\}|\||[\s\S]/gu

/** Counts the ways in which a pattern may match a text, apart from its length; infinite where they grow faster than linearly. */
function waysOf(pattern: string): number {
  if (!pattern.startsWith('^')) return Number.POSITIVE_INFINITY
  let ways = 1
  let unbounded = 0
  let last = ''
  for (const { 0: token, 1: least, 2: comma, 3: most } of pattern.matchAll(TOKEN)) {
    const repeats = /^[*+]$/.test(token) || (least !== undefined && comma === ',' && most === '')
    const isRepetition = repeats || token === '?' || least !== undefined
    // A question mark behind a repetition makes it lazy, which adds no ways.
    if (isRepetition && last === ')' && token !== '?') return Number.POSITIVE_INFINITY
    if (/^\\(?:[1-9]|k)/.test(token) || /^\(\?(?:[=!]|<[=!])/.test(token)) return Number.POSITIVE_INFINITY
    if (repeats) unbounded++
    else if (token === '?' || token === '|') ways *= 2
    else if (least !== undefined && comma === ',') ways *= Number(most) - Number(least) + 1
    last = token
  }
  // Behind the anchor a new alternative may begin.
  if (unbounded > 1 || (unbounded > 0 && /\|/.test(pattern) && !/^\^\(/.test(pattern))) return Number.POSITIVE_INFINITY
  return ways
}
