/** Calling back. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { MAX_ANSWER_BYTES } from './answer.ts'
import { readCallback } from './callback-token.ts'
import { acceptCallback } from './callbacks.ts'
import { CallbackAnswer } from './schemas.ts'

const limitCallbackBody = limitBody(MAX_ANSWER_BYTES, 'What a call gives may have 1 MB.')

const callBack = {
  route: 'POST /api/callbacks/:id',
  id: 'callBack',
  summary: 'Finish a call that was answered 202',
  description:
    'The body, JSON or text, is the result of the call; with `outcome`, the reason why it failed: text, or JSON with a `message`. `Retry-After` (seconds) delays the next attempt. A repeated callback changes nothing.',
  access: 'public',
  path: z.strictObject({ id: z.string().describe('Id of the job.') }),
  query: z.strictObject({
    token: z.string().optional().describe('As the header `Millrace-Callback` had it.'),
    outcome: z
      .enum(
        ['failed', 'retry'],
        'Expected "failed" (for good) or "retry" (another attempt); left out where the call succeeded.',
      )
      .optional()
      .describe('Added to the address by a receiver that failed: `failed` for good, `retry` for another attempt.'),
  }),
  answers: { 200: json('Noted.', CallbackAnswer) },
  errors: [400, 404, 413],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [callBack]

export function callbackRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/callbacks', CODED_ERRORS).add(
    callBack,
    async (c) => {
      const { outcome } = c.req.valid('query')
      const named = await readCallback(deps.auth.signingKey, c.req.valid('query').token ?? '', deps.clock)
      if (named === null || named.jobId !== c.req.valid('param').id) {
        throw new MillraceError(
          'NOT_FOUND',
          'No call waits at this address. It must be as the call was given it, and is good for a time.',
        )
      }
      const contentType = c.req.header('Content-Type') ?? ''
      const accepted = await acceptCallback(deps, named, {
        contentType,
        body: textOf(await c.req.arrayBuffer()),
        outcome,
        retryAfterMs: pauseAsked(c.req.header('Retry-After')),
      })
      if (accepted) deps.dispatcher.wake()
      return c.json({ success: true, accepted } satisfies CallbackAnswer)
    },
    [limitCallbackBody],
  ).hono
}

/** Longest pause that a receiver may ask for, in seconds. */
const MAX_PAUSE_SECONDS = 86_400

/** Reads a pause in seconds, in milliseconds; null where none is asked for. @throws MillraceError INVALID_REQUEST */
function pauseAsked(header: string | undefined): number | null {
  if (header === undefined) return null
  if (/^\d{1,5}$/.test(header) && Number(header) <= MAX_PAUSE_SECONDS) return Number(header) * 1_000
  throw invalidRequest(
    'Retry-After',
    `Retry-After: expected a whole number of seconds up to ${MAX_PAUSE_SECONDS.toLocaleString('en')}.`,
  )
}

/** @throws MillraceError INVALID_REQUEST for what is no UTF-8 */
function textOf(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new MillraceError('INVALID_REQUEST', 'Expected JSON or text in UTF-8.', { cause, details: { field: 'body' } })
  }
}
