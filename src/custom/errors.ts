/** Errors that a custom operation throws to decide on retries of its job. */

/** Marks the classes across copies of this module: a bundle may hold one, and the server another. */
const KIND = Symbol.for('millrace.error')

/**
 * Fails the job at once: no attempt that is left is made.
 *
 * @example
 * throw new NonRetryableError('This is no image.')
 */
export class NonRetryableError extends Error {
  override name = 'NonRetryableError'
  readonly [KIND] = 'non-retryable'
}

/**
 * Retries the job after a delay of the operation's choosing instead of the exponential backoff. It counts as an attempt: after the last one the
 * job fails.
 *
 * @example
 * throw new RetryAfterError('The image service is busy.', 30_000)
 */
export class RetryAfterError extends Error {
  override name = 'RetryAfterError'
  readonly [KIND] = 'retry-after'
  /** Milliseconds from now, or a time. */
  readonly retryAfter: number | Date

  /**
   * @param retryAfter milliseconds from now, or the time of the next attempt; what is past is now
   * @throws RangeError where it is no number and no time
   */
  constructor(message: string, retryAfter: number | Date, options?: ErrorOptions) {
    super(message, options)
    if (!Number.isFinite(Number(retryAfter)) || (typeof retryAfter === 'number' && retryAfter < 0)) {
      throw new RangeError('RetryAfterError: expected milliseconds from 0, or a valid Date, as second argument.')
    }
    this.retryAfter = retryAfter
  }
}

const isOfKind = (error: unknown, kind: string): error is { readonly [KIND]: string } =>
  typeof error === 'object' && error !== null && KIND in error && error[KIND] === kind

/** Recognizes a {@link NonRetryableError}, whichever copy of its class made it. */
export const isNonRetryable = (error: unknown): boolean => isOfKind(error, 'non-retryable')

/**
 * Reads the pause of a {@link RetryAfterError}.
 * @returns milliseconds from `now`; null for any other error
 */
export function pauseAskedBy(error: unknown, now: number): number | null {
  if (!isOfKind(error, 'retry-after') || !('retryAfter' in error)) return null
  const { retryAfter } = error
  if (typeof retryAfter === 'number') return retryAfter
  return retryAfter instanceof Date ? Math.max(0, retryAfter.getTime() - now) : null
}
