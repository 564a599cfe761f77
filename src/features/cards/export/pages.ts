/** Reads the cards of an export page by page, in the order of their ids. The cost of a page does not depend on the number of cards. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../../ports.ts'
import { folded } from '../case-fold.ts'

/** Filter of cards. Words are compared by `folded`. */
export interface CardFilter {
  /** Null for any. */
  readonly privacyLevels: readonly string[] | null
  /** Null for any. */
  readonly categories: readonly string[] | null
  readonly publishedOnly: boolean
}

/** Options for showing the cards. */
export interface CardView {
  readonly withMetadata: boolean
  /** Prefix that slugs are appended to: `https://example.com/cards/`. */
  readonly pages: string
  /** True where they are arrays; see `CardFormat`. */
  readonly packed: boolean
}

/** A page of cards as JSON texts, with the number of cards scanned for it. */
export interface CardPage {
  readonly cards: readonly string[]
  readonly scanned: number
  /** Requested ids that were not found. */
  readonly missing: readonly string[]
  /** Cursor of the next page. */
  readonly next: string
}

/** Most cards scanned for a page, and most bytes of their bodies: the limit reached first ends it. */
const CARDS_A_PAGE = 250
const BYTES_A_PAGE = 250_000
/** Most ids looked up for a page. */
const IDS_A_PAGE = 100

/** Makes the SQL expression of a card's JSON: SQLite writes it, so one column a row is transferred instead of a dozen. */
function asJson({ withMetadata, pages, packed }: CardView): SQL {
  const url = sql`iif(published_at IS NULL, NULL, ${pages} || slug)`
  if (packed) {
    return sql`json_array(id, title, body, category, privacy_level, json(tags), source_platform, source_url,
      ${withMetadata ? sql`metadata` : sql`NULL`}, ${url}, created_at, published_at)`
  }
  const time = (column: string) => sql.raw(`strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`)
  return sql`json_object('id', id, 'title', title, 'body', body, 'category', category, 'privacy_level', privacy_level, 'tags', json(tags),
    'source_platform', source_platform, 'source_url', source_url, ${withMetadata ? sql`'metadata', json(metadata),` : sql``}
    'is_published', json(iif(published_at IS NULL, 'false', 'true')),
    'published_url', ${url},
    'created_at', ${time('created_at')}, 'published_at', iif(published_at IS NULL, NULL, ${time('published_at')}))`
}

/** A filter in two parts: SQLite folds the case of ASCII only, so cards with other letters pass its condition and are compared here. */
interface Sieve {
  /** True of cards that match, and of those that may. */
  readonly condition: SQL
  /** Of a card that may match, its `[privacy_level, category]`; else null. */
  readonly words: SQL
  /** Returns true where a card that passed the condition matches, by its `words`. */
  takes(words: string | null): boolean
}

const Words = z.tuple([z.string(), z.string()])

function sieve({ privacyLevels, categories, publishedOnly }: CardFilter): Sieve {
  const parts = [
    { column: sql`privacy_level`, asked: privacyLevels },
    { column: sql`category`, asked: categories },
  ].map(({ column, asked }) => ({ column, among: asked && new Set(asked.map(folded)) }))
  const beyondAscii = (column: SQL) => sql`octet_length(${column}) > length(${column})`
  const conditions = parts.flatMap(({ column, among }) =>
    among === null
      ? []
      : sql` AND (upper(${column}) IN (SELECT value FROM json_each(${JSON.stringify([...among])})) OR ${beyondAscii(column)})`,
  )
  const unsure = parts.flatMap(({ column, among }) => (among === null ? [] : beyondAscii(column)))
  return {
    condition: sql`deleted_at IS NULL${publishedOnly ? sql` AND published_at IS NOT NULL` : sql``}${sql.join(conditions)}`,
    words:
      unsure.length === 0
        ? sql`NULL`
        : sql`iif(${sql.join(unsure, sql` OR `)}, json_array(privacy_level, category), NULL)`,
    takes(words) {
      if (words === null) return true
      const found = Words.parse(JSON.parse(words))
      return parts.every(({ among }, at) => among?.has(folded(found[at] ?? '')) ?? true)
    },
  }
}

/**
 * Reads all cards of an owner that match. A filter that matches few still scans at most a page at a time.
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
  const { condition, words, takes } = sieve(filter)
  for (let after = from; ; ) {
    const { last, scanned } = await nextWindow(db, owner, after)
    if (last === null) return
    const rows = await db.all<{ card: string; words: string | null }>(sql`
      SELECT ${shown} AS card, ${words} AS words FROM cards
      WHERE owner = ${owner} AND id > ${after} AND id <= ${last} AND ${condition} ORDER BY id`)
    after = last
    yield { cards: rows.flatMap(({ card, words }) => (takes(words) ? card : [])), scanned, missing: [], next: after }
  }
}

/** A range of an owner's cards: its last id, null after the last card, and the number of cards. */
interface Window {
  readonly last: string | null
  readonly scanned: number
}

/** Finds the end of the next page. Mostly the number of cards ends it; only for large cards are sizes summed one by one, which costs as much as reading them. */
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
 * Reads the owner's matching cards among ids, in the order of the ids; those that are not the owner's are missing.
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
  const { condition, words, takes } = sieve(filter)
  for (let at = Number(from); at < ids.length; at += IDS_A_PAGE) {
    const page = ids.slice(at, at + IDS_A_PAGE)
    const rows = await db.all<{ wanted: string; found: number; card: string | null; words: string | null }>(sql`
      SELECT wanted, cards.id IS NOT NULL AS found, iif(${condition}, ${asJson(view)}, NULL) AS card, ${words} AS words
      FROM (SELECT key, value AS wanted FROM json_each(${JSON.stringify(page)})) i
      LEFT JOIN cards ON owner = ${owner} AND cards.id = wanted AND deleted_at IS NULL ORDER BY i.key`)
    yield {
      cards: rows.flatMap(({ found, card, words }) => (found === 1 && card !== null && takes(words) ? card : [])),
      scanned: page.length,
      missing: rows.flatMap(({ wanted, found }) => (found === 0 ? wanted : [])),
      next: String(at + IDS_A_PAGE),
    }
  }
}
