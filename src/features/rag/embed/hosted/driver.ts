/** The interface of hosted models, and the part that all of those reached over HTTP share. */
import * as z from 'zod'
import { MillraceError } from '../../../../errors.ts'
import type { GuardedAnswer, VectorServices } from '../../../../ports.ts'

/** Side of a retrieval: a stored text, or a question. */
export type Side = 'passage' | 'question'

/** Limits of one request to a service. */
export interface RequestLimits {
  readonly texts: number
  /** Tokens of all texts together. */
  readonly tokens: number
}

/** Options of a request. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  readonly owner: string
}

/** A hosted model with the options of a job. */
export interface HostedDriver {
  /** Name of the service in messages. */
  readonly service: string
  readonly limits: RequestLimits
  /** Null where the model itself decides. */
  readonly dimensions: number | null
  /**
   * Embeds texts by one request, of any length.
   * @throws BatchRefused where the service refuses these texts together or one of them; MillraceError RATE_LIMIT and others
   */
  embed(texts: readonly string[], side: Side, options: CallOptions): Promise<readonly (readonly number[])[]>
}

/** The service refused the texts of a request, of which a part may be accepted. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused'
  /** True where there were too many of them. */
  readonly isTooLarge: boolean

  constructor(reason: string, isTooLarge: boolean) {
    super(reason)
    this.isTooLarge = isTooLarge
  }
}

/** A request to a service. */
export interface ServiceRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** A service reached over HTTP. */
export interface HttpService {
  readonly service: string
  /** Variables that messages name. */
  readonly variables: { readonly key: string; readonly address: string }
  readonly limits: RequestLimits
  readonly dimensions: number | null
  /** Secret that no message repeats; null for none. */
  readonly secret: string | null
  request(texts: readonly string[], side: Side): ServiceRequest
  /** Takes the vectors from a parsed answer, in the order of the texts; null where they are not there. */
  vectors(answer: unknown): readonly (readonly number[])[] | null
}

/** Time that one request may take, in milliseconds. */
const TIMEOUT_MS = 120_000
/** Bytes of an answer: 512 vectors of 3,072 numbers of 24 characters. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Characters of a service's own words that are repeated. */
const MAX_WORDS = 200

/** Makes the driver of a service that is reached over HTTP. */
export function httpDriver(http: HttpService, fetcher: VectorServices['fetcher']): HostedDriver {
  const { service, limits, dimensions } = http
  return {
    service,
    limits,
    dimensions,
    async embed(texts, side, { signal, owner }) {
      const { url, headers, body } = http.request(texts, side)
      const answer = await fetcher
        .request(url, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
          body: JSON.stringify(body),
          confidential: { headers: Object.keys(headers), body: true },
          maxBytes: MAX_ANSWER_BYTES,
          timeoutMs: TIMEOUT_MS,
          owner,
          ...(signal === undefined ? {} : { signal }),
        })
        .catch((error: unknown) => {
          throw unreachable(http, error)
        })
      const parsed = parseJson(new TextDecoder().decode(answer.body))
      if (answer.status < 200 || answer.status > 299) throw refusal(http, answer, parsed)
      const vectors = http.vectors(parsed)
      if (vectors !== null && vectors.length === texts.length) return vectors
      throw new MillraceError('SERVICE_UNAVAILABLE', `${service} answered without a vector for each text.`)
    },
  }
}

function unreachable({ service }: HttpService, error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.code === 'CANCELLED') return error
  if (error.code === 'TIMEOUT') return new MillraceError('TIMEOUT', `${service} did not answer in time.`)
  return new MillraceError('NETWORK_ERROR', `${service} could not be reached.`, { cause: error })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Words of a refusal: of OpenAI and Gemini, of FastAPI (Jina), of TEI. */
const Refusal = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
  z.object({ error: z.string() }).transform(({ error }) => error),
])

/** The pause that Google asks for in place of `Retry-After` (google.rpc.RetryInfo). */
const RetryInfo = z.object({
  error: z.object({ details: z.array(z.looseObject({ retryDelay: z.string().optional() })) }),
})

function refusal(http: HttpService, answer: GuardedAnswer, parsed: unknown): MillraceError | BatchRefused {
  const { service, variables, secret } = http
  const { status } = answer
  const said = Refusal.safeParse(parsed).data ?? ''
  const clean = (secret === null ? said : said.replaceAll(secret, '…')).slice(0, MAX_WORDS)
  const words = clean === '' ? `${status}` : `${status}: ${clean}`
  const misconfigured = (message: string) => new MillraceError('SERVICE_UNAVAILABLE', message, { transient: false })
  if (status === 401 || status === 402 || status === 403) {
    return misconfigured(`${service} refuses the key of this server (${variables.key}): ${words}`)
  }
  if (status === 404 || (status >= 300 && status < 400)) {
    return misconfigured(`${service} has no such model, or is not at this address (${variables.address}): ${words}`)
  }
  if (status === 429) return rateLimit(service, pauseOf(answer, parsed), words)
  if (status === 408 || status === 425 || status >= 500) {
    const seconds = answer.retryAfterSeconds
    const details = seconds === null ? {} : { details: { retryAfterSeconds: seconds } }
    return new MillraceError('SERVICE_UNAVAILABLE', `${service} answered ${words}`, details)
  }
  return new BatchRefused(words, status === 413)
}

/** Makes the error of a service that asks for a pause. */
export function rateLimit(service: string, seconds: number | null, words: string): MillraceError {
  const details = seconds === null ? {} : { details: { retryAfterSeconds: seconds, retryAfter: seconds } }
  return new MillraceError('RATE_LIMIT', `${service} asks for a pause: ${words}`, details)
}

function pauseOf({ retryAfterSeconds }: GuardedAnswer, parsed: unknown): number | null {
  if (retryAfterSeconds !== null) return retryAfterSeconds
  for (const { retryDelay } of RetryInfo.safeParse(parsed).data?.error.details ?? []) {
    const seconds = Number.parseFloat(retryDelay ?? '')
    if (Number.isFinite(seconds) && seconds >= 0) return seconds
  }
  return null
}
