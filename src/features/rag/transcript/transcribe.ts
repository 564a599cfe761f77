/** Reads recordings: their speech becomes blocks with start and end. */
import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { MediaDecoder, Speech, Transcriber, Transcription } from '../../../speech-ports.ts'
import { BlockWriter } from '../read/block-writer.ts'
import { NO_SPEECH } from '../read/document-type.ts'
import type { ReadDocument } from '../types.ts'
import { SegmentCollector, writeSegments } from './segments.ts'

const MB = 1024 * 1024

/** Largest recording where one is cut into pieces, in bytes. */
export const MAX_RECORDING_BYTES = 1024 * MB

/** The way in which a recording is transcribed here: sent to the service as it is, or decoded and transcribed in pieces. */
export type RecordingRoute =
  | { readonly kind: 'whole'; readonly transcriber: Transcriber }
  /** `transcriber` null: by the model of this server. */
  | { readonly kind: 'pieces'; readonly transcriber: Transcriber | null; readonly decoder: MediaDecoder }
  | Refusal

interface Refusal {
  readonly kind: 'refused'
  readonly code: 'UNSUPPORTED_MEDIA_TYPE' | 'TOO_LARGE'
  readonly message: string
  /** Field of the request that is wrong, where it is not the one that names the recording. */
  readonly field?: string
}

/** File names of recordings, for those with a generic declared type. */
const RECORDING_NAME = /\.(?:mp3|m4a|m4b|mp4|m4v|mov|wav|ogg|oga|opus|flac|webm|mkv|aac|avi|mpga|mpeg)$/i

/** Returns true for a file that is audio or video by its name or declared type. */
export const isNamedAsRecording = ({ filename, contentType = '' }: { filename: string; contentType?: string }) =>
  /^(?:audio|video)\//.test(contentType) || RECORDING_NAME.test(filename)

const refused = (code: Refusal['code'], message: string): Refusal => ({ kind: 'refused', code, message })

const COMPRESS = 'send it as compressed audio (MP3, Opus), or its parts'
const INSTALL_FFMPEG = 'Its operator installs it (Debian: apt-get install ffmpeg) or names it by FFMPEG_PATH'

/**
 * Chooses how a recording of so many bytes is transcribed.
 * @param language as the caller declared it; null where it is not known
 */
export async function routeRecording(speech: Speech, size: number, language: string | null): Promise<RecordingRoute> {
  const { transcriber, decoder } = speech
  if (transcriber === null) return routeToLocalModel(speech, size, language)
  if (size <= transcriber.maxBytes) return { kind: 'whole', transcriber }
  const most = `at most ${Math.floor(transcriber.maxBytes / MB)} MB`
  if (decoder === null) return refused('TOO_LARGE', `A recording may have ${most} here: ${COMPRESS}`)
  if (size > MAX_RECORDING_BYTES) return tooLarge()
  if (await decoder.isAvailable()) return { kind: 'pieces', transcriber, decoder }
  const missing = 'larger ones are cut by ffmpeg, which this server does not have'
  return refused('TOO_LARGE', `A recording may have ${most} here; ${missing}. ${INSTALL_FFMPEG}. Or ${COMPRESS}`)
}

async function routeToLocalModel(
  { decoder, local }: Speech,
  size: number,
  language: string | null,
): Promise<RecordingRoute> {
  if (local === null || decoder === null || !local.isInstalled()) return refused('UNSUPPORTED_MEDIA_TYPE', NO_SPEECH)
  const foreign = language === null ? null : refuseLanguage(language)
  if (foreign !== null) return foreign
  if (size > MAX_RECORDING_BYTES) return tooLarge()
  if (await decoder.isAvailable()) return { kind: 'pieces', transcriber: null, decoder }
  return refused(
    'UNSUPPORTED_MEDIA_TYPE',
    `It is decoded by ffmpeg, which this server does not have. ${INSTALL_FFMPEG}, or sets TRANSCRIBE_BASE_URL or TRANSCRIBE_API_KEY of a service`,
  )
}

const tooLarge = () => refused('TOO_LARGE', `A recording may have at most ${MAX_RECORDING_BYTES / MB} MB: ${COMPRESS}`)

/** Refuses languages that the model of this server does not know. @returns null for English */
export function refuseLanguage(language: string): Refusal | null {
  if (/^eng?(?:-|$)/i.test(language)) return null
  const message = `This server recognises English speech alone, and the language is "${language}". A hosted service knows others: its operator sets TRANSCRIBE_BASE_URL or TRANSCRIBE_API_KEY. Or send captions (VTT, SRT)`
  return { ...refused('UNSUPPORTED_MEDIA_TYPE', message), field: 'language' }
}

/**
 * Refuses a document that is a recording which this server can't transcribe, before its job is submitted; judged by its file name and declared type.
 * @param file `size` 0 where it is not known
 * @param field of the request that names it
 * @throws MillraceError INVALID_REQUEST with the way out
 */
export async function checkRecording(
  file: { readonly filename: string; readonly contentType?: string; readonly size: number },
  field: string,
  speech: Speech,
  language: string | null,
): Promise<void> {
  if (!isNamedAsRecording(file)) return
  const route = await routeRecording(speech, file.size, language)
  if (route.kind !== 'refused') return
  const wrong = route.field ?? field
  throw invalidRequest(wrong, `${wrong}: "${file.filename}" is a recording. ${route.message}`)
}

/**
 * Makes a document of the words of a recording.
 * @throws MillraceError NO_TEXT where there are none
 */
export function documentOf({ language, segments }: Transcription, title: string): ReadDocument {
  const collector = new SegmentCollector()
  for (const { start, end, text } of segments) collector.add(start, end, [text])
  const writer = new BlockWriter()
  writeSegments(collector.segments, writer)
  if (writer.blocks.length === 0) throw new MillraceError('NO_TEXT', 'No words were recognised in this recording.')
  return {
    title,
    ...(language === null ? {} : { language }),
    blocks: writer.blocks,
    segments: collector.segments,
    warnings: [],
  }
}
