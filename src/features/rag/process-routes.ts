/** Routes of jobs that process documents: create, status, cleanup. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { submit } from '../../engine/transitions/submit.ts'
import type { Upload } from '../../engine/uploads.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { filenameInLink } from '../../formats/file-name.ts'
import { socketUrl } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { callersKey } from '../../http/request/idempotency-key.ts'
import { PROCESSING_ERRORS } from '../../http/response/error-formats.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import type { Speech } from '../../speech-ports.ts'
import { limitJson } from './body-limit.ts'
import { keepSync, submitChannel } from './channels/process-channel.ts'
import { checkChoices } from './choices.ts'
import { checkCollection } from './embed/check-collection.ts'
import type { ChosenModel } from './embed/chosen-model.ts'
import { checkMaxCost } from './embed/price.ts'
import { MOUNT, PROCESS, SOCKET_PATH } from './names.ts'
import { removeEnded } from './queries/cleanup.ts'
import { estimatePhrase } from './queries/estimate.ts'
import { estimateWork } from './queries/estimate-process.ts'
import { findJob, presentJob } from './queries/jobs.ts'
import {
  CleanedUp,
  CleanupQuery,
  JobPath,
  ProcessAccepted,
  ProcessEstimate,
  ProcessQuery,
  ProcessRequest,
  ProcessStatus,
} from './schemas.ts'
import { nameSources, storeSources } from './sources.ts'
import { checkRecording } from './transcript/transcribe.ts'

const INLINE = {
  job_id: 'bulk-1641024000123',
  platform: 'documents',
  input_method: 'upload',
  selected_content: [],
  uploaded_documents: [{ id: 'note-1', filename: 'note.txt', text: 'The pump is serviced every March.' }],
  embedding_model: { id: 'local', label: 'Local' },
  vector_db: { id: 'builtin', label: 'Built in' },
  settings: { chunkSize: 1024, chunkOverlap: 100, maxTokens: 8192 },
}

const processDocuments = {
  route: 'POST /api/public/bulk/process',
  id: 'processDocuments',
  summary: 'Read, cut, embed and store documents',
  description:
    'Each document is a job of its own: three of them run at once, each is tried three times, for 300 s a try. A document of the same name in the same collection is replaced; one whose bytes and settings are the same is skipped. A store that is named without a connection is this server’s own, and the answer says so.',
  query: ProcessQuery,
  body: jsonBody(ProcessRequest, { inline: INLINE }),
  answers: { 200: json('The job, or its estimate.', z.union([ProcessAccepted, ProcessEstimate]), ['Location']) },
  errors: [400, 404, 409, 413, 415, 422, 429, 503],
} satisfies Endpoint

const readProcessing = {
  route: 'GET /api/public/bulk/job/:job_id/status',
  id: 'readProcessing',
  summary: 'Where a job stands',
  path: JobPath,
  answers: { 200: json('The job.', ProcessStatus) },
  errors: [404],
} satisfies Endpoint

const cleanUpProcessing = {
  route: 'DELETE /api/public/bulk/cleanup',
  id: 'cleanUpProcessing',
  summary: 'Remove own jobs and exports that have ended',
  description:
    'Documents stay. Answered 403 unless the operator set `ALLOW_CLEANUP`, or the server takes calls without a key.',
  query: CleanupQuery,
  answers: { 200: json('The number of jobs removed.', CleanedUp) },
  errors: [400, 403],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [processDocuments, readProcessing, cleanUpProcessing]

/** `POST /process`, `GET /job/:job_id/status`, `DELETE /cleanup`. */
export function processRoutes(deps: AppDeps): Hono<Env> {
  return new Routes(MOUNT, PROCESSING_ERRORS)
    .add(processDocuments, (c) => begin(c, deps), [limitJson])
    .add(readProcessing, async (c) => {
      const job = await findJob(deps.db, c.get('caller').owner, c.req.valid('param').job_id)
      if (job === null) throw notFound()
      c.header('Cache-Control', 'no-store')
      return c.json(await presentJob(deps.db, job))
    })
    .add(cleanUpProcessing, async (c) => {
      const { older_than_hours: hours } = c.req.valid('query')
      if (deps.auth.mode !== 'open' && deps.allowCleanup !== true) {
        throw new MillraceError(
          'FORBIDDEN',
          'Cleaning up is for development. The operator allows it with ALLOW_CLEANUP=1.',
        )
      }
      const before = deps.clock.now() - hours * 60 * 60 * 1_000
      const deleted = await removeEnded(deps, c.get('caller').owner, before)
      return c.json({ success: true, deleted_count: deleted })
    }).hono
}

const NO_SPEECH_PARTS: Speech = { transcriber: null, decoder: null, local: null }

const notFound = () =>
  new MillraceError('NOT_FOUND', 'There is no job with this id. It may have been deleted, or belong to someone else.')

async function begin(c: RouteContext<typeof processDocuments>, deps: AppDeps): Promise<Response> {
  const request = c.req.valid('json')
  const model = checkChoices(request, deps)
  checkMaxCost(request.max_cost, model, deps.vectors ?? null)
  refuseOfChannel(request, c.req.valid('query').dry_run === 'true')
  if (c.req.valid('query').dry_run === 'true') return estimate(c, deps, { request, model })
  const { owner } = c.get('caller')
  const idempotency = callersKey(c, 'job_id', request.job_id, request)
  const total = await submitJob(c, deps, { request, model }, idempotency)
  const job = await findJob(deps.db, owner, request.job_id)
  const answer: ProcessAccepted = {
    success: true,
    job_id: request.job_id,
    message: startedMessage(request.vector_db.id),
    websocket_url: await webSocketUrl(c, deps, request.job_id),
    estimated_time: await estimatePhrase(deps.db, total),
    embedding_model: { id: request.embedding_model.id, dimensions: model.dimensions },
    channel: job?.channel ?? null,
    sync: await keepSync(deps, owner, { request, model }),
    vector_db: { id: 'builtin', requested: request.vector_db.id },
    collection: request.collection,
  }
  c.header('Location', publicPath(deps, `${MOUNT}/job/${encodeURIComponent(request.job_id)}/status`))
  deps.log.info({ event: 'rag.accepted', owner, documents: total }, 'a job for documents was accepted')
  return c.json(answer)
}

/** Refuses what the list of a channel, which is read later, leaves unknown. @throws MillraceError INVALID_REQUEST */
function refuseOfChannel({ input_method: method, max_cost: maxCost }: ProcessRequest, isDryRun: boolean): void {
  if (method !== 'channel') return
  if (isDryRun) throw invalidRequest('dry_run', 'dry_run: Takes documents that the request names, not a channel')
  if (maxCost !== undefined)
    throw invalidRequest('max_cost', 'max_cost: Takes documents that the request names, not a channel')
}

/** Answers what a request would take, without storing anything of it. */
async function estimate(
  c: Context<Env>,
  deps: AppDeps,
  { request, model }: { readonly request: ProcessRequest; readonly model: ChosenModel },
): Promise<Response> {
  const { owner } = c.get('caller')
  await checkCollection(deps.db, owner, request.collection, model)
  const named = await nameSources(deps.db, owner, request)
  const { chunkSize } = request.settings
  const work = await estimateWork(deps.db, owner, named, { model, chunkSize }, deps.vectors ?? null)
  const answer: ProcessEstimate = {
    success: true,
    dry_run: true,
    ...work,
    estimated_time: await estimatePhrase(deps.db, work.items),
    embedding_model: { id: request.embedding_model.id, dimensions: model.dimensions },
    vector_db: { id: 'builtin', requested: request.vector_db.id },
    collection: request.collection,
  }
  return c.json(answer)
}

function startedMessage(store: string): string {
  const started = 'Bulk processing started successfully'
  if (store === 'builtin') return started
  return `${started}. The request names no connection to "${store}", so this server's own store "builtin" is used`
}

/** @returns the number of documents */
async function submitJob(
  c: Context<Env>,
  deps: AppDeps,
  { request, model }: { readonly request: ProcessRequest; readonly model: ChosenModel },
  idempotency: { key: string; content: unknown },
): Promise<number> {
  const operation = deps.operations[PROCESS]
  if (operation === undefined) throw new Error(`The operation "${PROCESS}" is not registered.`)
  const { owner } = c.get('caller')
  const submission = { owner, operation, idempotency, admit: c.get('admit') }
  // A job that was accepted before is answered without its documents, which may have been deleted since.
  if ((await findJob(deps.db, owner, request.job_id)) !== null) {
    return (await submit(deps, { ...submission, request: null })).totalJobs
  }
  await checkCollection(deps.db, owner, request.collection, model)
  if (request.input_method === 'channel') return submitChannel(deps, submission, { request, model })
  const named = await nameSources(deps.db, owner, request)
  for (const one of named) {
    if (one.kind === 'text' || one.kind === 'item') continue
    // The size of a link is not known yet.
    const file = one.kind === 'upload' ? one.file : { filename: filenameInLink(one.url) ?? '', size: 0 }
    await checkRecording(file, one.field, deps.speech ?? NO_SPEECH_PARTS, request.language ?? null)
  }
  const pending = await deps.quota?.open(owner)
  const stored: Upload[] = []
  let kept = false
  try {
    const { documents, uploads } = await storeSources(pending?.count(deps.blobs) ?? deps.blobs, named, stored)
    const { collection, settings, language } = request
    const { totalJobs, created } = await submit(deps, {
      ...submission,
      ...(request.max_cost === undefined
        ? {}
        : { options: { budget: { maxCost: request.max_cost, onExceeded: 'cancel' } } }),
      request: { collection, model, settings, documents, language },
      uploads,
    })
    kept = created
    return totalJobs
  } catch (error) {
    // After an unexpected error the commit may still have been written, so the files are left to the sweep.
    kept = !(error instanceof MillraceError)
    throw error
  } finally {
    if (!kept) await forget(deps, stored)
    pending?.release()
  }
}

async function forget(deps: AppDeps, stored: readonly Upload[]): Promise<void> {
  await deps.blobs
    .delete(stored.map(({ key }) => key))
    .catch((err: unknown) =>
      deps.log.warn(
        { event: 'upload.cleanup_failed', err },
        'uploaded files could not be deleted; the sweep deletes them',
      ),
    )
}

/** Makes the URL of a job's WebSocket. Only the caller reads it, so the request's host is used where no public URL is configured. */
async function webSocketUrl(c: Context<Env>, deps: AppDeps, jobId: string): Promise<string> {
  const { owner, authenticated } = c.get('caller')
  const path = `${SOCKET_PATH}${encodeURIComponent(jobId)}`
  const address = authenticated ? (await socketUrl(deps, owner, path)).url : publicPath(deps, path)
  return new URL(address, deps.publicUrl ?? c.req.url).href.replace(/^http/, 'ws')
}
