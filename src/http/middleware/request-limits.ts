/** Limits on the size of a request and the time until its answer, for the surfaces that answer at once. */
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { every } from 'hono/combine'
import { HTTPException } from 'hono/http-exception'
import { timeout } from 'hono/timeout'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'

/** Bounds on a request. */
export interface RequestLimits {
  /** Of its body. */
  readonly maxBytes: number
  /** Until it is answered, from when its headers are read. */
  readonly maxMs: number
}

/** Bounds of surfaces that answer a batch of look-ups at once: 10 MB, 30 s. */
export const LOOKUP_LIMITS: RequestLimits = { maxBytes: 10 * 1024 * 1024, maxMs: 30_000 }

/** Of a body that is too large, so many times its bound is read and dropped: a client that is still sending reads no answer. */
const DRAINED = 8

/**
 * Bounds requests; the time counts from when the headers are read, so that a body that never ends counts too.
 * @throws MillraceError TOO_LARGE, and an HTTPException of status 504 that `asMillraceError` makes TIMEOUT
 */
export function boundRequests({ maxBytes, maxMs }: RequestLimits): MiddlewareHandler<Env> {
  const seconds = Math.round(maxMs / 100) / 10
  return every(
    timeout(
      maxMs,
      () => new HTTPException(504, { message: `The request took longer than the ${seconds} seconds it may take.` }),
    ),
    boundBody(maxBytes),
  )
}

/** Not hono/body-limit: it answers while the client sends, and many clients report a broken pipe in place of that answer. */
function boundBody(maxBytes: number): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { headers, body } = c.req.raw
    c.set('maxBodyBytes', maxBytes)
    if (body === null) return next()
    const length = headers.has('Transfer-Encoding') ? null : headers.get('Content-Length')
    if (length !== null && Number(length) <= maxBytes) return next()
    const pieces: Uint8Array<ArrayBuffer>[] = []
    let bytes = 0
    for await (const piece of body) {
      bytes += piece.byteLength
      if (bytes <= maxBytes) pieces.push(piece)
      else if (bytes > maxBytes * DRAINED) break
    }
    if (bytes > maxBytes) {
      const size = maxBytes >= 1024 * 1024 ? `${Math.floor(maxBytes / 1024 / 1024)} MB` : `${maxBytes} bytes`
      throw new MillraceError('TOO_LARGE', `The request body is larger than ${size}.`)
    }
    c.req.raw = new Request(c.req.raw, { body: new Blob(pieces) })
    return next()
  }
}

/**
 * Bounds the body of a route, packed and unpacked.
 * @param message of the refusal; says how much it may hold
 * @throws MillraceError TOO_LARGE
 */
export function limitBody(maxSize: number, message: string): MiddlewareHandler<Env> {
  const limit = bodyLimit({
    maxSize,
    onError: () => {
      throw new MillraceError('TOO_LARGE', message)
    },
  })
  return (c, next) => {
    c.set('maxBodyBytes', maxSize)
    return limit(c, next)
  }
}
