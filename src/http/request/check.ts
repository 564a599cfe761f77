/** Checks values of requests against schemas; faults are reported in the error format of the surface. */
import type * as z from 'zod'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import type { Content } from '../openapi/endpoint.ts'
import type { JsonBody } from './json-body.ts'
import type { Refuse } from './refusals.ts'
import { safeParse } from './safe-parse.ts'

/** Elements of a long list that are checked before yielding to the event loop. */
const ELEMENTS_AT_ONCE = 200

/**
 * Checks a value.
 * @param refuse makes the error, as the surface words it
 * @param at source of the value in the request, and the path to it there
 * @throws MillraceError that `refuse` makes
 */
export function checkValue<T>(refuse: Refuse, at: Parameters<Refuse>[0], value: unknown, schema: z.ZodType<T>): T {
  const parsed = safeParse(schema, value)
  if (!parsed.success) throw refuse(at, value, parsed.error)
  return parsed.data
}

/**
 * Checks a JSON body by its description. The elements of a long list are checked some at a time, up to the first of these that is wrong.
 * @throws MillraceError that `refuse` makes; INVALID_REQUEST where the body holds more than is read of it
 */
export async function checkJson(refuse: Refuse, { value, demandWhole }: JsonBody, content: Content): Promise<unknown> {
  const { schema, longList } = content
  const body = checkValue(refuse, ['body'], value, longList?.frame ?? schema)
  demandWhole()
  if (longList === undefined) return body
  const { name, element } = longList
  const values: unknown = Object(body)[name]
  if (!Array.isArray(values))
    throw new TypeError(`The frame of a long list lets "${name}" be something else than a list.`)
  const elements: unknown[] = []
  for (const [place, one] of values.entries()) {
    if (place % ELEMENTS_AT_ONCE === 0) await yieldToEventLoop()
    elements.push(checkValue(refuse, ['body', name, place], one, element))
  }
  return { ...Object(body), [name]: elements }
}
