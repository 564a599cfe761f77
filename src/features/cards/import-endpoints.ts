/** Descriptions of the import routes of cards: `POST /bulk/import`, and the same for files. */
import * as z from 'zod'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { ImportQuery, ImportRequest, NewCard, TaskAccepted } from './schemas.ts'

const CARD = {
  title: 'Corner shop',
  body: 'Sells what is missing.',
  category: 'BUSINESS',
  privacy_level: 'BUSINESS',
  tags: ['shop'],
}
/** The answer of routes that begin a task. */
export const ACCEPTED = { 200: json('The task.', TaskAccepted, ['Location']) }

const Cards = z.union([
  ImportRequest.extend({ cards: z.array(NewCard) }),
  z.array(NewCard).describe('Cards alone, as an export gives them, at most 1,000,000; options stand in the query.'),
])

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
const LINES = { lines: `${JSON.stringify(CARD)}\n` }
const CSV = {
  file: 'title,body,category,privacy_level,tags\nCorner shop,Sells what is missing.,BUSINESS,BUSINESS,"shop,corner"\n',
}
const OF_LINES = 'A card a line, at most 1,000,000.'
const OF_CSV = 'RFC 4180, with a header that names the fields of a card; at most 1,000,000.'
const OF_XLSX = 'XLSX. Its first sheet, with a header that names the fields of a card; at most 1,000,000 rows.'

export const intoCards = {
  route: 'POST /bulk/import',
  id: 'importCards',
  summary: 'Import cards',
  description:
    'A card that is wrong fails alone. A JSON object holds at most 10,000 cards and 64 MB; a JSON array, NDJSON, CSV and XLSX hold up to 1,000,000. Options may stand in the query, whatever the body.',
  query: ImportQuery,
  headers: ['Idempotency-Key', 'Content-Encoding'],
  body: {
    'application/json': {
      schema: Cards,
      examples: { options: { cards: [CARD], on_duplicate: 'skip' }, 'cards alone': [CARD] },
    },
    'application/x-ndjson': { schema: z.string().describe(OF_LINES), examples: LINES },
    'text/csv': { schema: z.string().describe(OF_CSV), examples: CSV },
    // Not declared as binary, because orval then sends the object form as it is.
    [XLSX]: { schema: z.string().meta({ contentMediaType: XLSX }).describe(OF_XLSX) },
  },
  bodyIsStreamed: true,
  answers: ACCEPTED,
  errors: [400, 409, 413, 415],
} satisfies Endpoint

const file = (of: string) => z.string().meta({ format: 'binary' }).describe(of)

/** The same route for files: client generators support one media type of a body an operation, mostly JSON. */
export const intoCardsByFile = {
  ...intoCards,
  route: 'POST /bulk/import/file',
  id: 'importCardsFile',
  summary: 'Import a file of cards',
  description: 'As `importCards` does, for generated clients, which send the file as it is.',
  body: {
    'application/x-ndjson': { schema: file(OF_LINES), examples: LINES },
    'text/csv': { schema: file(OF_CSV), examples: CSV },
    [XLSX]: { schema: file(OF_XLSX) },
  },
} satisfies Endpoint
