/** The cards of an export, page by page in the order of their ids. However many there are, a page and its read cost the same. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../ports.ts'

/** Which cards are wanted. */
export interface CardFilter {
  /** Upper case; null for any. */
  readonly privacyLevels: readonly string[] | null
  /** Upper case; null for any. */
  readonly categories: readonly string[] | null
  readonly publishedOnly: boolean
}

/** How they are shown. */
export interface CardView {
  readonly withMetadata: boolean
  /** What slugs are put behind: `https://example.com/cards/`. */
  readonly pages: string
  /** Whether as arrays; see `CardFormat`. */
  readonly packed: boolean
}

/** Some cards as JSON texts, and how many were looked at for them. */
export interface CardPage {
  readonly cards: readonly string[]
  readonly scanned: number
  /** Ids that were asked for and are not there. */
  readonly missing: readonly string[]
  /** From where the pages after this one are read. */
  readonly next: string
}

/** Cards looked at for a page, and bytes of their bodies: whichever is reached first ends it. */
const CARDS_A_PAGE = 250
const BYTES_A_PAGE = 250_000
/** Ids looked up for a page. */
const IDS_A_PAGE = 100

/** SQLite writes the JSON: one column a row is handed over instead of a dozen. */
function asJson({ withMetadata, pages, packed }: CardView): SQL {
  const url = sql`iif(published_at IS NULL, NULL, ${pages} || slug)`
  if (packed) {
    return sql`json_array(id, title, body, category, privacy_level, json(tags), source_platform, source_url,
      ${withMetadata ? sql`json(metadata)` : sql`NULL`}, ${url}, created_at, published_at)`
  }
  const time = (column: string) => sql.raw(`strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`)
  return sql`json_object('id', id, 'title', title, 'body', body, 'category', category, 'privacy_level', privacy_level, 'tags', json(tags),
    'source_platform', source_platform, 'source_url', source_url, ${withMetadata ? sql`'metadata', json(metadata),` : sql``}
    'is_published', json(iif(published_at IS NULL, 'false', 'true')),
    'published_url', ${url},
    'created_at', ${time('created_at')}, 'published_at', iif(published_at IS NULL, NULL, ${time('published_at')}))`
}

function matches({ privacyLevels, categories, publishedOnly }: CardFilter): SQL {
  const among = (column: SQL, words: readonly string[]) =>
    sql` AND upper(${column}) IN (SELECT value FROM json_each(${JSON.stringify(words)}))`
  return sql`deleted_at IS NULL${publishedOnly ? sql` AND published_at IS NOT NULL` : sql``}${
    privacyLevels === null ? sql`` : among(sql`privacy_level`, privacyLevels)
  }${categories === null ? sql`` : among(sql`category`, categories)}`
}

/**
 * All of an owner's cards that match. A filter that matches little still reads no more than a page at a time.
 * @param from `next` of the page before; empty for the first
 */
export async function* allPages(
  db: Database,
  owner: string,
  filter: CardFilter,
  view: CardView,
  from: string,
): AsyncGenerator<CardPage> {
  const shown = asJson(view)
  const wanted = matches(filter)
  for (let after = from; ; ) {
    const { last, scanned } = await nextWindow(db, owner, after)
    if (last === null) return
    const rows = await db.all<{ card: string }>(sql`
      SELECT ${shown} AS card FROM cards WHERE owner = ${owner} AND id > ${after} AND id <= ${last} AND ${wanted} ORDER BY id`)
    after = last
    yield { cards: rows.map(({ card }) => card), scanned, missing: [], next: after }
  }
}

/** A stretch of an owner's cards: its last id, null after the last card, and how many there are. */
interface Window {
  readonly last: string | null
  readonly scanned: number
}

/** Most cards are so small that their number ends a page. Only where it does not are sizes summed card by card, which costs as much as reading them. */
async function nextWindow(db: Database, owner: string, after: string): Promise<Window> {
  const sizes = sql`SELECT id, octet_length(body) + octet_length(metadata) AS size FROM cards WHERE owner = ${owner} AND id > ${after} ORDER BY id LIMIT ${CARDS_A_PAGE}`
  const [all] = await db.all<Window & { bytes: number }>(
    sql`SELECT max(id) AS last, count(*) AS scanned, sum(size) AS bytes FROM (${sizes})`,
  )
  if (all === undefined) return { last: null, scanned: 0 }
  if (all.bytes <= BYTES_A_PAGE) return all
  const [fitting] = await db.all<Window>(sql`
    SELECT max(id) AS last, count(*) AS scanned FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (${sizes}))
    WHERE before < ${BYTES_A_PAGE}`)
  return fitting ?? all
}

/**
 * The owner's cards among the ids that match; ids that are not the owner's are missing. In the order of the ids given.
 * @param from `next` of the page before; empty for the first
 */
export async function* pagesOf(
  db: Database,
  owner: string,
  ids: readonly string[],
  filter: CardFilter,
  view: CardView,
  from: string,
): AsyncGenerator<CardPage> {
  for (let at = Number(from); at < ids.length; at += IDS_A_PAGE) {
    const page = ids.slice(at, at + IDS_A_PAGE)
    const rows = await db.all<{ id: string; card: string | null }>(sql`
      SELECT i.value AS id, (SELECT iif(${matches(filter)}, ${asJson(view)}, '') FROM cards
        WHERE owner = ${owner} AND cards.id = i.value AND deleted_at IS NULL) AS card
      FROM json_each(${JSON.stringify(page)}) i ORDER BY i.key`)
    yield {
      cards: rows.flatMap(({ card }) => (card === null || card === '' ? [] : [card])),
      scanned: page.length,
      missing: rows.flatMap(({ id, card }) => (card === null ? [id] : [])),
      next: String(at + IDS_A_PAGE),
    }
  }
}
