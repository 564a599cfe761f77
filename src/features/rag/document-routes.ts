/** Routes of uploads and of stored documents: list, search, delete. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { commitWithin } from '../../engine/storage-quota.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { PROCESSING_ERRORS } from '../../http/response/error-formats.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { limitJson } from './body-limit.ts'
import { MOUNT } from './names.ts'
import { findJob, readExportedDocuments } from './queries/jobs.ts'
import {
  Deleted,
  DocumentCursor,
  DocumentList,
  ListDocuments,
  MAX_DOCUMENT_BYTES,
  SearchQuery,
  SearchResults,
  Uploaded,
  UploadForm,
} from './schemas.ts'
import { searchCollection } from './search/search.ts'
import { deleteDocument } from './store/delete.ts'
import { listDocuments } from './store/documents.ts'
import { MAX_RECORDING_BYTES } from './transcript/transcribe.ts'
import type { SearchFilter } from './types.ts'
import { storeFiles } from './upload-form.ts'
import { insertUnclaimed, type UploadedFile } from './uploads.ts'

const uploadDocuments = {
  route: 'POST /api/public/bulk/uploads',
  id: 'uploadDocuments',
  summary: 'Upload documents for jobs to come',
  description:
    'Each up to 50 MB, a recording up to 1 GB on Node, a form up to 1 GB unless the operator set `MAX_UPLOAD_BYTES`. They are kept for a day; jobs take copies.',
  body: {
    'multipart/form-data': { schema: UploadForm, examples: { file: { files: ['The pump is serviced every March.'] } } },
  },
  answers: { 200: json('The documents.', Uploaded) },
  errors: [400, 413, 415],
} satisfies Endpoint

const searchDocuments = {
  route: 'POST /api/public/bulk/search',
  id: 'searchDocuments',
  summary: 'Search documents by meaning, by words, or by both',
  body: jsonBody(SearchQuery, { question: { query: 'When is the pump serviced?' } }),
  answers: { 200: json('The best chunks, best first.', SearchResults) },
  errors: [400, 404, 413, 415],
} satisfies Endpoint

const listStored = {
  route: 'GET /api/public/bulk/documents',
  id: 'listDocuments',
  summary: 'Documents of a collection',
  query: ListDocuments,
  answers: { 200: json('A page.', DocumentList) },
  errors: [400],
} satisfies Endpoint

const deleteStored = {
  route: 'DELETE /api/public/bulk/documents/:id',
  id: 'deleteDocument',
  summary: 'Delete a document with its chunks and vectors',
  path: z.strictObject({ id: z.string().describe('Id of a document.') }),
  answers: { 200: json('It is gone.', Deleted) },
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [uploadDocuments, searchDocuments, listStored, deleteStored]

/** `POST /uploads`, `POST /search`, `GET /documents`, `DELETE /documents/:id`. */
export function documentRoutes(deps: AppDeps): Hono<Env> {
  return new Routes(MOUNT, PROCESSING_ERRORS)
    .add(uploadDocuments, (c) => upload(c, deps))
    .add(searchDocuments, (c) => find(c, deps), [limitJson])
    .add(listStored, async (c) => {
      const { collection, limit, cursor } = c.req.valid('query')
      const { owner } = c.get('caller')
      const { documents, next } = await listDocuments(deps.db, owner, { collection, limit, after: cursor ?? null })
      const answer: DocumentList = {
        documents: documents.map(({ batchId: _, createdAt, ...document }) => ({
          ...document,
          created_at: new Date(createdAt).toISOString(),
        })),
        next: next === null ? null : z.encode(DocumentCursor, next),
      }
      return c.json(answer)
    })
    .add(deleteStored, async (c) => {
      const isDeleted = await deleteDocument(deps.db, c.get('caller').owner, c.req.valid('param').id)
      if (isDeleted) return c.json({ success: true })
      throw new MillraceError('NOT_FOUND', 'There is no document with this id, or it belongs to someone else.')
    }).hono
}

/** Stores the files of a form for later jobs. The files of a refused form are deleted. */
async function upload(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const { owner } = c.get('caller')
  const pending = await deps.quota?.open(owner)
  const stored: UploadedFile[] = []
  let kept = false
  try {
    const blobs = pending?.count(deps.blobs) ?? deps.blobs
    const maxRecordingBytes = deps.speech?.decoder == null ? MAX_DOCUMENT_BYTES : MAX_RECORDING_BYTES
    await storeFiles(c.req.raw, { blobs, maxFormBytes: deps.maxUploadBytes, maxRecordingBytes }, stored)
    const bytes = stored.reduce((sum, { size }) => sum + size, 0)
    const [first, ...rest] = insertUnclaimed(deps, owner, stored)
    if (first !== undefined) {
      await commitWithin(deps.quota, { owner, bytes }, (check) => deps.db.batch([first, ...rest, ...check]))
    }
    kept = true
  } catch (error) {
    // After an unexpected error the commit may still have been written, so the files are left to the sweep.
    kept = !(error instanceof MillraceError)
    throw error
  } finally {
    if (!kept) {
      await deps.blobs
        .delete(stored.map(({ key }) => key))
        .catch((err: unknown) =>
          deps.log.warn(
            { event: 'upload.cleanup_failed', err },
            'uploaded files could not be deleted; the sweep deletes them',
          ),
        )
    }
    pending?.release()
  }
  const answer: Uploaded = {
    success: true,
    documents: stored.map(({ id, filename, size, contentType }) => ({ id, filename, size, content_type: contentType })),
  }
  return c.json(answer)
}

async function find(c: RouteContext<typeof searchDocuments>, deps: AppDeps): Promise<Response> {
  const { query, collection, job_id: name, top_k: topK, mode, filter } = c.req.valid('json')
  const { owner } = c.get('caller')
  const job = name === undefined ? null : await findJob(deps.db, owner, name)
  if (name !== undefined && job === null) {
    throw new MillraceError('NOT_FOUND', 'There is no job with this id, or it belongs to someone else.')
  }
  const ids = job === null ? null : (await readExportedDocuments(deps.db, owner, job.id)).map((one) => one.documentId)
  const results = await searchCollection(deps, owner, {
    collection,
    query,
    mode,
    topK,
    ...filterOf(filter, ids),
  })
  return c.json({ results })
}

/**
 * Makes the filter of a search.
 * @param ids documents of the job that it is limited to; null for any
 */
function filterOf(
  asked: z.infer<typeof SearchQuery>['filter'],
  ids: readonly string[] | null,
): { readonly filter?: SearchFilter } {
  if (asked === undefined && ids === null) return {}
  const { documents, urls, titles, languages } = asked ?? {}
  const wanted = documents === undefined ? ids : documents.filter((id) => ids === null || ids.includes(id))
  return {
    filter: {
      ...(wanted === null ? {} : { documents: wanted }),
      ...(urls === undefined ? {} : { urls }),
      ...(titles === undefined ? {} : { titles }),
      ...(languages === undefined ? {} : { languages }),
    },
  }
}
