/** Serves artifacts of batches, whole or by range, to the signed address or the owner's key. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { downloadAnswers, type Endpoint } from '../../http/openapi/endpoint.ts'
import { sendArtifact } from '../../http/response/artifact.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { readArtifact } from './queries.ts'

/** By the end of a file's name. */
const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  md: 'text/markdown; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
  gz: 'application/gzip',
}

const GONE = 'There is no export with this id. It may have been deleted, not be ready yet, or belong to someone else.'

const CONTENT_TYPES = ['application/x-ndjson', 'text/markdown', 'text/csv', 'application/gzip']
const file = {
  'application/json': { schema: z.unknown() },
  ...Object.fromEntries(CONTENT_TYPES.map((type) => [type, { schema: z.file() }])),
}

const download = {
  route: 'GET /exports/:id',
  id: 'downloadExport',
  summary: 'Download an export, whole or in part',
  access: 'link',
  path: z.strictObject({
    id: z.string().describe('Id of the task that created it, or the `Idempotency-Key` of its request.'),
  }),
  headers: ['Range', 'If-Range', 'If-None-Match'],
  answers: downloadAnswers(file),
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [download]

export function artifactRoutes(deps: Pick<AppDeps, 'db' | 'blobs' | 'log' | 'abortResponse'>): Hono<Env> {
  return new Routes('/exports', CODED_ERRORS).add(download, async (c) => {
    const artifact = await readArtifact(deps.db, c.get('caller').owner, c.req.valid('param').id)
    if (artifact === null) throw new MillraceError('NOT_FOUND', GONE)
    const contentType = TYPES[artifact.filename.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
    return sendArtifact(c, deps, artifact, { contentType, gone: GONE })
  }).hono
}
