/** Downloads of what batches made: whole or in part, by whoever holds the signed address, or by the owner's key. */
import { type Context, Hono } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { matchesIfNoneMatch } from '../../http/response/conditional.ts'
import { parseRange } from '../../http/response/ranges.ts'
import { sendStream } from '../../http/response/streamed-response.ts'
import { type Artifact, readArtifact } from './queries.ts'

/** By the end of a file's name. */
const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  md: 'text/markdown; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
  gz: 'application/gzip',
}

const GONE = 'There is no export with this id. It may have been deleted, not be ready yet, or belong to someone else.'

/** `GET /:id`, `HEAD /:id`. */
export function artifactRoutes(deps: Pick<AppDeps, 'db' | 'blobs' | 'log' | 'abortResponse'>): Hono<Env> {
  return new Hono<Env>().get('/:id', async (c) => {
    const artifact = await readArtifact(deps.db, c.get('caller').owner, c.req.param('id'))
    if (artifact === null) throw new MillraceError('NOT_FOUND', GONE)
    const etag = `"${artifact.sha256}"`
    c.header('ETag', etag)
    c.header('Cache-Control', 'private, no-cache')
    if (matchesIfNoneMatch(c, etag)) return c.body(null, 304)
    return send(c, deps, artifact, etag)
  })
}

async function send(
  c: Context<Env>,
  deps: Pick<AppDeps, 'blobs' | 'log' | 'abortResponse'>,
  { key, filename, size, createdAt }: Artifact,
  etag: string,
): Promise<Response> {
  const modified = new Date(createdAt).toUTCString()
  const condition = c.req.header('If-Range')
  const part =
    c.req.method === 'GET' && (condition === undefined || condition === etag || condition === modified)
      ? parseRange(c.req.header('Range'), size)
      : 'whole'
  c.header('Accept-Ranges', 'bytes')
  c.header('Last-Modified', modified)
  if (part === 'unsatisfiable') return c.body(null, 416, { 'Content-Range': `bytes */${size}` })
  const range = part === 'whole' ? { offset: 0, length: size } : part
  c.header('Content-Type', TYPES[filename.split('.').at(-1) ?? ''] ?? 'application/octet-stream')
  c.header('Content-Disposition', disposition(filename))
  if (part !== 'whole') c.header('Content-Range', `bytes ${range.offset}-${range.offset + range.length - 1}/${size}`)
  const status = part === 'whole' ? 200 : 206
  if (c.req.method === 'HEAD') return c.body(null, status, { 'Content-Length': String(range.length) })
  const body = await deps.blobs.get(key, range)
  if (body === null) throw new MillraceError('NOT_FOUND', GONE)
  return sendStream(c, deps, body, { status, length: range.length })
}

/** RFC 6266, with the extended form of RFC 8187 where the name needs it. */
function disposition(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  if (plain === filename) return `attachment; filename="${plain}"`
  const extended = encodeURIComponent(filename).replace(/['()*]/g, percentEncoded)
  return `attachment; filename="${plain}"; filename*=UTF-8''${extended}`
}

const percentEncoded = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
