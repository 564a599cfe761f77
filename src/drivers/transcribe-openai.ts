/**
 * Recognises speech by a service that speaks OpenAI's audio API: `POST {base}/audio/transcriptions`, a form, answered as `verbose_json` with
 * segments (https://platform.openai.com/docs/api-reference/audio/createTranscription). OpenAI, Groq, speaches, LocalAI and others serve it.
 */
import * as z from 'zod'
import { MillraceError } from '../errors.ts'
import type { Transcriber, Transcription } from '../speech-ports.ts'

/** Bytes of a recording that the API takes. */
const MAX_BYTES = 25 * 1024 * 1024
/** Time that one recording may take the service, in milliseconds. */
const TIMEOUT_MS = 240_000
/** Characters of a service's own words that are repeated. */
const MAX_WORDS = 200

/**
 * A segment as silence is heard: the bounds by which Whisper itself passes a segment over (`no_speech_threshold`, `logprob_threshold` of
 * openai/whisper, transcribe.py).
 */
const NO_SPEECH = { probability: 0.6, logProbability: -1 }

const Segment = z.object({
  start: z.number(),
  end: z.number(),
  text: z.string(),
  no_speech_prob: z.number().nullish(),
  avg_logprob: z.number().nullish(),
})
const Verbose = z.object({ language: z.string().nullish(), segments: z.array(Segment) })
const Refusal = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) })

/** Address, key and model of a service. */
export interface TranscriptionService {
  /** Up to and including `/v1`. */
  readonly baseUrl: string
  readonly apiKey: string | null
  readonly model: string
}

/** Makes a Transcriber of a service. Its address is the operator's, so that it may be a private one. */
export function createOpenAiTranscriber({ baseUrl, apiKey, model }: TranscriptionService): Transcriber {
  const url = `${baseUrl.replace(/\/+$/, '')}/audio/transcriptions`
  const headers = apiKey === null ? {} : { Authorization: `Bearer ${apiKey}` }
  return {
    maxBytes: MAX_BYTES,
    async transcribe({ bytes, filename, contentType }, { signal, language }) {
      const body = new FormData()
      body.set('file', new File([bytes], filename, { type: contentType }))
      body.set('model', model)
      body.set('response_format', 'verbose_json')
      body.set('timestamp_granularities[]', 'segment')
      // The API takes ISO 639-1, without a region.
      if (language !== undefined) body.set('language', language.replace(/-.*$/, ''))
      const ended = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      try {
        // A redirect would carry the key to whom it was not given.
        const answer = await fetch(url, { method: 'POST', headers, body, signal: ended, redirect: 'manual' })
        const text = await answer.text()
        if (!answer.ok) throw refused(answer, text, model)
        return parseTranscription(text)
      } catch (thrown) {
        signal.throwIfAborted()
        if (thrown instanceof MillraceError) throw thrown
        if (ended.aborted) throw new MillraceError('TIMEOUT', 'The transcription service did not answer in time.')
        throw new MillraceError('NETWORK_ERROR', 'The transcription service could not be reached.', { cause: thrown })
      }
    },
  }
}

function parseTranscription(text: string): Transcription {
  const parsed = Verbose.safeParse(parseJson(text))
  if (!parsed.success) {
    const issue =
      'answers without segments, which say when each word is said. Set TRANSCRIBE_MODEL to one that has them, such as whisper-1.'
    throw misconfigured(`The transcription service ${issue}`)
  }
  const spoken = parsed.data.segments.filter((segment) => !isSilence(segment))
  return {
    language: languageTag(parsed.data.language ?? ''),
    segments: spoken.map(({ start, end, text: words }) => ({ start, end, text: words.trim() })),
  }
}

const isSilence = ({ no_speech_prob: probability, avg_logprob: certainty }: z.infer<typeof Segment>) =>
  (probability ?? 0) > NO_SPEECH.probability && (certainty ?? 0) < NO_SPEECH.logProbability

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const misconfigured = (message: string) => new MillraceError('SERVICE_UNAVAILABLE', message, { transient: false })

function refused({ status, headers }: Response, text: string, model: string): MillraceError {
  const { data } = Refusal.safeParse(parseJson(text))
  const said = typeof data?.error === 'string' ? data.error : (data?.error.message ?? '')
  const words = said === '' ? '' : `: ${said.slice(0, MAX_WORDS)}`
  if (status === 401 || status === 403) {
    return misconfigured(`The transcription service refuses the key of this server (TRANSCRIBE_API_KEY)${words}`)
  }
  if (status === 404 || (status >= 300 && status < 400)) {
    return misconfigured(
      `The transcription service has no model "${model}" or is not at this address (TRANSCRIBE_MODEL, TRANSCRIBE_BASE_URL): ${status}${words}`,
    )
  }
  if (status === 413) {
    return new MillraceError('TOO_LARGE', `The transcription service finds this recording too large${words}`)
  }
  if (status === 429 || status >= 500) {
    const seconds = Number(headers.get('Retry-After') ?? Number.NaN)
    const details = Number.isFinite(seconds) && seconds >= 0 ? { details: { retryAfterSeconds: seconds } } : {}
    const code = status === 429 ? 'RATE_LIMIT' : 'SERVICE_UNAVAILABLE'
    return new MillraceError(code, `The transcription service answered ${status}${words}`, details)
  }
  return new MillraceError(
    'UNREADABLE_DOCUMENT',
    `The transcription service can't read this recording: ${status}${words}`,
  )
}

/** Language tags by the English names that Whisper returns instead; built at the first recording. */
let tags: ReadonlyMap<string, string> | undefined

/** Returns the tag (BCP 47) of a language that is named by it, or in English; null for another. */
function languageTag(language: string): string | null {
  const name = language.trim().toLowerCase()
  if (/^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/.test(name)) return name
  tags ??= namesOfLanguages()
  return tags.get(name) ?? null
}

function namesOfLanguages(): ReadonlyMap<string, string> {
  const letters = [...'abcdefghijklmnopqrstuvwxyz']
  const names = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' })
  return new Map(
    letters
      .flatMap((first) => letters.map((second) => first + second))
      .flatMap((tag) => {
        const name = names.of(tag)
        return name === undefined ? [] : [[name.toLowerCase(), tag] as const]
      }),
  )
}
