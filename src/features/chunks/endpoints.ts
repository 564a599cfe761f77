/** Described: chunks by reference. */

import { type Endpoint, json, jsonBody, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { BulkChunks, Chunk, ChunkPage, ChunkReferences, ChunksLoaded, ListChunks, LoadChunks } from './schemas.ts'

export const endpoints: readonly Endpoint[] = [
  {
    route: 'POST /api/chunks/bulk',
    id: 'readChunks',
    summary: 'Chunks by reference',
    description: 'One that is not found is an error under its reference and touches no other.',
    headers: ['If-None-Match'],
    body: jsonBody(ChunkReferences, { two: { chunk_references: ['k_1', 'e_404'] } }),
    answers: { 200: json('Chunks and errors, by reference.', BulkChunks, ['ETag']), 304: NOT_MODIFIED },
    errors: [400, 413, 415, 503],
  },
  {
    route: 'POST /api/chunks',
    id: 'loadChunks',
    summary: 'Load chunks; one with the same id is replaced',
    body: jsonBody(LoadChunks, { one: { chunks: [{ id: 'k_1', text: 'What the expert said', speaker: 'A' }] } }),
    answers: { 201: json('Loaded.', ChunksLoaded) },
    errors: [400, 405, 413, 415, 503],
  },
  {
    route: 'GET /api/chunks',
    id: 'listChunks',
    summary: 'All chunks, page by page',
    query: ListChunks,
    headers: ['If-None-Match'],
    answers: { 200: json('A page.', ChunkPage, ['ETag']), 304: NOT_MODIFIED },
    errors: [400, 405, 503],
  },
  {
    route: 'GET /api/chunks/:id',
    id: 'readChunk',
    summary: 'One chunk',
    path: { id: 'Its reference.' },
    headers: ['If-None-Match'],
    answers: { 200: json('The chunk.', Chunk, ['ETag']), 304: NOT_MODIFIED },
    errors: [400, 404, 503],
  },
]
