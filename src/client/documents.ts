/** The client of documents, `/api/public/bulk`: read, embedded, searched, exported. */
import type { ExportAccepted, ExportJob, ExportStatus } from '../features/rag/export-schemas.ts'
import type {
  CleanedUp,
  DocumentList,
  ProcessAccepted,
  ProcessRequest,
  ProcessStatus,
  SearchQuery,
  SearchResults,
  Uploaded,
} from '../features/rag/schemas.ts'
import type { BatchStream, FollowOptions } from './batch-stream.ts'
import type { Client } from './client.ts'
import { type Http, json } from './http.ts'
import type { EventWith } from './items.ts'
import { randomKey } from './keys.ts'
import { Page } from './page.ts'
import type { Read } from './schema-types.ts'
import { readWords } from './surface-errors.ts'
import type { CallOptions, Document } from './types.ts'
import { appendFiles } from './uploads.ts'

/** Options of an export: its format, what it takes, and the caller's own name for it. */
export type ExportOptions = Partial<Omit<ExportJob, 'job_id'>>

/** A document that was uploaded, as the upload was answered, or a small text. */
export type DocumentSource =
  | { readonly id: string }
  | { readonly id: string; readonly filename: string; readonly text: string }

/** Documents to be processed: uploaded ones, or links. */
export type ProcessDocuments = Partial<Pick<ProcessRequest, 'job_id' | 'collection' | 'settings' | 'user_id'>> &
  ({ readonly documents: readonly DocumentSource[] } | { readonly urls: readonly string[] })

/** A job that processes documents, by its id or by the answer to its creation. */
export type ProcessRef = string | Pick<ProcessAccepted, 'job_id'>
/** An export, likewise. */
export type ExportRef = string | Pick<ExportAccepted, 'export_id'>

/** Facts that `job_completed` has: of a document that was stored, or skipped because it was there. */
interface DocumentFacts {
  readonly documentId: string | null
  readonly title: string | null
  readonly chunks: number
  readonly skipped: boolean
}
/** An event of a job that processes documents. */
export type DocumentEvent = EventWith<DocumentFacts, { readonly embeddings: number }>

/** A document in a list. */
export type StoredDocument = DocumentList['documents'][number]
/** A passage that was found. */
export type SearchHit = Read<typeof SearchResults>['results'][number]
/** Options of a search. */
export type SearchOptions = Partial<Omit<Read<typeof SearchQuery>, 'query'>>

/** Makes the client of documents. Its key needs `batch:read` as well for `follow` and `wait`. */
export function documentsClient(client: Client): DocumentsClient {
  return new DocumentsClient(client)
}

export class DocumentsClient {
  readonly #client: Client
  readonly #http: Http

  /** Use `documentsClient`. */
  constructor(client: Client) {
    this.#client = client
    this.#http = client.http.at({ name: 'documents', mount: '/api/public/bulk', read: readWords })
  }

  /** Uploads documents of up to 50 MB each, to be processed within a day. */
  async upload(files: readonly Document[], call?: CallOptions): Promise<Uploaded['documents']> {
    const body = new FormData()
    appendFiles(body, 'files', files, 'document')
    const answer: Uploaded = await this.#http.json('/uploads', { method: 'POST', body, answerMs: 0, ...call })
    return answer.documents
  }

  /** Reads, cuts, embeds and stores documents, up to 1,000: those that were uploaded, small texts, or links. */
  process(request: ProcessDocuments, call?: CallOptions): Promise<ProcessAccepted> {
    const { job_id = randomKey(), collection, settings = {}, user_id } = request
    const sources =
      'urls' in request
        ? { input_method: 'urls', pasted_urls: request.urls }
        : { input_method: 'upload', uploaded_documents: request.documents }
    const body = {
      ...{ job_id, collection, settings, user_id, platform: 'documents', selected_content: [] },
      ...{ embedding_model: { id: 'local' }, vector_db: { id: 'builtin' } },
      ...sources,
    } satisfies { [name in keyof ProcessRequest]?: unknown }
    return this.#http.json('/process', { method: 'POST', ...json(body), answerMs: 0, ...call })
  }

  /** Reads the state of a job, and its result. */
  status(job: ProcessRef, call?: CallOptions): Promise<ProcessStatus> {
    return this.#http.json(`/job/${jobPath(job)}/status`, call)
  }

  /** Follows a job live, as `Client.follow` does: an event for each document. */
  follow(job: ProcessRef, options?: FollowOptions): BatchStream<DocumentEvent> {
    return this.#client.follow<DocumentEvent>(jobId(job), options)
  }

  /** Waits until a job has ended, and reads its result. */
  async wait(job: ProcessRef, call?: CallOptions): Promise<ProcessStatus> {
    await this.#client.wait(jobId(job), call)
    return this.status(job, call)
  }

  /** Finds the passages that answer a question, best first; 10 unless `top_k` says otherwise. */
  async search(query: string, options: SearchOptions = {}, call?: CallOptions): Promise<SearchHit[]> {
    const sent = json({ ...options, query })
    const { results } = await this.#http.json<Read<typeof SearchResults>>('/search', {
      method: 'POST',
      ...sent,
      ...call,
    })
    return results
  }

  /** The documents of a collection. */
  async list(
    query: { readonly collection?: string; readonly limit?: number; readonly cursor?: string } = {},
    call?: CallOptions,
  ): Promise<Page<StoredDocument, string>> {
    const { documents, next }: DocumentList = await this.#http.json('/documents', { query, ...call })
    return new Page(documents, next, (cursor) => this.list({ ...query, cursor }, call))
  }

  /** Deletes a document with its chunks and vectors. */
  async delete(id: string, call?: CallOptions): Promise<void> {
    await this.#http.json(`/documents/${encodeURIComponent(id)}`, { method: 'DELETE', again: false, ...call })
  }

  /** Exports the chunks and vectors of a job that has ended. @param export_id the caller's own name for it; default: random */
  export(
    job: ProcessRef,
    { format = 'json', export_id = randomKey(), ...more }: ExportOptions = {},
    call?: CallOptions,
  ): Promise<ExportAccepted> {
    const { headers, body } = json({ job_id: jobId(job), format, export_id, ...more })
    return this.#http.json('/export', { method: 'POST', headers, body, ...call })
  }

  /** Reads where an export stands. */
  exportStatus(of: ExportRef, call?: CallOptions): Promise<ExportStatus> {
    return this.#http.json(`/export/${exportPath(of)}/status`, call)
  }

  /** Waits until an export has ended, and reads how. */
  async waitForExport(of: ExportRef, call?: CallOptions): Promise<ExportStatus> {
    await this.#client.wait(exportId(of), call)
    return this.exportStatus(of, call)
  }

  /** Downloads the file of an export that has ended. */
  download(of: ExportRef, call?: CallOptions): Promise<Response> {
    return this.#http.file(`/download/${exportPath(of)}`, call)
  }

  /** Deletes an export, and stops it where it is under way. */
  async deleteExport(of: ExportRef, call?: CallOptions): Promise<void> {
    await this.#http.json(`/export/${exportPath(of)}`, { method: 'DELETE', again: false, ...call })
  }

  /**
   * Removes jobs and exports that have ended; documents stay. For development: servers under `keys` refuse it unless configured to allow it.
   * @returns how many
   */
  async cleanUp(query: { readonly older_than_hours?: number } = {}, call?: CallOptions): Promise<number> {
    const answer: Read<typeof CleanedUp> = await this.#http.json('/cleanup', { method: 'DELETE', query, ...call })
    return answer.deleted_count
  }
}

const jobId = (job: ProcessRef) => (typeof job === 'string' ? job : job.job_id)
const jobPath = (job: ProcessRef) => encodeURIComponent(jobId(job))
const exportId = (of: ExportRef) => (typeof of === 'string' ? of : of.export_id)
const exportPath = (of: ExportRef) => encodeURIComponent(exportId(of))
