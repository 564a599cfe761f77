/** Headers that every answer has. */
import type { MiddlewareHandler } from 'hono'
import type { Env } from '../context.ts'

/**
 * Has a middleware set its headers before anything else is done, rather than when all is: those of a stream go out while its route runs.
 * @param middleware one that answers by itself, or sets headers and reads nothing else of the answer
 */
export function applyHeadersEarly(middleware: MiddlewareHandler<Env>): MiddlewareHandler<Env> {
  return async (c, next) => (await middleware(c, async () => {})) ?? next()
}
