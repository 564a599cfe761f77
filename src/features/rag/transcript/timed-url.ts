/** Makes URLs that open a recording at a second. */

/** Hosts whose players read the second from `t` of the query. */
const BY_QUERY = /^(?:(?:www|m|music)\.)?youtube\.com$|^youtu\.be$|^(?:(?:www|m)\.)?twitch\.tv$/

/**
 * Makes a URL that opens at a second: by a media fragment (W3C Media Fragments URI 1.0, section 4.2.1), or the parameter of the players
 * of YouTube and Twitch. A URL with a fragment, or text that is no URL, is returned unchanged.
 * @param seconds from the beginning; the fraction is dropped, so that no word is missed
 * @example
 * timedUrl('https://example.com/talk.vtt', 75.4) // 'https://example.com/talk.vtt#t=75'
 */
export function timedUrl(url: string, seconds: number): string {
  const whole = Math.floor(seconds)
  const parsed = URL.parse(url)
  if (parsed === null || parsed.hash !== '') return url
  if (!BY_QUERY.test(parsed.hostname)) return `${url}#t=${whole}`
  parsed.searchParams.set('t', `${whole}s`)
  return parsed.href
}
