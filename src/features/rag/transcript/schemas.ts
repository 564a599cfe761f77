/** Requests and answers about transcripts. */
import * as z from 'zod'
import { TRANSCRIPT_FORMATS } from './formats.ts'

/** `GET /documents/:id/transcript`. */
export const TranscriptQuery = z.strictObject({
  format: z.enum(TRANSCRIPT_FORMATS, `Must be one of ${TRANSCRIPT_FORMATS.join(', ')}`).default('json'),
})

export const TranscriptAnswer = z
  .object({
    document_id: z.string(),
    title: z.string(),
    language: z.string().nullable(),
    segments: z.array(z.object({ start_seconds: z.number(), end_seconds: z.number(), text: z.string() })),
  })
  .meta({ id: 'TranscriptAnswer' })
export type TranscriptAnswer = z.infer<typeof TranscriptAnswer>
