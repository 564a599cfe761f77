/**
 * Recognises speech by Whisper on Workers AI, through the binding `AI`: a recording as base64 in, segments out
 * (https://developers.cloudflare.com/workers-ai/models/whisper-large-v3-turbo/).
 */
import * as z from 'zod'
import { MillraceError } from '../errors.ts'
import type { VectorServices } from '../ports.ts'
import type { Transcriber } from '../speech-ports.ts'

const MODEL = '@cf/openai/whisper-large-v3-turbo'
/** Bytes of a recording: as base64, and copied to the service, it is in the 128 MB of an isolate several times. */
const MAX_BYTES = 10 * 1024 * 1024
/** Bytes that are encoded at once; a multiple of three, so that the parts can be joined. */
const PART_BYTES = 48 * 1024
/** Bounds by which Whisper itself passes a segment over as silence. */
const NO_SPEECH = { probability: 0.6, logProbability: -1 }

const Answer = z.object({
  transcription_info: z.object({ language: z.string().optional() }).optional(),
  segments: z
    .array(
      z.object({
        start: z.number(),
        end: z.number(),
        text: z.string(),
        no_speech_prob: z.number().optional(),
        avg_logprob: z.number().optional(),
      }),
    )
    .default([]),
})

/** Codes of errors, at the beginning of their message (https://developers.cloudflare.com/workers-ai/platform/errors/). */
const CODES = {
  limit: /^(?:3036|3040)\b/,
  tooLarge: /^3006\b/,
  badInput: /^(?:3003|5004|5006)\b/,
  noAccess: /^(?:3023|5018|5016)\b/,
}

/** Makes a Transcriber of the binding. */
export function createWorkersAiTranscriber(ai: NonNullable<VectorServices['ai']>): Transcriber {
  return {
    maxBytes: MAX_BYTES,
    async transcribe({ bytes }, { signal, language }) {
      // The model takes ISO 639-1, without a region.
      const spoken = language === undefined ? {} : { language: language.replace(/-.*$/, '').toLowerCase() }
      const found = await ai.run(MODEL, { audio: toBase64(bytes), ...spoken }).catch((error: unknown) => {
        throw classify(error)
      })
      signal.throwIfAborted()
      const answer = Answer.safeParse(found)
      if (!answer.success) throw new MillraceError('SERVICE_UNAVAILABLE', 'Workers AI answered without segments.')
      const { transcription_info: info, segments } = answer.data
      const words = segments.filter(
        ({ no_speech_prob: probability = 0, avg_logprob: certainty = 0 }) =>
          probability <= NO_SPEECH.probability || certainty >= NO_SPEECH.logProbability,
      )
      return {
        language: info?.language ?? null,
        segments: words.map(({ start, end, text }) => ({ start, end, text: text.trim() })),
      }
    },
  }
}

function toBase64(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PART_BYTES))))
  }
  return parts.join('')
}

function classify(error: unknown): MillraceError {
  const message = error instanceof Error ? error.message : String(error)
  const say = (issue: string) => `Workers AI ${issue}: ${message}`
  if (CODES.limit.test(message)) return new MillraceError('RATE_LIMIT', say('is busy'), { cause: error })
  if (CODES.tooLarge.test(message)) return new MillraceError('TOO_LARGE', say('finds this recording too large'))
  if (CODES.badInput.test(message)) return new MillraceError('UNREADABLE_DOCUMENT', say("can't read this recording"))
  const transient = !CODES.noAccess.test(message)
  return new MillraceError('SERVICE_UNAVAILABLE', say('failed'), { transient, cause: error })
}
