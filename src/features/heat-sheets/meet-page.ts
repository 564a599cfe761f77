/** Finds the documents that the page of a meet links to, with the texts of the links. */
import { Parser } from 'htmlparser2'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { charsetOfMark } from '../../formats/charsets.ts'
import type { Fetcher } from '../../ports.ts'
import { plainUrl } from './schemas.ts'

const FIELD = 'meet_url'
const MAX_PAGE_BYTES = 5 * 1024 * 1024
const TIMEOUT_MS = 15_000
/** Most characters of a link's text that are kept. */
const MAX_LABEL = 200
/** Leading bytes that are searched for a page's charset. */
const CHARSET_WITHIN = 1_024
/** Most hosts that an error names. */
const MAX_HOSTS_NAMED = 5

/** A document that a page links to. */
export interface MeetLink {
  readonly url: string
  /** Text of the link; empty where it has none. */
  readonly label: string
}

/**
 * Reads the page of a meet.
 * @param hosts allowed for documents, beside the page's own
 * @returns links to PDFs without duplicates, in the order of the page; at least one
 * @throws MillraceError INVALID_REQUEST, or SERVICE_UNAVAILABLE where a retry may help; each names the field
 */
export async function readMeetPage(
  fetcher: Fetcher,
  owner: string,
  address: string,
  hosts: readonly string[],
): Promise<MeetLink[]> {
  const { url, bytes } = await fetchPage(fetcher, owner, address)
  const all = linksOf(decode(bytes), url).filter(isPdf)
  const own = new Set([new URL(address).host, new URL(url).host, ...hosts])
  const taken = all.filter((link) => own.has(new URL(link.url).host))
  if (taken.length > 0) return taken
  const others = [...new Set(all.map((link) => new URL(link.url).host))]
  const elsewhere =
    others.length === 0
      ? 'Send links to the PDFs in "urls".'
      : `It links to PDFs on ${others.slice(0, MAX_HOSTS_NAMED).join(', ')}: name those to be read in "meet_hosts".`
  throw invalidRequest(FIELD, `${FIELD}: the page at ${url} links to no PDF on ${new URL(url).host}. ${elsewhere}`)
}

async function fetchPage(
  fetcher: Fetcher,
  owner: string,
  address: string,
): Promise<{ url: string; bytes: Uint8Array<ArrayBuffer> }> {
  let page: { url: string; bytes: Uint8Array<ArrayBuffer> }
  try {
    const { url, body } = await fetcher.fetch(address, { maxBytes: MAX_PAGE_BYTES, timeoutMs: TIMEOUT_MS, owner })
    page = { url, bytes: new Uint8Array(await new Response(body).arrayBuffer()) }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const message = `${FIELD}: the page could not be read. ${error.message}`
    if (!error.transient) throw invalidRequest(FIELD, message)
    throw new MillraceError('SERVICE_UNAVAILABLE', message, { details: { field: FIELD } })
  }
  if (new TextDecoder('latin1').decode(page.bytes.subarray(0, CHARSET_WITHIN)).includes('%PDF-')) {
    throw invalidRequest(FIELD, `${FIELD}: this is a PDF, not a page that links to some. Send it in "urls".`)
  }
  return page
}

/** Decodes a page by its byte order mark, else its `<meta>`, else as UTF-8; invalid bytes become U+FFFD. */
function decode(bytes: Uint8Array): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, CHARSET_WITHIN))
  const charset = charsetOfMark(bytes) ?? /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(head)?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

/** An open link element. */
interface OpenLink {
  readonly url: string | null
  readonly type: string
  text: string
  /** Title of the element, or alternative text of an image in it, used where it has no text. */
  title: string
}

interface Link extends MeetLink {
  readonly type: string
}

/** Reads the links of a page, without duplicates. */
function linksOf(html: string, pageUrl: string): Link[] {
  const links = new Map<string, Link>()
  let base = pageUrl
  let open: OpenLink | null = null
  const close = () => {
    if (open !== null && open.url !== null) {
      const label = (open.text.trim() || open.title).replace(/\s+/g, ' ').trim().slice(0, MAX_LABEL)
      const known = links.get(open.url)
      if (!known || known.label === '') links.set(open.url, { url: open.url, type: open.type, label })
    }
    open = null
  }
  const parser = new Parser({
    onopentag(name, { href, type = '', title, alt, 'aria-label': spoken }) {
      if (name === 'base' && href !== undefined) base = resolve(href, pageUrl) ?? base
      if (name === 'a' && href !== undefined) {
        close()
        open = { url: resolve(href, base), type, text: '', title: spoken ?? title ?? '' }
      } else if (name === 'img' && open !== null && open.title === '') open.title = alt ?? ''
    },
    ontext(text) {
      if (open !== null) open.text += text
    },
    onclosetag(name) {
      if (name === 'a') close()
    },
  })
  parser.end(html)
  close()
  return [...links.values()]
}

/** Resolves a web URL; null for others. */
function resolve(href: string, base: string): string | null {
  try {
    const url = plainUrl(new URL(href.trim(), base).href)
    return /^https?:/.test(url) ? url : null
  } catch {
    return null
  }
}

/** Returns true for a PDF, by the extension of the path or of a parameter, or by the declared type. */
function isPdf({ url, type }: Link): boolean {
  const { pathname, searchParams } = new URL(url)
  return /^application\/pdf\b/i.test(type) || [pathname, ...searchParams.values()].some((text) => /\.pdf$/i.test(text))
}
