/** Sends stored files: whole or in part, with the validators that caches and resumed downloads go by. */
import type { Context } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../context.ts'
import { matchesIfNoneMatch } from './conditional.ts'
import { parseRange } from './ranges.ts'
import { sendStream } from './streamed-response.ts'

/** A stored file. */
export interface Artifact {
  readonly key: string
  readonly filename: string
  readonly size: number
  /** Hex. */
  readonly sha256: string
  readonly createdAt: number
}

type Deps = Pick<AppDeps, 'blobs' | 'log' | 'abortResponse'>

/**
 * Answers with a file, a part of it, or 304 where the caller has it.
 * @param gone sentence for a file whose bytes are no longer there
 * @throws MillraceError NOT_FOUND
 */
export async function sendArtifact(
  c: Context<Env>,
  deps: Deps,
  artifact: Artifact,
  { contentType, gone }: { readonly contentType: string; readonly gone: string },
): Promise<Response> {
  const { key, filename, size, sha256, createdAt } = artifact
  const etag = `"${sha256}"`
  c.header('ETag', etag)
  c.header('Cache-Control', 'private, no-cache')
  if (matchesIfNoneMatch(c, etag)) return c.body(null, 304)
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
  c.header('Content-Type', contentType)
  c.header('Content-Disposition', disposition(filename))
  if (part !== 'whole') c.header('Content-Range', `bytes ${range.offset}-${range.offset + range.length - 1}/${size}`)
  const status = part === 'whole' ? 200 : 206
  if (c.req.method === 'HEAD') return c.body(null, status, { 'Content-Length': String(range.length) })
  const body = await deps.blobs.get(key, range)
  if (body === null) throw new MillraceError('NOT_FOUND', gone)
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
