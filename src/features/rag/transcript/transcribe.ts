/** Reads recordings: their speech becomes blocks with start and end. */
import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { Transcriber } from '../../../ports.ts'
import { BlockWriter } from '../read/block-writer.ts'
import { NO_SPEECH } from '../read/document-type.ts'
import type { ReadDocument } from '../types.ts'
import { SegmentCollector, writeSegments } from './segments.ts'

const MB = 1024 * 1024

const tooLargeToTranscribe = ({ maxBytes }: Transcriber) =>
  `A recording may have at most ${Math.floor(maxBytes / MB)} MB here. Send it as compressed audio (MP3, Opus), or its parts`

/** File names of recordings, for those with a generic declared type. */
const RECORDING_NAME = /\.(?:mp3|m4a|m4b|mp4|m4v|mov|wav|ogg|oga|opus|flac|webm|mkv|aac|avi|mpga|mpeg)$/i

/**
 * Refuses an upload that this server can't transcribe before its job is submitted, judged by its file name and declared type.
 * @param field of the request that names it
 * @throws MillraceError INVALID_REQUEST with the form to send instead
 */
export function checkRecording(
  { filename, contentType, size }: { readonly filename: string; readonly contentType: string; readonly size: number },
  field: string,
  transcriber: Transcriber | null,
): void {
  if (!/^(?:audio|video)\//.test(contentType) && !RECORDING_NAME.test(filename)) return
  if (transcriber === null) throw invalidRequest(field, `${field}: "${filename}" is a recording. ${NO_SPEECH}`)
  if (size > transcriber.maxBytes) throw invalidRequest(field, `${field}: ${tooLargeToTranscribe(transcriber)}`)
}

/**
 * Transcribes a recording.
 * @param transcriber null where this server recognises no speech
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, NO_TEXT where there is no speech, and as `transcribe` does
 */
export async function readRecording(
  transcriber: Transcriber | null,
  recording: { readonly bytes: Uint8Array<ArrayBuffer>; readonly filename: string; readonly contentType: string },
  signal: AbortSignal,
): Promise<ReadDocument> {
  if (transcriber === null) throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `This is a recording. ${NO_SPEECH}.`)
  if (recording.bytes.byteLength > transcriber.maxBytes) {
    throw new MillraceError('TOO_LARGE', `${tooLargeToTranscribe(transcriber)}.`)
  }
  const { language, segments } = await transcriber.transcribe(recording, { signal })
  const collector = new SegmentCollector()
  for (const { start, end, text } of segments) collector.add(start, end, [text])
  const writer = new BlockWriter()
  writeSegments(collector.segments, writer)
  if (writer.blocks.length === 0) throw new MillraceError('NO_TEXT', 'No words were recognised in this recording.')
  return {
    title: recording.filename,
    ...(language === null ? {} : { language }),
    blocks: writer.blocks,
    segments: collector.segments,
    warnings: [],
  }
}
