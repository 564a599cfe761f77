/**
 * Describes errors for a log: message, stack, causes and a few facts, without what a failed statement was to store. Other properties of
 * an error (drizzle's `params`, a driver's `args`) are left out, because a library may put anything there.
 */
import { withoutStatementValues } from './statement-text.ts'

/** Facts that errors of Node, of the database drivers and of Millrace carry; none of them is a value of a statement. */
const FACTS = [
  'code',
  'rawCode',
  'extendedCode',
  'errno',
  'syscall',
  'hostname',
  'address',
  'port',
  'path',
  'dest',
  'status',
  'statusCode',
  'signal',
  'exitCode',
  'reason',
  'retryable',
  'overloaded',
  'remote',
  'statementIndex',
  'details',
]
/** Names under which errors of database libraries keep the values of a statement. */
const PARAMETERS = ['params', 'parameters', 'args', 'arguments', 'bindings', 'binds', 'values', 'bound', 'inputs']
/** Shorter values occur in any text, and taking them out would leave nothing to read. */
const MIN_VALUE_CHARACTERS = 4
/** Levels of nested objects and of errors within errors; and errors of one AggregateError. */
const MAX_DEPTH = 8
const MAX_ERRORS = 20
/** Values of one statement that are looked for in other texts of its error. */
const MAX_VALUES = 1_000

/** An error as it is written, with the members of pino's own serializer. */
export type ErrorDescription = Readonly<Record<string, unknown>>

/** Describes an error with its causes and, of an AggregateError, the errors it holds. Never throws for a circle of causes. */
export function describeError(error: Error): ErrorDescription {
  return describe(error, 0)
}

/** Describes all errors among the fields of a log entry, at any depth; other values stay what they are. */
export function describeErrors(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, describeWithin(value, 0)]))
}

function describeWithin(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describe(value, depth)
  if (depth >= MAX_DEPTH || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => describeWithin(one, depth + 1))
  // An object that serializes itself (a Date, a URL) is not described field by field.
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, describeWithin(inner, depth + 1)]))
}

function describe(error: Error, depth: number): ErrorDescription {
  const chain = [...causesOf(error)]
  const clean = cleanerOf(chain)
  const last = chain.at(-1)?.cause
  // A cause may be any value that was thrown; one that is not an error has only its text.
  const tail = last === undefined || last instanceof Error ? [] : [clean(textOf(last))]
  const errors = depth < MAX_DEPTH ? chain.flatMap(errorsOf).slice(0, MAX_ERRORS) : []
  return {
    type: error.name,
    message: [...chain.map(({ message }) => clean(message)), ...tail].join(': '),
    stack: [...chain.map((one) => stackOf(one, clean)), ...tail].join('\ncaused by: '),
    ...factsOf(error, clean),
    ...(errors.length === 0 ? {} : { aggregateErrors: errors.map((one) => describeHeld(one, clean, depth + 1)) }),
  }
}

/** An AggregateError may hold anything that was thrown. */
function describeHeld(held: unknown, clean: (text: string) => string, depth: number): unknown {
  return held instanceof Error ? cleaned(describe(held, depth), clean) : clean(textOf(held))
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function errorsOf(error: Error): unknown[] {
  return 'errors' in error && Array.isArray(error.errors) ? error.errors : []
}

function* causesOf(error: unknown): Generator<Error> {
  const seen = new Set<unknown>()
  for (let at = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at)
    yield at
  }
}

/** Returns the stack with its copy of the message cleaned; the stack has the message as it was when the error was made. */
function stackOf(error: Error, clean: (text: string) => string): string {
  const { stack, message } = error
  if (typeof stack !== 'string') return clean(message)
  const at = message === '' ? -1 : stack.indexOf(message)
  return at < 0 ? clean(stack) : clean(stack.slice(0, at)) + clean(message) + clean(stack.slice(at + message.length))
}

function factsOf(error: Error, clean: (text: string) => string): Record<string, unknown> {
  const own = FACTS.filter((name) => Object.hasOwn(error, name)).map((name) => [name, Reflect.get(error, name)])
  return Object.fromEntries(own.map(([name, value]) => [name, cleaned(value, clean)]))
}

function cleaned<T>(value: T, clean: (text: string) => string): T | unknown {
  if (typeof value === 'string') return clean(value)
  if (Array.isArray(value)) return value.map((one) => cleaned(one, clean))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cleaned(inner, clean)]))
}

/** Makes what takes the values of these errors' statements out of text: a cause or a wrapper may repeat them. */
function cleanerOf(chain: readonly Error[]): (text: string) => string {
  const values = [...new Set(chain.flatMap(valuesOf))].toSorted((a, b) => b.length - a.length)
  return (text) => values.reduce((rest, value) => rest.replaceAll(value, '…'), withoutStatementValues(text))
}

function valuesOf(error: Error): string[] {
  const lists = PARAMETERS.filter((name) => Object.hasOwn(error, name)).map((name) => Reflect.get(error, name))
  return lists
    .flatMap((list: unknown) => (typeof list === 'object' && list !== null ? Object.values(list) : []))
    .filter((value: unknown) => typeof value === 'string' && value.length >= MIN_VALUE_CHARACTERS)
    .slice(0, MAX_VALUES)
    .map(String)
}
