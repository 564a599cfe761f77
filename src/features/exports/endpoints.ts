/** Described: downloads of what batches made. */
import * as z from 'zod'
import { type Endpoint, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'

const TYPES = ['application/x-ndjson', 'text/markdown', 'text/csv', 'application/gzip']
const file = {
  'application/json': { schema: z.unknown() },
  ...Object.fromEntries(TYPES.map((type) => [type, { schema: z.file() }])),
}

export const endpoints: readonly Endpoint[] = [
  {
    route: 'GET /exports/:id',
    id: 'downloadExport',
    summary: 'Download an export, whole or in part',
    access: 'link',
    path: { id: 'Id of the task that made it, or the `Idempotency-Key` of its request.' },
    headers: ['Range', 'If-Range', 'If-None-Match'],
    answers: {
      200: { description: 'The file.', content: file, headers: ['ETag', 'Content-Disposition'] },
      206: { description: 'A part of it.', content: file, headers: ['ETag', 'Content-Disposition', 'Content-Range'] },
      304: NOT_MODIFIED,
      416: { description: 'There is no such part.', headers: ['Content-Range'] },
    },
    errors: [404],
  },
]
