/** Plans the jobs of a channel: its items that are new, or listed otherwise than when they were stored. */
import { invalidRequest } from '../../../errors.ts'
import type { Database } from '../../../ports.ts'
import type { ChosenModel } from '../embed/chosen-model.ts'
import { hashSettings } from '../operations/hash-settings.ts'
import { NO_SPEECH } from '../read/document-type.ts'
import { MAX_ITEMS } from '../schemas.ts'
import { findStored } from '../store/documents.ts'
import type { ItemSource } from './fetch-item.ts'
import type { ChannelItem } from './item.ts'
import { type ListingDeps, listChannel } from './list-channel.ts'
import { itemKey, type Platform } from './platforms.ts'
import type { ChannelReport } from './schemas.ts'

/** Items of a channel that are listed; older ones are not looked at. */
export const MAX_LISTED = 5_000

/** A channel to be processed. */
export interface ChannelRequest {
  readonly platform: Platform
  readonly url: string
  readonly collection: string
  /** Ids of the items that are wanted; empty for all. */
  readonly selected: readonly string[]
  readonly model: ChosenModel
  readonly settings: Parameters<typeof hashSettings>[0]['settings']
  /** Language of recordings, as it was declared. */
  readonly language?: string | undefined
  /** True where this server recognises speech. */
  readonly hears: boolean
}

/** Jobs of a channel. */
export interface ChannelPlan {
  readonly documents: readonly ItemSource[]
  readonly report: ChannelReport
  /** Source keys of all items; null where the channel has more than were listed. */
  readonly listed: readonly string[] | null
}

/**
 * Lists a channel and compares its items with what is stored.
 * @throws MillraceError INVALID_REQUEST naming the field, and as `listChannel` does
 */
export async function planChannel(
  deps: ListingDeps & { readonly db: Database },
  owner: string,
  request: ChannelRequest,
): Promise<ChannelPlan> {
  const { platform, url, collection } = request
  const { items, title, more } = await listChannel(deps, { platform, url, first: 1, last: MAX_LISTED, owner })
  const chosen = select(items, request.selected)
  const keys = chosen.map(({ id }) => itemKey(platform, url, id))
  const stored = await findStored(deps.db, owner, collection, keys)
  const settingsHash = await hashSettings(request)
  const due = chosen.filter((item) => {
    const known = stored.get(itemKey(platform, url, item.id))
    return known === undefined || known.version !== item.version || known.settingsHash !== settingsHash
  })
  if (due.length > 0 && !request.hears && due.every(needsSpeech)) {
    throw invalidRequest('channel_url', `channel_url: Its items are recordings without transcripts. ${NO_SPEECH}`)
  }
  const documents = due.slice(0, MAX_ITEMS).map((item) => sourceOf(item, platform, url))
  return {
    documents,
    report: {
      url,
      title,
      listed: items.length,
      queued: documents.length,
      skipped: chosen.length - due.length,
      left: due.length - documents.length,
      complete: !more,
    },
    listed: more ? null : items.map(({ id }) => itemKey(platform, url, id)),
  }
}

/** Items of feeds that are recordings alone; what yt-dlp describes is seen only then. */
const needsSpeech = ({ described, media, captions }: ChannelItem) =>
  !described && media !== null && captions.length === 0

function select(items: readonly ChannelItem[], selected: readonly string[]): readonly ChannelItem[] {
  const byId = new Map(items.map((item) => [item.id, item]))
  for (const [index, id] of selected.entries()) {
    if (byId.has(id)) continue
    const field = `selected_content.${index}`
    throw invalidRequest(field, `${field}: The channel lists no such item. GET /content shows their ids`)
  }
  const wanted = new Set(selected)
  return [...byId.values()].filter(({ id }) => wanted.size === 0 || wanted.has(id))
}

const sourceOf = (item: ChannelItem, platform: Platform, channel: string): ItemSource => ({
  kind: 'item',
  id: item.id,
  sourceKey: itemKey(platform, channel, item.id),
  url: item.url,
  title: item.title,
  captions: item.captions,
  media: item.media,
  described: item.described,
  channel,
  version: item.version,
})
