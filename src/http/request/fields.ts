/** Pieces that the requests of several surfaces are made of. */
import * as z from 'zod'
import { safeParse } from './safe-parse.ts'

/** Segments that every client resolves before it sends a path (RFC 3986, section 5.2.4), so that no path can name what has such an id. */
const DOT_SEGMENTS: ReadonlySet<string> = new Set(['.', '..'])
const isNameable = (id: string) => !DOT_SEGMENTS.has(id)
const ID_SHAPE = '1 to 128 letters, digits or any of . _ : -'
const NO_DOTS = 'something else than "." or "..", because no path can name those'

/**
 * An id that a caller makes, or that we made: 1 to 128 of letters, digits and `._:-`. Never checked as a UUID.
 * @param words said of anything else, about what it should be; default: `Input should be …`
 */
export const callersId = (words = (wanted: string) => `Input should be ${wanted}`) =>
  z
    .string(words(ID_SHAPE))
    .regex(/^[A-Za-z0-9._:-]{1,128}$/, words(ID_SHAPE))
    .refine(isNameable, words(NO_DOTS))

/** Such an id, in the words of most surfaces. */
export const Id = callersId()

/** An id that the caller may choose more freely: any text of 1 to 128 characters without control characters. */
export const FreeId = z
  .string('expected text')
  .regex(/^[^\p{Cc}\p{Cs}]{1,128}$/u, 'expected text of 1 to 128 characters, without control characters')
  .refine(isNameable, `expected ${NO_DOTS}`)

/** A field that may be left out; `null` means that it was. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** A field with a value of its own where it is left out or null. */
export function withDefault<T extends z.ZodType, D>(schema: T, fallback: D) {
  return schema
    .nullish()
    .transform((value) => value ?? fallback)
    .meta({ fallback })
}

/** Text that can be stored and given back as it came: no NUL, no half of a surrogate pair. */
export function text(bounds: { min?: number; max: number }) {
  const { min = 0, max } = bounds
  return z
    .string('Input should be text')
    .min(min, `Input should have at least ${min} characters`)
    .max(max, `Input should have at most ${max} characters`)
    .refine((value) => value.isWellFormed() && !value.includes('\0'), 'Input should be valid text without NUL')
}

/** A point in time: parses ISO 8601 with a zone into milliseconds since the epoch. */
export const Instant = z.iso
  .datetime({ offset: true, error: 'Input should be a time such as 2026-02-16T20:00:00Z' })
  .transform((value) => Date.parse(value))
  .refine((ms) => ms > 0, 'Input should be a time after 1970')

/**
 * A whole number in a query string, where everything is text: digits and nothing else.
 * @param said of anything else; default: `Expected a whole number from … to ….`
 */
export function wholeNumber({ min, max }: { min: number; max: number }, said?: string) {
  const expected = said ?? `Expected a whole number from ${min} to ${max}.`
  return z
    .string(expected)
    .regex(/^\d{1,15}$/, expected)
    .transform(Number)
    .pipe(z.int().min(min, expected).max(max, expected))
    .meta({ sent: { type: 'integer', minimum: min, maximum: max } })
}

/** Size of a page of a list, in its query string. */
export const PageLimit = wholeNumber({ min: 1, max: 1_000 }).optional().describe('At most 1,000.')

/** Wrong items of a list that are named; the rest of it is not looked at then. */
const MAX_FAULTS = 100

/**
 * A list whose length is checked before its items, so that a far too long one costs nothing, and whose items are checked only until a maximum
 * number of faults is found.
 * @param words.min items that it has at least; default: none
 * @param words.tooLong said of one that is longer than `max`; default: `List should have at most … items`
 * @param words.notAList said of what is none; default: zod's own words
 * @param words.cut cuts a list that is longer after `max + 1` items in place of refusing it, for a route that refuses it in words of its own
 */
export function list<T extends z.ZodType>(
  item: T,
  max: number,
  words: { readonly min?: number; readonly tooLong?: string; readonly notAList?: string; readonly cut?: boolean } = {},
) {
  const message = words.tooLong ?? `List should have at most ${max} items`
  const bounded = z.preprocess(
    (value, ctx) => {
      if (!Array.isArray(value)) return value
      if (value.length > max && words.cut === true) return upToFaults(item, value.slice(0, max + 1))
      if (value.length > max) {
        ctx.addIssue({ code: 'too_big', origin: 'array', maximum: max, inclusive: true, input: value, message })
        return z.NEVER
      }
      return upToFaults(item, value)
    },
    z.array(item, words.notAList).min(words.min ?? 0, `List should have at least ${words.min ?? 0} item`),
  )
  return bounded.meta({ maxItems: max })
}

/** The items up to the last fault that is named. Short lists are left to the schema alone. */
function upToFaults(item: z.ZodType, values: readonly unknown[]): readonly unknown[] {
  if (values.length <= MAX_FAULTS || item instanceof z.ZodUnknown) return values
  let faults = 0
  for (const [place, value] of values.entries()) {
    if (!safeParse(item, value).success && ++faults === MAX_FAULTS) return values.slice(0, place + 1)
  }
  return values
}

/**
 * Words of a strict object for a value that is no object, or is missing. Its unknown keys keep the words that name each of them.
 * @example z.strictObject({ id: Id }, notAnObject('Must be an object with an id'))
 */
export const notAnObject = (words: string) => ({
  error: ({ code }: { readonly code?: string }) => (code === 'invalid_type' ? words : undefined),
})

/** One thing that was wrong with a request, in the list of a 422. */
export const FieldIssue = z
  .object({
    loc: z.array(z.union([z.string(), z.int()])).describe('Where: `["body", "ids", 0]`.'),
    msg: z.string(),
    type: z.string(),
  })
  .meta({ id: 'FieldIssue' })
export type FieldIssue = z.infer<typeof FieldIssue>
