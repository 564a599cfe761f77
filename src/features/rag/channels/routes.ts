/** Routes of channels: what one holds, and those that are processed by themselves. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { AppDeps, Env } from '../../../http/context.ts'
import { type Endpoint, json } from '../../../http/openapi/endpoint.ts'
import { PROCESSING_ERRORS } from '../../../http/response/error-formats.ts'
import { type RouteContext, Routes } from '../../../http/routes.ts'
import { MOUNT } from '../names.ts'
import { Deleted } from '../schemas.ts'
import { findStored } from '../store/documents.ts'
import { listChannel } from './list-channel.ts'
import { MAX_LISTED } from './plan-channel.ts'
import { itemKey } from './platforms.ts'
import { ContentCursor, ContentList, ListContent, ListSyncs, SyncCursor, SyncList } from './schemas.ts'
import { deleteSync, listSyncs, presentSync } from './syncs.ts'

const listContent = {
  route: 'GET /api/public/bulk/content',
  id: 'listContent',
  summary: 'What a channel holds, and what of it is stored',
  description:
    'In the order of the channel, at most its first 5,000 items. Feeds (RSS, Atom, RDF, JSON Feed) are read on every server; platforms and pages with players take yt-dlp, on Node.',
  query: ListContent,
  answers: { 200: json('A page.', ContentList) },
  errors: [400, 404, 413, 415, 422, 429, 503],
} satisfies Endpoint

const listChannelSyncs = {
  route: 'GET /api/public/bulk/syncs',
  id: 'listSyncs',
  summary: 'Channels that are processed by themselves',
  query: ListSyncs,
  answers: { 200: json('A page, the oldest first.', SyncList) },
  errors: [400],
} satisfies Endpoint

const stopSync = {
  route: 'DELETE /api/public/bulk/syncs/:id',
  id: 'stopSync',
  summary: 'Process a channel by itself no more',
  description: 'Its documents stay, and so does a job that runs.',
  path: z.strictObject({ id: z.string().describe('Id of a sync.') }),
  answers: { 200: json('It is stopped.', Deleted) },
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [listContent, listChannelSyncs, stopSync]

/** `GET /content`, `GET /syncs`, `DELETE /syncs/:id`. */
export function channelRoutes(deps: AppDeps): Hono<Env> {
  return new Routes(MOUNT, PROCESSING_ERRORS)
    .add(listContent, (c) => content(c, deps))
    .add(listChannelSyncs, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const rows = await listSyncs(deps.db, c.get('caller').owner, { after: cursor ?? '', limit: limit + 1 })
      const shown = rows.slice(0, limit)
      const last = rows.length > limit ? shown.at(-1) : undefined
      return c.json({ syncs: shown.map(presentSync), next: last === undefined ? null : z.encode(SyncCursor, last.id) })
    })
    .add(stopSync, async (c) => {
      if (await deleteSync(deps.db, c.get('caller').owner, c.req.valid('param').id)) return c.json({ success: true })
      throw new MillraceError('NOT_FOUND', 'There is no sync with this id, or it belongs to someone else.')
    }).hono
}

async function content(c: RouteContext<typeof listContent>, deps: AppDeps): Promise<Response> {
  const { channel_url: url, platform, collection, limit, cursor } = c.req.valid('query')
  const { owner } = c.get('caller')
  const before = parsePosition(cursor)
  const last = Math.min(before + limit, MAX_LISTED)
  const signal = c.req.raw.signal
  const { title, items, more } = await listChannel(deps, { platform, url, first: before + 1, last, owner, signal })
  const keyOf = (id: string) => itemKey(platform, url, id)
  const stored = await findStored(
    deps.db,
    owner,
    collection,
    items.map(({ id }) => keyOf(id)),
  )
  const answer: ContentList = {
    channel: { url, title },
    content: items.map((item) => {
      const known = stored.get(keyOf(item.id))
      return {
        ...{ id: item.id, title: item.title, url: item.url, duration_seconds: item.durationSeconds },
        published_at: item.publishedAt === null ? null : new Date(item.publishedAt).toISOString(),
        status: known === undefined ? 'new' : known.version === item.version ? 'done' : 'changed',
        document_id: known?.id ?? null,
      }
    }),
    next: more && last < MAX_LISTED ? z.encode(ContentCursor, String(last)) : null,
  }
  return c.json(answer)
}

/** @throws MillraceError INVALID_REQUEST for a cursor that names no position */
function parsePosition(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  const position = Number(cursor)
  if (Number.isInteger(position) && position > 0 && position < MAX_LISTED) return position
  throw new MillraceError('INVALID_REQUEST', 'cursor: Expected the cursor that the page before named as the next.', {
    details: { field: 'cursor' },
  })
}
