/** Types shared by the folders of this feature: documents as read, chunked, embedded, stored and found. */
import type { SQL } from 'drizzle-orm'
import type { Statement } from '../../ports.ts'

/** One block of a document, in reading order. */
export interface Block {
  readonly kind: 'heading' | 'paragraph' | 'row' | 'code'
  readonly text: string
  /** Headings above it, the outermost first, without the block itself. */
  readonly headings: readonly string[]
  /** Page or slide, from 1. */
  readonly page?: number
  readonly startSeconds?: number
  readonly endSeconds?: number
}

/** Speech in a recording; start and end are seconds from its beginning. */
export interface Segment {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** A document as read from its bytes. */
export interface ReadDocument {
  readonly title: string
  /** BCP 47 tag; absent where it is not declared. */
  readonly language?: string
  readonly blocks: readonly Block[]
  /** Segments of captions and recordings. */
  readonly segments?: readonly Segment[]
  readonly warnings: readonly string[]
}

/** Range of UTF-16 code units of a text; the end is not part of it. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

/** A short paragraph, or whole sentences of up to 35 words, as offsets in their chunk's text, with their position in the document. */
export interface Run extends TextRange {
  readonly page?: number
  readonly heading?: string
  readonly startSeconds?: number
  readonly endSeconds?: number
}

/** Part of a document's text that is stored and found as a unit. */
export interface Chunk extends TextRange {
  /** Index among the document's chunks, from 0. */
  readonly index: number
  /** `start` to `end` of the document's text. */
  readonly text: string
  /** Tokens of the model. */
  readonly tokens: number
  readonly page?: number
  /** Path of headings of its first block, joined by ` › `. */
  readonly heading?: string
  readonly startSeconds?: number
  readonly endSeconds?: number
  /** Runs of whole sentences, each embedded by itself; offsets in `text`. Empty only where the chunk is blank. */
  readonly runs: readonly Run[]
}

/** A document cut into chunks. */
export interface ChunkedDocument {
  /** The blocks' texts, joined by blank lines; a table's rows by line feeds. */
  readonly text: string
  readonly chunks: readonly Chunk[]
}

/** Embeds texts as vectors. Tokens are counted by the task `rag.chunk`, which has the vocabulary. */
export interface EmbeddingModel {
  readonly id: string
  readonly dimensions: number
  /** Most tokens of a text that it reads. */
  readonly maxTokens: number
  /**
   * Embeds texts: a vector of length 1 each, in the same order. `owner`: whose share of Compute it uses.
   * @throws MillraceError
   */
  embed(
    texts: readonly string[],
    options: { readonly signal?: AbortSignal; readonly owner: string },
  ): Promise<readonly Float32Array[]>
  /**
   * Embeds a query: a vector of length 1, near to those of texts that answer it.
   * @throws MillraceError
   */
  embedQuery(query: string, options: { readonly signal?: AbortSignal; readonly owner: string }): Promise<Float32Array>
}

/** Set of documents of an owner that are searched together; all have one model. */
export interface Collection {
  readonly id: number
  readonly owner: string
  readonly name: string
  readonly model: string
  readonly dimensions: number
  /** Options that its vectors share, see `spaceOf`. */
  readonly space: string
}

/** A chunk with the vectors of its runs. */
export interface EmbeddedChunk extends Chunk {
  /** Vectors of length 1: of each of `runs`, or one of the whole chunk; none where the model refused its text. */
  readonly vectors: readonly Float32Array[]
}

/** A document to be stored; it replaces an earlier one of the same source. */
export interface NewDocument {
  /** UUIDv7, made before the work, so that a retried attempt writes the same document. */
  readonly id: string
  readonly collection: Collection
  readonly batchId: string
  /** Name of its source within the collection: its URL, else its file name. A later document of the same source replaces it. */
  readonly sourceKey: string
  /** Lower-case hex SHA-256 of its bytes. */
  readonly contentHash: string
  /** Fingerprint of the settings for chunking and embedding. */
  readonly settingsHash: string
  readonly title: string
  readonly url: string | null
  readonly language: string | null
  /** Size in bytes, as received. */
  readonly size: number
  readonly chunks: readonly EmbeddedChunk[]
  /** Address of the channel that it is an item of, and what was listed of it there; null of others. */
  readonly channel: string | null
  readonly version: string | null
  /** Its transcript; empty where it is no recording. */
  readonly segments: readonly Segment[]
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** A stored document in lists. */
export interface StoredDocument {
  readonly id: string
  readonly collection: string
  readonly batchId: string
  readonly title: string
  readonly url: string | null
  readonly language: string | null
  readonly size: number
  readonly chunks: number
  readonly tokens: number
  readonly createdAt: number
}

/** Writes of a job: statements for the commit that completes it, each guarded by its lease. */
export type GuardedWrites = (held: SQL<boolean>) => readonly Statement[]

/** Modes of search: by vectors, by text, by both. */
export type SearchMode = 'vector' | 'text' | 'hybrid'

/** Conditions that a result's document must meet, all of them. */
export interface SearchFilter {
  readonly documents?: readonly string[]
  readonly urls?: readonly string[]
  readonly titles?: readonly string[]
  readonly languages?: readonly string[]
}

/** A question to a collection. */
export interface SearchRequest {
  readonly query: string
  readonly mode: SearchMode
  /** Most results. */
  readonly topK: number
  readonly filter?: SearchFilter
  /** Only documents of this job. */
  readonly batchId?: string
}

/** A found chunk, in the format of the API. */
export interface SearchResult {
  /** `r_…`, for `/api/chunks/bulk`. */
  readonly reference: string
  /** At most 1; the higher, the better. */
  readonly score: number
  readonly text: string
  /** The part of `text` that answers best. */
  readonly highlight: TextRange
  readonly source: {
    readonly title: string
    readonly url: string | null
    readonly page?: number
    readonly heading?: string
    readonly start_seconds?: number
    readonly end_seconds?: number
  }
}
