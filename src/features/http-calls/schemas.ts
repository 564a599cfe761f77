/** The operation `http`: what holds for a batch of calls, and what a call gives. */
import * as z from 'zod'
import { REQUEST_METHODS } from '../../ports.ts'

/** Longest time that one call may take, in milliseconds: what is longer calls back. */
export const MAX_TIMEOUT_MS = 120_000
const MAX_URL = 8_192
const MAX_HEADERS = 50
const DAY_SECONDS = 86_400

/** Statuses after which a call is retried unless the batch names others. */
const RETRIED = [408, 425, 429, 500, 502, 503, 504]

const HeaderName = z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,128}$/, 'Expected the name of a header')

/** `input` of a batch of calls. */
export const HttpInput = z
  .strictObject({
    url: z
      .string('Expected an http or https address, such as https://api.example.com/users/{{id}}')
      .min(1)
      .max(MAX_URL)
      .describe(
        'Address, whose placeholders are filled percent-encoded; one that it begins with is the address itself.',
      ),
    method: z.enum(REQUEST_METHODS).default('GET'),
    headers: z
      .record(HeaderName, z.string('Expected text').max(MAX_URL))
      .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `Expected at most ${MAX_HEADERS} headers`)
      .default({}),
    bodyTemplate: z
      .unknown()
      .optional()
      .describe('JSON whose texts hold placeholders, or a text. With POST, PUT, PATCH, DELETE and OPTIONS.'),
    timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).default(30_000).describe('Milliseconds that one call may take.'),
    retryOn: z
      .array(z.int().min(400).max(599))
      .max(200)
      .default(RETRIED)
      .describe('Statuses after which a call is retried; after a network error it always is.'),
    ratePerSecond: z
      .number()
      .min(0.01)
      .max(10_000)
      .optional()
      .describe("Calls a second at most, of all the owner's batches that set it, to one host, over all processes."),
    responseHeaders: z
      .array(HeaderName)
      .max(20)
      .default(['content-type'])
      .describe('Headers of the answer that the result holds.'),
    signWith: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'Expected the name of a secret')
      .optional()
      .describe('Name of a secret (`whsec_…`) that signs each call as Standard Webhooks has it.'),
    callback: z
      .strictObject({
        withinSeconds: z
          .int()
          .min(1)
          .max(7 * DAY_SECONDS)
          .default(DAY_SECONDS),
      })
      .optional()
      .describe('Lets a receiver answer 202 and finish later, at the address in the header `Millrace-Callback`.'),
  })
  .meta({ id: 'HttpInput' })
export type HttpInput = z.infer<typeof HttpInput>

/** Result of a call. */
export const HttpResult = z
  .object({
    status: z.int(),
    headers: z.record(z.string(), z.string()).describe('Those that `responseHeaders` names.'),
    body: z.unknown().describe('JSON as JSON, text as text, anything else in base64; null for nothing.'),
    encoding: z.literal('base64').optional().describe('Where the body is neither JSON nor text.'),
  })
  .meta({ id: 'HttpResult' })
export type HttpResult = z.infer<typeof HttpResult>

/** The answer to `POST /api/callbacks/:id`. */
export const CallbackAnswer = z
  .object({
    success: z.literal(true),
    accepted: z
      .boolean()
      .describe('False where the call waits no more: it was called back before, ended or was cancelled.'),
  })
  .meta({ id: 'CallbackAnswer' })
export type CallbackAnswer = z.infer<typeof CallbackAnswer>
