/** Route of the transcript of a stored document that is a recording or captions. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { AppDeps, Env } from '../../../http/context.ts'
import type { Endpoint } from '../../../http/openapi/endpoint.ts'
import { PROCESSING_ERRORS } from '../../../http/response/error-formats.ts'
import { Routes } from '../../../http/routes.ts'
import { MOUNT } from '../names.ts'
import { formatTranscript, TRANSCRIPT_TYPES } from './formats.ts'
import { TranscriptAnswer, TranscriptQuery } from './schemas.ts'
import { readTranscript } from './store.ts'

const readTranscriptOf = {
  route: 'GET /api/public/bulk/documents/:id/transcript',
  id: 'readTranscript',
  summary: 'What is said in a recording, with its seconds',
  description: 'Of documents that are recordings or captions. `format` is `json`, `text`, `vtt` or `srt`.',
  path: z.strictObject({ id: z.string().describe('Id of a document.') }),
  query: TranscriptQuery,
  answers: {
    200: {
      description: 'The transcript.',
      content: {
        'application/json': { schema: TranscriptAnswer },
        'text/plain': { schema: z.string() },
        'text/vtt': { schema: z.string() },
        'application/x-subrip': { schema: z.string() },
      },
    },
  },
  errors: [400, 404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readTranscriptOf]

/** `GET /documents/:id/transcript`. */
export function transcriptRoutes({ db }: Pick<AppDeps, 'db'>): Hono<Env> {
  return new Routes(MOUNT, PROCESSING_ERRORS).add(readTranscriptOf, async (c) => {
    const { id } = c.req.valid('param')
    const { format } = c.req.valid('query')
    const found = await readTranscript(db, c.get('caller').owner, id)
    if (found === null) {
      throw new MillraceError('NOT_FOUND', 'There is no document with this id, or it belongs to someone else.')
    }
    const { title, language, segments } = found
    if (segments.length === 0) {
      throw new MillraceError('NOT_FOUND', 'This document has no transcript: it is neither a recording nor captions.')
    }
    if (format !== 'json') {
      return c.body(formatTranscript(format, segments), 200, { 'Content-Type': TRANSCRIPT_TYPES[format] })
    }
    const answer: TranscriptAnswer = {
      document_id: id,
      title,
      language,
      segments: segments.map(({ start, end, text }) => ({ start_seconds: start, end_seconds: end, text })),
    }
    return c.json(answer)
  }).hono
}
