/** Described: the route that makes a batch of heat sheets. */
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { ExtractAccepted, ExtractForm } from './schemas.ts'

export const endpoints: readonly Endpoint[] = [
  {
    route: 'POST /api/batch/extract',
    id: 'extractHeatSheets',
    summary: 'Find a swimmer in heat sheets',
    description:
      'Takes PDFs (`pdfs`, at most 50 MB each) and links (`urls`), at most 100 together. Every document is a job; the same one given twice is one.',
    headers: ['Idempotency-Key'],
    body: {
      'multipart/form-data': {
        schema: ExtractForm,
        examples: { link: { swimmer: 'Mara Lindqvist', urls: '["https://example.com/heats.pdf"]' } },
      },
    },
    answers: { 202: json('Accepted, and on disk.', ExtractAccepted, ['Location']) },
    errors: [400, 409, 413, 415],
  },
]
