/** Described: cards in bulk, and their tasks. */
import * as z from 'zod'
import { type Content, type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import {
  DeleteRequest,
  ExportRequest,
  Health,
  ImportQuery,
  ImportRequest,
  ListTokens,
  NewCard,
  RestoreRequest,
  TaskAccepted,
  TaskResumed,
  TaskStatus,
  Tokens,
} from './schemas.ts'

const ID = { task_id: 'Id of a task, or the `Idempotency-Key` it was made under.' }
const CARD = {
  title: 'Corner shop',
  body: 'Sells what is missing.',
  category: 'BUSINESS',
  privacy_level: 'BUSINESS',
  tags: ['shop'],
}
const ACCEPTED = { 200: json('The task.', TaskAccepted, ['Location']) }

const Cards = z.union([
  ImportRequest.extend({ cards: z.array(NewCard) }),
  z.array(NewCard).describe('Cards alone, as an export gives them, at most 1,000,000; options stand in the query.'),
])

const intake: Readonly<Record<string, Content>> = {
  'application/json': {
    schema: Cards,
    examples: { options: { cards: [CARD], on_duplicate: 'skip' }, 'cards alone': [CARD] },
  },
  'application/x-ndjson': {
    schema: z.string().describe('A card a line, at most 1,000,000.'),
    examples: { lines: `${JSON.stringify(CARD)}\n` },
  },
  'text/csv': {
    schema: z.string().describe('RFC 4180, with a header that names the fields of a card; at most 1,000,000.'),
    examples: {
      file: 'title,body,category,privacy_level,tags\nCorner shop,Sells what is missing.,BUSINESS,BUSINESS,"shop,corner"\n',
    },
  },
}

/** A route that begins a task on cards named by id. */
const change = (verb: 'delete' | 'restore', summary: string, schema: z.ZodType): Endpoint => ({
  route: `POST /bulk/${verb}`,
  id: `${verb}Cards`,
  summary,
  headers: ['Idempotency-Key'],
  body: jsonBody(schema, { one: { card_ids: ['01a1fe16-782b-7336-83b0-f701eca0ae1c'] } }),
  answers: ACCEPTED,
  errors: [400, 409, 413, 415],
})

export const endpoints: readonly Endpoint[] = [
  {
    route: 'POST /bulk/import',
    id: 'importCards',
    summary: 'Import cards',
    description:
      'A card that is wrong fails alone. A JSON object holds at most 10,000 cards and 64 MB; a JSON array, NDJSON and CSV hold up to 1,000,000. Options may stand in the query, whatever the body.',
    query: ImportQuery,
    headers: ['Idempotency-Key', 'Content-Encoding'],
    body: intake,
    answers: ACCEPTED,
    errors: [400, 409, 413, 415],
  },
  {
    route: 'POST /bulk/export',
    id: 'exportCards',
    summary: 'Export cards to a file',
    headers: ['Idempotency-Key'],
    body: jsonBody(ExportRequest, { csv: { format: 'csv', privacy_levels: ['BUSINESS'] }, all: {} }),
    answers: ACCEPTED,
    errors: [400, 409, 413, 415],
  },
  change('delete', 'Delete cards', DeleteRequest),
  change('restore', 'Bring back cards that were softly deleted', RestoreRequest),
  {
    route: 'GET /bulk/status/:task_id',
    id: 'readTask',
    summary: 'Where a task stands, and what it came to',
    path: ID,
    answers: { 200: json('The task.', TaskStatus) },
    errors: [404],
  },
  {
    route: 'POST /bulk/import/:task_id/resume',
    id: 'resumeImport',
    summary: 'Import what an import that has ended did not',
    path: ID,
    answers: { 200: json('It goes on.', TaskResumed) },
    errors: [404, 409],
  },
  {
    route: 'GET /bulk/tokens',
    id: 'listTokens',
    summary: 'Tokens earned, newest first, and their sum',
    query: ListTokens,
    answers: { 200: json('A page.', Tokens) },
    errors: [400],
  },
  {
    route: 'GET /bulk/health',
    id: 'readCardHealth',
    summary: 'Whether workers answer',
    access: 'public',
    answers: { 200: json('Healthy, or degraded.', Health) },
  },
]
