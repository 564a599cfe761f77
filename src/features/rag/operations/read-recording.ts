/** Transcribes a recording: whole by a service that takes it as it is, else decoded and in pieces, over as many runs as that takes. */
import { MillraceError } from '../../../errors.ts'
import type { ContinueAt, RunContext } from '../../../operation.ts'
import { readBytes, type StoredBytes } from '../document-source.ts'
import { createHostedRecognizer } from '../speech/hosted.ts'
import { createLocalRecognizer } from '../speech/local.ts'
import { type SpeechState, transcribeInPieces } from '../speech/transcribe-pieces.ts'
import { documentOf, type RecordingRoute, refuseLanguage, routeRecording } from '../transcript/transcribe.ts'
import type { ReadDocument } from '../types.ts'

/** Percent of a job when transcribing begins and when it ends. */
export const TRANSCRIBING = { from: 5, to: 80 }

/** A recording with what an earlier run kept of it. */
export interface StoredRecording {
  readonly located: StoredBytes
  readonly state: SpeechState | null
  /** Declared language (BCP 47); null where the caller declared none. */
  readonly language: string | null
  /** Longest time that this run may take, in milliseconds. */
  readonly timeLimitMs: number
  readonly keep: (state: SpeechState) => Promise<void>
}

/** The document that its words make, with the key of what was kept meanwhile; or when the next run continues. */
export type RecordingResult =
  | { readonly kind: 'done'; readonly read: ReadDocument; readonly keptKey: string | null }
  | { readonly kind: 'continue'; readonly outcome: ContinueAt | 'continue' }

/**
 * Transcribes a recording.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, NO_TEXT where there is no speech, and as Transcriber and MediaDecoder do
 */
export async function readRecording(
  ctx: RunContext,
  owner: string,
  recording: StoredRecording,
): Promise<RecordingResult> {
  const { located, language } = recording
  const route = await routeRecording(ctx.speech, located.length, language)
  if (route.kind === 'refused') throw new MillraceError(route.code, `This is a recording. ${route.message}.`)
  if (route.kind === 'pieces') return readInPieces(ctx, owner, recording, route)
  const { filename, contentType } = located
  ctx.progress(TRANSCRIBING.from, 'Recognising speech', 'transcribing')
  const bytes = await readBytes(ctx.blobs, located)
  const transcription = await route.transcriber.transcribe(
    { bytes, filename, contentType },
    { signal: ctx.signal, ...(language === null ? {} : { language }) },
  )
  return { kind: 'done', read: documentOf(transcription, filename), keptKey: null }
}

async function readInPieces(
  ctx: RunContext,
  owner: string,
  { located, state, language, timeLimitMs, keep }: StoredRecording,
  { transcriber, decoder }: Extract<RecordingRoute, { kind: 'pieces' }>,
): Promise<RecordingResult> {
  if (state === null) ctx.progress(TRANSCRIBING.from, 'Decoding the sound', 'processing_audio')
  const path = ctx.blobs.path?.(located.key)
  if (path === undefined) throw new MillraceError('UNKNOWN', 'Recordings are not stored on this machine.')
  const result = await transcribeInPieces(ctx, {
    ...{ path, decoder, state, timeLimitMs, keep },
    recognizer:
      transcriber === null ? createLocalRecognizer(ctx.compute, owner) : createHostedRecognizer(transcriber, language),
    checkLanguage: (declared) => {
      // A language that the caller declares counts more than the tag in the file.
      const refusal = transcriber !== null || language !== null || declared === null ? null : refuseLanguage(declared)
      if (refusal !== null) throw new MillraceError(refusal.code, `${refusal.message}.`)
    },
    report: (share, message) =>
      ctx.progress(TRANSCRIBING.from + (TRANSCRIBING.to - TRANSCRIBING.from) * share, message, 'transcribing'),
  })
  if (result.kind === 'continue') return result
  return { kind: 'done', read: documentOf(result.transcription, located.filename), keptKey: result.state.key }
}
