/** Errors as each surface words them. A surface is told by its path. */
import type { ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { MillraceError } from '../../errors.ts'
import type { Log } from '../../ports.ts'
import type { Env } from '../context.ts'
import { FieldIssue } from '../request/fields.ts'
import type { ChunkErrorBody, DetailBody, ErrorBody } from './error-bodies.ts'

/** Turns anything thrown into an error that may be shown; what nobody foresaw is logged and shown without its details. */
export function asMillraceError(thrown: unknown, log: Log, requestId: string): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  if (thrown instanceof HTTPException && thrown.status < 500) {
    return new MillraceError(thrown.status === 413 ? 'TOO_LARGE' : 'INVALID_REQUEST', thrown.message)
  }
  // What hono/timeout throws.
  if (thrown instanceof HTTPException && thrown.status === 504) return new MillraceError('TIMEOUT', thrown.message)
  if (isCutOff(thrown)) return new MillraceError('INVALID_REQUEST', 'The request was cut off before its end.')
  log.error({ err: thrown, requestId }, 'a request failed in a way nobody foresaw')
  const message = `Something went wrong on the server. If it happens again, report the request id ${requestId}.`
  return new MillraceError('UNKNOWN', message)
}

/**
 * How Node and workerd tell that a client left while it sent. Nobody reads the answer, but the log should not call it a fault. A connection
 * to a database or a blob that is lost has another message: it names what was asked.
 */
function isCutOff(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  if (thrown.message === 'aborted') return 'code' in thrown && thrown.code === 'ECONNRESET'
  return thrown.message === 'Network connection lost.' && 'retryable' in thrown
}

/** The body of the heat-sheet and native surfaces. */
function coded(error: MillraceError, requestId?: string): ErrorBody {
  const field = error.details?.field
  return {
    success: false,
    error: error.code,
    message: error.message,
    ...(typeof field === 'string' ? { field } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** The body of the batch-read surface: a sentence, or the list of a 422. */
function detailed(error: MillraceError): DetailBody {
  const issues = FieldIssue.array().safeParse(error.details?.issues)
  return { detail: issues.success ? issues.data : error.message }
}

/** The body of the card surface. A key is refused with the sentence that its clients know; a token, whose claims are wrong, with the reason. */
function sentence(error: MillraceError): DetailBody {
  const isKey = error.code === 'UNAUTHORIZED' && error.details?.claim === undefined
  return { detail: isKey ? 'Invalid or missing API key' : error.message }
}

/** The body of the chunk surface. */
function plain(error: MillraceError): ChunkErrorBody {
  return { error: error.message }
}

/** Path prefixes of the surfaces that word errors in their own way. Everything else is `coded`. */
const SURFACES: readonly (readonly [prefix: string, body: (error: MillraceError) => object])[] = [
  ['/api/chunks', plain],
  ['/api/v1', detailed],
  ['/bulk', sentence],
]

/** The body that an error has on the surface a path belongs to. Where its shape has room, it names the request. */
export function errorBody(path: string, error: MillraceError, requestId?: string): object {
  const surface = SURFACES.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))
  return (surface?.[1] ?? coded)(error, requestId)
}

/** Answers whatever a route throws. */
export function errorHandler(log: Log): ErrorHandler<Env> {
  return (thrown, c) => {
    const error = asMillraceError(thrown, log, c.get('requestId'))
    const seconds = error.details?.retryAfter
    if (typeof seconds === 'number') c.header('Retry-After', String(seconds))
    // The rest of the body is not read, so that nothing more can come over this connection.
    if (error.code === 'TOO_LARGE') c.header('Connection', 'close')
    return c.json(errorBody(c.req.path, error, c.get('requestId')), error.status)
  }
}

/** Answers paths that nothing is at. */
export const notFoundHandler: NotFoundHandler<Env> = (c) => {
  const error = new MillraceError('NOT_FOUND', `Nothing is at ${c.req.method} ${c.req.path}.`)
  return c.json(errorBody(c.req.path, error, c.get('requestId')), 404)
}
