/** How large a request may be and how long its answer may take, for the surfaces that answer at once. */
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { every } from 'hono/combine'
import { HTTPException } from 'hono/http-exception'
import { timeout } from 'hono/timeout'
import { MillraceError } from '../errors.ts'
import type { Env } from './context.ts'

/** What the batch-read and chunk surfaces allow. */
export const READ_BOUNDS = { maxBytes: 10 * 1024 * 1024, maxMs: 30_000 }

/**
 * Bounds requests; the time counts from when the headers are read, so that a body that never ends counts too.
 * @throws MillraceError TOO_LARGE, and an HTTPException of status 504 that `asMillraceError` makes TIMEOUT
 */
export function boundRequests({ maxBytes, maxMs }: typeof READ_BOUNDS): MiddlewareHandler<Env> {
  const seconds = Math.round(maxMs / 100) / 10
  return every(
    timeout(
      maxMs,
      () => new HTTPException(504, { message: `The request took longer than the ${seconds} seconds it may take.` }),
    ),
    bodyLimit({
      maxSize: maxBytes,
      onError: () => {
        const size = maxBytes >= 1024 * 1024 ? `${Math.floor(maxBytes / 1024 / 1024)} MB` : `${maxBytes} bytes`
        throw new MillraceError('TOO_LARGE', `The request body is larger than ${size}.`)
      },
    }),
  )
}
