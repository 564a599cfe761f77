/** Platforms whose channels and recordings are known by ids. */
import { invalidRequest } from '../../../errors.ts'

/** Platforms of requests. `documents` stands for feeds, and for pages with players. */
export const PLATFORMS = ['tiktok', 'youtube', 'twitch', 'documents'] as const
export type Platform = (typeof PLATFORMS)[number]

interface Site {
  readonly name: string
  readonly hosts: RegExp
  /** Finds the id of a recording in its URL. */
  readonly id: RegExp
  /** Paths of channels that list nothing by themselves, and where their recordings are listed. */
  readonly channel: { readonly path: RegExp; readonly listing: string } | null
}

const SITES: Readonly<Record<Exclude<Platform, 'documents'>, Site>> = {
  youtube: {
    name: 'YouTube',
    hosts: /^(?:(?:www|m|music)\.)?youtube\.com$|^youtu\.be$/,
    id: /(?:[?&]v=|youtu\.be\/|\/(?:shorts|live|embed)\/)([\w-]{11})(?![\w-])/,
    channel: { path: /^\/(?:@[^/]+|(?:channel|c|user)\/[^/]+)\/?$/, listing: '/videos' },
  },
  tiktok: { name: 'TikTok', hosts: /^(?:www\.|m\.|vm\.)?tiktok\.com$/, id: /\/video\/(\d+)/, channel: null },
  twitch: {
    name: 'Twitch',
    hosts: /^(?:(?:www|m|clips)\.)?twitch\.tv$/,
    id: /\/videos\/(\d+)/,
    channel: { path: /^\/\w+\/?$/, listing: '/videos' },
  },
}

/**
 * Checks that a URL is one of a platform.
 * @param field of the request that names it
 * @throws MillraceError INVALID_REQUEST
 */
export function checkHost(platform: Platform, url: string, field: string): void {
  if (platform === 'documents') return
  const { name, hosts } = SITES[platform]
  if (hosts.test(URL.parse(url)?.hostname ?? '')) return
  throw invalidRequest(field, `${field}: Is no address of ${name}. Use platform "documents" for feeds and other pages`)
}

/** Returns the address where the recordings of a channel are listed: that of its page, or of a part of it. */
export function listingUrl(platform: Platform, url: string): string {
  const channel = platform === 'documents' ? null : SITES[platform].channel
  const parsed = URL.parse(url)
  if (channel === null || parsed === null || !channel.path.test(parsed.pathname)) return url
  parsed.pathname = parsed.pathname.replace(/\/$/, '') + channel.listing
  return parsed.href
}

/** Finds the id that a platform has for a recording; null where its URL shows none. */
export function idInUrl(platform: Platform, url: string): string | null {
  return platform === 'documents' ? null : (SITES[platform].id.exec(url)?.[1] ?? null)
}

/** Makes the name of an item within a collection: by its platform, else by its channel. */
export const itemKey = (platform: Platform, channel: string, id: string): string =>
  platform === 'documents' ? `${channel} ${id}` : `${platform}:${id}`
