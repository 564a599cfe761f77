/** Answers for what routes throw, and for paths without a route. */
import type { ErrorHandler, NotFoundHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Meter } from '../../engine/meter.ts'
import { MillraceError } from '../../errors.ts'
import type { Log } from '../../ports.ts'
import { asStorageError, StorageError } from '../../storage-errors.ts'
import type { Env } from '../context.ts'
import type { Surfaces } from '../surface.ts'

/** Converts anything thrown into an error that may be shown; an unexpected one is logged, and shown without its details. */
export function asMillraceError(thrown: unknown, log: Log, requestId: string): MillraceError {
  const fault = asStorageError(thrown)
  if (fault !== null) {
    log.error(
      { event: 'request.storage_fault', err: thrown, fault: fault.fault, requestId },
      'a request met a storage fault',
    )
    return fault
  }
  if (thrown instanceof MillraceError) return thrown
  if (thrown instanceof HTTPException && thrown.status < 500) {
    return new MillraceError(thrown.status === 413 ? 'TOO_LARGE' : 'INVALID_REQUEST', thrown.message)
  }
  // Thrown by hono/timeout.
  if (thrown instanceof HTTPException && thrown.status === 504) return new MillraceError('TIMEOUT', thrown.message)
  if (isCutOff(thrown)) return new MillraceError('INVALID_REQUEST', 'The request was cut off before its end.')
  log.error({ err: thrown, requestId }, 'a request failed with an unexpected error')
  const message = `Something went wrong on the server. If it happens again, report the request id ${requestId}.`
  return new MillraceError('UNKNOWN', message)
}

/**
 * Recognizes the errors by which Node and workerd report that a client disconnected while it sent. There is no reader of the answer, and the log
 * should not call it a fault. A lost connection to a database or a blob store has another message: it names the operation.
 */
function isCutOff(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  if (thrown.message === 'aborted') return 'code' in thrown && thrown.code === 'ECONNRESET'
  return thrown.message === 'Network connection lost.' && 'retryable' in thrown
}

/** Answers any error that a route throws, in the format of the surface of its path. */
export function errorHandler(log: Log, surfaces: Surfaces, meter?: Meter): ErrorHandler<Env> {
  return (thrown, c) => {
    const error = asMillraceError(thrown, log, c.get('requestId'))
    if (error instanceof StorageError) meter?.addStorageFault(error.fault)
    const seconds = error.details?.retryAfter
    if (typeof seconds === 'number') c.header('Retry-After', String(seconds))
    // The rest of the body is not read, so that nothing more can come over this connection.
    if (error.status === 413) c.header('Connection', 'close')
    return c.json(surfaces.errorsOf(c.req.path).body(error, c.get('requestId')), error.status)
  }
}

/** Answers paths that have no route. */
export function notFoundHandler(surfaces: Surfaces): NotFoundHandler<Env> {
  return (c) => {
    const error = new MillraceError('NOT_FOUND', `Nothing is at ${c.req.method} ${c.req.path}.`)
    return c.json(surfaces.errorsOf(c.req.path).body(error, c.get('requestId')), 404)
  }
}
