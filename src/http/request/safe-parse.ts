/** Checks values from outside against a schema. Fields that are numbers take doubles; what a schema passes on as it is keeps its numbers. */
import * as z from 'zod'
import { holdsLossless, LosslessNumber, markLossless } from '../../lossless-json.ts'
import { wordUnknownKeys } from './unknown-names.ts'

const TOO_LARGE_A_NUMBER = 'Input should be no more than a double holds, not a number beyond ±1.8e308'

/**
 * `schema.safeParse(value)` for a value that was read from JSON. A `LosslessNumber` is a number to the schema, never an object, and stays what
 * it is where the schema takes anything. Of unknown keys it says which were meant.
 */
export function safeParse<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  const parsed = attempt(schema, value)
  // Containers that were put together from parsed values are not known to hold any.
  const isPlain = parsed.success || stepsToLossless(value, parsed.error).length === 0
  if (isPlain && !holdsLossless(value)) return parsed
  const withDoubles = attempt(schema, replace(value, null))
  return withDoubles.success ? keepLossless(schema, value) : withDoubles
}

/**
 * Likewise for a value that was checked before, such as the input of a job.
 * @throws ZodError
 */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = safeParse(schema, value)
  if (!parsed.success) throw parsed.error
  return parsed.data
}

/** Words for a number that no double holds; undefined, which leaves the schema its own, for anything else. */
const sayTooLarge = ({ input }: { readonly input?: unknown }) =>
  input === Infinity || input === -Infinity ? TOO_LARGE_A_NUMBER : undefined

/** Parses a value with doubles only where the schema takes nothing else. */
function keepLossless<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  let current = value
  for (;;) {
    const parsed = attempt(schema, current)
    if (parsed.success) return parsed
    const steps = stepsToLossless(current, parsed.error)
    // A schema that looks at more than the value of a field: it takes none of these numbers as they are, and another would be a change.
    if (steps.length === 0) return parsed
    current = replace(current, steps)
  }
}

/** By itself zod (4.6) looks at the `length` of what should be a text or a list even where it is neither, and throws where it can't be compared. */
function attempt<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  try {
    return schema.safeParse(value, { error: (issue) => sayTooLarge(issue) ?? wordUnknownKeys(issue) })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return z.custom<T>(() => false, 'Input holds an object with a length that is none').safeParse(value)
  }
}

/** Steps to values; null stands for any element of an array. */
type Steps = readonly (string | null)[]

/**
 * Lists the ways to those of the faults that are a `LosslessNumber`, or are looked for in one as in an object; any element of an array is as
 * any other. Not where a check of its own (`refine`) refuses the number, such as for its length: its double might pass, as another value.
 */
function stepsToLossless(value: unknown, { issues }: z.ZodError): Steps[] {
  const ways = new Map<string, Steps>()
  for (const { path, code } of issues) {
    const length = code === 'custom' ? null : stepsUntilLossless(value, path)
    if (length === null) continue
    const steps = path.slice(0, length).map((step) => (typeof step === 'number' ? null : String(step)))
    ways.set(JSON.stringify(steps), steps)
  }
  return [...ways.values()]
}

/** Counts the steps of a path that lead to a `LosslessNumber`; null where it meets none. */
function stepsUntilLossless(value: unknown, path: readonly PropertyKey[]): number | null {
  let here = value
  for (const [steps, step] of path.entries()) {
    if (here instanceof LosslessNumber) return steps
    if (typeof here !== 'object' || here === null) return null
    here = Object.getOwnPropertyDescriptor(here, step)?.value
  }
  return here instanceof LosslessNumber ? path.length : null
}

/**
 * Copies a value and replaces each `LosslessNumber` at one of the paths by a double.
 * @param ways the paths; null for all
 */
function replace(value: unknown, ways: readonly Steps[] | null): unknown {
  if (value instanceof LosslessNumber) {
    return ways === null || ways.some(({ length }) => length === 0) ? Number(value) : value
  }
  if (typeof value !== 'object' || value === null || ways?.length === 0) return value
  if (Array.isArray(value)) return replaceElements(value, onward(ways, null))
  let copy: object | null = null
  for (const [name, inner] of Object.entries(value)) {
    const replaced = replace(inner, onward(ways, name))
    if (replaced === inner) continue
    // Spread, which defines each member: an assignment to one named __proto__ would be none.
    copy ??= { ...value }
    Object.defineProperty(copy, name, { value: replaced, writable: true, enumerable: true, configurable: true })
  }
  return marked(copy) ?? value
}

function replaceElements(values: readonly unknown[], ways: readonly Steps[] | null): readonly unknown[] {
  let copy: unknown[] | null = null
  for (let place = 0; place < values.length; place++) {
    const replaced = replace(values[place], ways)
    if (replaced === values[place]) continue
    copy ??= [...values]
    copy[place] = replaced
  }
  return marked(copy) ?? values
}

/** The ways that begin with a step, without it. */
function onward(ways: readonly Steps[] | null, step: string | null): readonly Steps[] | null {
  return ways?.filter(([first]) => first === step).map(([, ...rest]) => rest) ?? null
}

/** A copy may still hold some. */
function marked<T extends object>(copy: T | null): T | null {
  if (copy !== null) markLossless(copy)
  return copy
}
