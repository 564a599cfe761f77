/** Requests and answers about channels. */
import * as z from 'zod'
import { idCursor } from '../../../http/request/cursor.ts'
import { Id, notAnObject, withDefault } from '../../../http/request/fields.ts'
import { PLATFORMS } from './platforms.ts'

const MINUTE_MS = 60_000
const UNITS = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS }
const MIN_EVERY_MS = 15 * MINUTE_MS
const MAX_EVERY_MS = 365 * UNITS.d
const EVERY = 'Must be a time from 15m to 365d, such as 24h: a number with m, h or d'

/** Parses `24h` into milliseconds; null where it is none that is allowed. */
export function parseEvery(every: string): number | null {
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(every) ?? []
  const ms = unit === 'm' || unit === 'h' || unit === 'd' ? Number(number) * UNITS[unit] : 0
  return ms >= MIN_EVERY_MS && ms <= MAX_EVERY_MS ? ms : null
}

/** Formats milliseconds as `24h`: in the largest unit that they are a whole number of. */
export function formatEvery(ms: number): string {
  if (ms % UNITS.d === 0 && ms > UNITS.d) return `${ms / UNITS.d}d`
  return ms % UNITS.h === 0 ? `${ms / UNITS.h}h` : `${ms / UNITS.m}m`
}

const ON_GONE = ['keep', 'delete'] as const
const KEEP: (typeof ON_GONE)[number] = 'keep'

/** Part of `POST /process`. */
export const SyncRequest = z
  .strictObject(
    {
      every: z
        .string(EVERY)
        .refine((every) => parseEvery(every) !== null, EVERY)
        .describe('`30m`, `24h`, `7d`.'),
      on_gone: withDefault(z.enum(ON_GONE, 'Must be keep or delete'), KEEP).describe(
        'What becomes of documents whose item the channel lists no more.',
      ),
    },
    notAnObject('Must be an object such as {"every": "24h"}'),
  )
  .describe('Processes the channel again by itself. The same channel and collection sent again changes it.')

/** Counts of the items of a channel by what was done with them. */
export const ChannelReport = z
  .object({
    url: z.string(),
    title: z.string().nullable(),
    listed: z.int().describe('Items of the channel that were looked at, at most 5,000.'),
    queued: z.int().describe('Those that are new or changed, a job each.'),
    skipped: z.int().describe('Those that are stored already.'),
    left: z.int().describe('New ones beyond 1,000; the same request under another `job_id` takes the next.'),
    complete: z.boolean().describe('False where the channel has more than 5,000 items.'),
  })
  .meta({ id: 'ChannelReport' })
export type ChannelReport = z.infer<typeof ChannelReport>

/** A channel that is processed by itself. */
export const ChannelSync = z
  .object({
    id: z.string(),
    platform: z.enum(PLATFORMS),
    channel_url: z.string(),
    collection: z.string(),
    every: z.string(),
    on_gone: z.enum(ON_GONE),
    next_at: z.iso.datetime(),
    last_run: z
      .object({
        at: z.iso.datetime(),
        outcome: z
          .enum(['started', 'unchanged', 'skipped', 'failed'])
          .describe('`unchanged`: nothing was new. `skipped`: the job before still ran. `failed`: it is tried again.'),
        job_id: z.string().nullable(),
        channel: ChannelReport.nullable(),
        deleted: z.int().describe('Documents whose item was gone.'),
        error: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'ChannelSync' })
export type ChannelSync = z.infer<typeof ChannelSync>

export const SyncCursor = idCursor('syncs')
const LIMIT = 'Must be a whole number from 1 to 200'
const Limit = z.coerce.number(LIMIT).int(LIMIT).min(1, LIMIT).max(200, LIMIT).default(50)

/** `GET /syncs`. */
export const ListSyncs = z.strictObject({ limit: Limit, cursor: SyncCursor.optional() })

export const SyncList = z.object({ syncs: z.array(ChannelSync), next: z.string().nullable() }).meta({ id: 'SyncList' })

export const ContentCursor = idCursor('content')
const URL_ISSUE = 'Must be an address that begins with https:// or http://'

/** Address of a channel or a document. */
export const WebUrl = z.url({ protocol: /^https?$/, error: URL_ISSUE }).max(8_192, URL_ISSUE)

/** `GET /content`. */
export const ListContent = z.strictObject({
  channel_url: WebUrl.describe('A channel of the platform; with `documents` a feed, or a page with players.'),
  platform: z.enum(PLATFORMS, `Must be one of ${PLATFORMS.join(', ')}`).default('documents'),
  collection: Id.default('default').describe('Where `done` looks.'),
  limit: Limit,
  cursor: ContentCursor.optional(),
})

export const ContentList = z
  .object({
    channel: z.object({ url: z.string(), title: z.string().nullable() }),
    content: z.array(
      z.object({
        id: z.string().describe('For `selected_content`.'),
        title: z.string().nullable(),
        url: z.string(),
        duration_seconds: z.number().nullable(),
        published_at: z.iso.datetime().nullable(),
        status: z.enum(['new', 'changed', 'done']).describe('`changed`: listed otherwise than when it was stored.'),
        document_id: z.string().nullable(),
      }),
    ),
    next: z.string().nullable(),
  })
  .meta({ id: 'ContentList' })
export type ContentList = z.infer<typeof ContentList>
