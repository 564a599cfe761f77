/** Pieces that the requests of several surfaces are made of. */
import * as z from 'zod'

/** An id that a caller brings, or that we made: 1 to 128 of letters, digits and `._:-`. Never checked as a UUID. */
export const Id = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'Input should be 1 to 128 letters, digits or any of . _ : -')

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

/** A point in time: ISO 8601 with a zone comes in, milliseconds since the epoch go on. */
export const Instant = z.iso
  .datetime({ offset: true, error: 'Input should be a time such as 2026-02-16T20:00:00Z' })
  .transform((value) => Date.parse(value))
  .refine((ms) => ms > 0, 'Input should be a time after 1970')

/** Wrong items of a list that are named; the rest of it is not looked at then. */
const MAX_FAULTS = 100

/**
 * A list whose length is looked at before its items, so that a far too long one costs nothing, and whose items are looked at until so many are
 * wrong that nobody wants to hear of more.
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
 * `schema.safeParse(value)`, for values from outside. By itself zod (4.6) looks at the `length` of what should be a text or a list even where
 * it is neither, and throws where that is an object that can't be compared.
 */
export function safeParse<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  try {
    return schema.safeParse(value)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return z.custom<T>(() => false, 'Input holds an object with a length that is none').safeParse(value)
  }
}

/** One thing that was wrong with a request, in the list of a 422. */
export const FieldIssue = z
  .object({
    loc: z.array(z.union([z.string(), z.int()])).describe('Where: `["body", "ids", 0]`.'),
    msg: z.string(),
    type: z.string(),
  })
  .meta({ id: 'FieldIssue' })
export type FieldIssue = z.infer<typeof FieldIssue>
