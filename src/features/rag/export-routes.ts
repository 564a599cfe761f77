/** Routes of exports: create, status, download, delete. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { deleteBatch, stopBatch } from '../../engine/transitions/batch-commands.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { downloadAnswers, type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { callersKey } from '../../http/request/idempotency-key.ts'
import { sendArtifact } from '../../http/response/artifact.ts'
import { PROCESSING_ERRORS } from '../../http/response/error-formats.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { limitJson } from './body-limit.ts'
import { ExportAccepted, ExportJob, ExportPath, ExportStatus } from './export-schemas.ts'
import { EXPORT, MOUNT } from './names.ts'
import type { ExportPlan } from './operations/export.ts'
import { type ExportTask, findExport } from './queries/exports.ts'
import { findJob, type ProcessJob } from './queries/jobs.ts'
import { Deleted } from './schemas.ts'
import { findCollection } from './store/collections.ts'

const GONE = 'There is no export with this id. It may have been deleted, not be ready yet, or belong to someone else.'

const file = { 'application/octet-stream': { schema: z.file() } }

const exportEmbeddings = {
  route: 'POST /api/public/bulk/export',
  id: 'exportEmbeddings',
  summary: 'Export the chunks and vectors of a job, or of a collection',
  body: jsonBody(ExportJob, {
    json: { job_id: 'bulk-1641024000123', format: 'json', export_id: 'export-1641024000456' },
  }),
  answers: { 200: json('The export.', ExportAccepted, ['Location']) },
  errors: [400, 404, 413, 415],
} satisfies Endpoint

const readEmbeddingsExport = {
  route: 'GET /api/public/bulk/export/:export_id/status',
  id: 'readEmbeddingsExport',
  summary: 'Where an export stands',
  path: ExportPath,
  answers: { 200: json('The export.', ExportStatus) },
  errors: [404],
} satisfies Endpoint

const downloadEmbeddings = {
  route: 'GET /api/public/bulk/download/:export_id',
  id: 'downloadEmbeddings',
  summary: 'Download an export, whole or in part',
  path: ExportPath,
  headers: ['Range', 'If-Range', 'If-None-Match'],
  answers: downloadAnswers(file),
  errors: [404],
} satisfies Endpoint

const deleteEmbeddingsExport = {
  route: 'DELETE /api/public/bulk/export/:export_id',
  id: 'deleteEmbeddingsExport',
  summary: 'Delete an export',
  path: ExportPath,
  answers: { 200: json('It is gone.', Deleted) },
  errors: [404, 409],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [
  exportEmbeddings,
  readEmbeddingsExport,
  downloadEmbeddings,
  deleteEmbeddingsExport,
]

/** `POST /export`, `GET /export/:export_id/status`, `GET /download/:export_id`, `DELETE /export/:export_id`. */
export function exportRoutes(deps: AppDeps): Hono<Env> {
  return new Routes(MOUNT, PROCESSING_ERRORS)
    .add(exportEmbeddings, (c) => begin(c, deps), [limitJson])
    .add(readEmbeddingsExport, async (c) => {
      const task = await find(c, deps, c.req.valid('param').export_id)
      c.header('Cache-Control', 'no-store')
      return c.json(present(deps, task))
    })
    .add(downloadEmbeddings, async (c) => {
      const { file: made } = await find(c, deps, c.req.valid('param').export_id)
      if (made === null) throw new MillraceError('NOT_FOUND', GONE)
      return sendArtifact(c, deps, made, { contentType: 'application/octet-stream', gone: GONE })
    })
    .add(deleteEmbeddingsExport, async (c) => {
      const task = await find(c, deps, c.req.valid('param').export_id)
      const isUnderWay = task.status === 'pending' || task.status === 'processing'
      if (isUnderWay) await stopBatch(deps, task.id, 'CANCELLED')
      await deleteBatch(deps, task.id)
      return c.json({ success: true })
    }).hono
}

async function find(c: Context<Env>, deps: AppDeps, id: string): Promise<ExportTask> {
  const task = await findExport(deps.db, c.get('caller').owner, id)
  if (task === null) throw new MillraceError('NOT_FOUND', GONE)
  return task
}

function present(deps: AppDeps, { name, status, progress, error, file }: ExportTask): ExportStatus {
  return {
    export_id: name,
    status,
    progress,
    download_url: file === null ? null : publicPath(deps, `${MOUNT}/download/${encodeURIComponent(name)}`),
    filename: file?.filename ?? null,
    file_size: file?.size ?? null,
    error,
  }
}

async function begin(c: RouteContext<typeof exportEmbeddings>, deps: AppDeps): Promise<Response> {
  const operation = deps.operations[EXPORT]
  if (operation === undefined) throw new Error(`The operation "${EXPORT}" is not registered.`)
  const request = c.req.valid('json')
  const { owner } = c.get('caller')
  const idempotency = callersKey(c, 'export_id', request.export_id, request)
  // An export that was accepted before is answered even where its job was deleted.
  const known = (await findExport(deps.db, owner, request.export_id)) !== null
  const plan = known ? null : await planExport(deps, owner, request)
  try {
    await submit(deps, { owner, operation, request: plan, idempotency, admit: c.get('admit') })
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'IDEMPOTENCY_KEY_REUSED') throw error
    throw invalidRequest('export_id', `export_id: "${request.export_id}" is used for something else. Use a new one`)
  }
  const answer: ExportAccepted = {
    success: true,
    export_id: request.export_id,
    message: 'Export started successfully',
    status_url: publicPath(deps, `${MOUNT}/export/${encodeURIComponent(request.export_id)}/status`),
  }
  c.header('Location', answer.status_url)
  return c.json(answer)
}

const EXTENSIONS = { json: 'json', csv: 'csv', parquet: 'parquet', vector: 'jsonl' } as const

/**
 * Makes the request to the operation.
 * @throws MillraceError NOT_FOUND, or INVALID_REQUEST where there is nothing to export
 */
async function planExport(
  deps: AppDeps,
  owner: string,
  { job_id: name, collection, documents, format, target, gzip }: z.output<typeof ExportJob>,
): Promise<ExportPlan> {
  if (name === undefined && collection === undefined) {
    throw invalidRequest('job_id', 'job_id: Required, unless collection names the documents to export')
  }
  const job = name === undefined ? null : await findJob(deps.db, owner, name)
  if (name !== undefined) checkJob(job)
  else if (collection !== undefined && (await findCollection(deps.db, owner, collection)) === null) {
    throw new MillraceError('NOT_FOUND', 'There is no collection with this name.')
  }
  const day = new Date(deps.clock.now()).toISOString().slice(0, 10).replaceAll('-', '')
  const extension = format === 'vector' && target === 'pgvector' ? 'copy' : EXTENSIONS[format]
  const filename = `bulk-embeddings-${day}.${extension}${gzip ? '.gz' : ''}`
  return {
    batchId: job?.id ?? null,
    collection: collection ?? null,
    documents: documents ?? null,
    format,
    target,
    gzip,
    filename,
  }
}

function checkJob(job: ProcessJob | null): void {
  if (job === null) {
    throw new MillraceError('NOT_FOUND', 'There is no job with this id, or it belongs to someone else.')
  }
  if (job.finishedAt === null) {
    throw invalidRequest('job_id', 'job_id: The job has not completed yet. Export it when its status is "completed"')
  }
  if (job.completed > 0) return
  const issue = `The job ended as "${job.status}" without a document, so there is nothing to export`
  throw invalidRequest('job_id', `job_id: ${issue}`)
}
