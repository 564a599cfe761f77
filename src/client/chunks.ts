/** The client of chunks, `/api/chunks`: many by reference, or one. */
import type { BulkChunks, Chunk, ChunkPage, ChunksLoaded, NewChunk } from '../features/chunks/schemas.ts'
import type { Client } from './client.ts'
import { type Http, json } from './http.ts'
import { Page } from './page.ts'
import type { Sent } from './schema-types.ts'
import { readSentence } from './surface-errors.ts'
import type { CallOptions } from './types.ts'

/** Makes the client of chunks. */
export function chunksClient(client: Client): ChunksClient {
  return new ChunksClient(client)
}

export class ChunksClient {
  readonly #http: Http

  /** Use `chunksClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'chunks', mount: '/api/chunks', read: readSentence })
  }

  /** Reads chunks by reference, up to 100,000. One that is not found is an error under its reference and touches no other. */
  get(references: readonly string[], call?: CallOptions): Promise<BulkChunks> {
    return this.#http.json('/bulk', { method: 'POST', ...json({ chunk_references: references }), ...call })
  }

  /** Reads one chunk. @throws ApiError NOT_FOUND */
  read(reference: string, call?: CallOptions): Promise<Chunk> {
    return this.#http.json(`/${encodeURIComponent(reference)}`, call)
  }

  /** Loads up to 20,000 chunks; one with the same id is replaced. @returns their ids */
  async load(chunks: readonly Sent<typeof NewChunk>[], call?: CallOptions): Promise<string[]> {
    const answer: ChunksLoaded = await this.#http.json('', { method: 'POST', ...json({ chunks }), ...call })
    return answer.ids
  }

  /** All chunks that the caller may read. */
  async list(
    query: { readonly limit?: number; readonly cursor?: string } = {},
    call?: CallOptions,
  ): Promise<Page<Chunk, string>> {
    const { chunks, next_cursor: next }: ChunkPage = await this.#http.json('', { query, ...call })
    return new Page(chunks, next, (cursor) => this.list({ ...query, cursor }, call))
  }
}
