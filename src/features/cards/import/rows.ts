/**
 * Makes the statements that write an imported slice in one commit: cards, the tokens they earn, the owner's sums and the slice's counts.
 *
 * Duplicates are known only at the time of the write, for another import may run beside this one. So rows are inserted where there is no
 * duplicate, and the counts are computed from the rows that exist afterwards.
 */
import { type SQL, sql } from 'drizzle-orm'
import { jsonArrays } from '../../../formats/json-arrays.ts'
import type { Database, Statement } from '../../../ports.ts'
import { folded } from '../case-fold.ts'
import { type ImportError, MAX_ERRORS, type NewCard } from '../schemas.ts'
import { UNITS_A_TOKEN } from '../tables.ts'
import { DUPLICATE, errorsText } from './kept-errors.ts'
import { shownTitle } from './read-cards.ts'

/** Treatment of duplicates; null imports them all the same. */
export type OnDuplicate = 'skip' | 'update' | 'fail' | null

/** A card to be written. */
export interface ImportRow {
  readonly index: number
  /** Row of a CSV, from 1. */
  readonly row?: number
  readonly id: string
  readonly hash: string
  /** Null when it is not to be published. */
  readonly slug: string | null
  readonly card: NewCard
  /** JSON of its metadata. */
  readonly metadata: string
}

/** A slice to be written. */
export interface ImportSlice {
  readonly owner: string
  readonly batchId: string
  readonly sequence: number
  readonly now: number
  readonly onDuplicate: OnDuplicate
  /** With `onDuplicate`, hashes are unique. */
  readonly rows: readonly ImportRow[]
  /** Duplicates within the slice that are not among the rows. */
  readonly repeated: number
  /** Invalid cards: their failure does not depend on the database. */
  readonly failed: number
  /** See `keptErrors`. */
  readonly errors: readonly ImportError[]
  /** Rows of a CSV that repeat its header. */
  readonly headerRows: readonly number[]
}

/** True when the lease is held. */
type Guard = SQL<boolean>

const at = (column: number) => sql.raw(`json_extract(r.value, '$[${column}]')`)

/** Privacy levels of which cards may be published. */
const PUBLIC_LEVELS = new Set(['BUSINESS', 'IDEAS'])

/** Packs a row as a JSON array (`r` in SQL), of which `at` extracts the columns below. */
const packed = ({ id, hash, slug, card, metadata }: ImportRow) => [
  id,
  hash,
  card.title,
  card.body,
  card.category,
  card.privacy_level,
  JSON.stringify(card.tags),
  card.source_platform ?? null,
  card.source_url ?? null,
  metadata,
  slug,
  PUBLIC_LEVELS.has(folded(card.privacy_level)) ? 1 : 0,
]
const COLUMNS = sql.join(
  Array.from({ length: 11 }, (_, column) => at(column)),
  sql`, `,
)

/** Makes the statements of a slice; each does nothing unless `held`. */
export function importStatements(db: Database, slice: ImportSlice, held: Guard): Statement[] {
  const arrays = jsonArrays(slice.rows.map(packed))
  return [
    ...arrays.flatMap((array) => [
      ...(slice.onDuplicate === 'update' ? [updateCards(db, slice, array, held)] : []),
      insertCards(db, slice, array, held),
    ]),
    ...(slice.onDuplicate === null ? [pay(db, slice, held), count(db, slice, held)] : settle(db, slice, held)),
    db.run(sql`
      INSERT INTO card_accounts (owner, cards, balance)
      SELECT ${slice.owner}, s.counts ->> 'imported', (s.counts ->> 'published') * ${UNITS_A_TOKEN}
      FROM card_slices s WHERE s.batch_id = ${slice.batchId} AND s.sequence = ${slice.sequence} AND ${held}
      ON CONFLICT (owner) DO UPDATE SET cards = cards + excluded.cards, balance = balance + excluded.balance`),
  ]
}

/**
 * Selects the owner's oldest card with a hash; imports without `on_duplicate` may have made several. The unary plus keeps the planner
 * from scanning all the owner's cards for the least id.
 */
const oldest = (owner: string, hash: SQL) =>
  sql`(SELECT min(+o.id) FROM cards o WHERE o.owner = ${owner} AND o.hash = ${hash} AND o.deleted_at IS NULL)`

function insertCards(db: Database, { owner, now, onDuplicate }: ImportSlice, array: string, held: Guard): Statement {
  const fresh = onDuplicate === null ? sql`true` : sql`${oldest(owner, at(1))} IS NULL`
  return db.run(sql`
    INSERT INTO cards (owner, id, hash, title, body, category, privacy_level, tags, source_platform, source_url, metadata, slug,
      published_at, created_at, updated_at)
    SELECT ${owner}, ${COLUMNS}, CASE WHEN ${at(10)} IS NULL THEN NULL ELSE ${now} END, ${now}, ${now}
    FROM json_each(${array}) r WHERE ${held} AND ${fresh}`)
}

/**
 * Updates duplicates. A card whose privacy level is no longer public is unpublished. The LIMIT makes SQLite look up the cards by hash
 * first; without it every card of the owner is compared with every row.
 */
function updateCards(db: Database, { owner, now }: ImportSlice, array: string, held: Guard): Statement {
  return db.run(sql`
    UPDATE cards SET category = ${at(4)}, privacy_level = ${at(5)}, tags = ${at(6)}, source_platform = ${at(7)}, source_url = ${at(8)},
      metadata = ${at(9)}, slug = coalesce(slug, ${at(10)}), updated_at = ${now},
      published_at = CASE WHEN ${at(10)} IS NOT NULL THEN coalesce(published_at, ${now})
        WHEN ${at(11)} THEN published_at ELSE NULL END
    FROM (SELECT r.value, ${oldest(owner, at(1))} AS card_id FROM json_each(${array}) r LIMIT -1) r
    WHERE cards.owner = ${owner} AND cards.id = r.card_id AND ${held}`)
}

const LEDGER = sql`INSERT INTO token_ledger (owner, card_id, batch_id, sequence, amount, reason, created_at)`

const wage = ({ owner, batchId, sequence, now }: ImportSlice, cardId: SQL) =>
  sql`SELECT ${owner}, ${cardId}, ${batchId}, ${sequence}, ${UNITS_A_TOKEN}, 'card_published', ${now}`

function pay(db: Database, slice: ImportSlice, held: Guard): Statement {
  const ids = slice.rows.flatMap(({ id, slug }) => (slug === null ? [] : [id]))
  return db.run(sql`${LEDGER} ${wage(slice, sql`value`)} FROM json_each(${JSON.stringify(ids)}) WHERE ${held}`)
}

/** Writes the counts of a slice all of whose rows are inserted, so that they are known beforehand. */
function count(db: Database, slice: ImportSlice, held: Guard): Statement {
  const published = slice.rows.filter(({ slug }) => slug !== null).length
  const headers = slice.headerRows.length
  const counts = JSON.stringify({ imported: slice.rows.length, published, failed: slice.failed, headers })
  return db.run(sql`
    INSERT INTO card_slices (batch_id, sequence, counts, errors)
    SELECT ${slice.batchId}, ${slice.sequence}, ${counts}, ${errorsText(slice.errors, slice.headerRows)} WHERE ${held}`)
}

/** Credits tokens for published cards without a ledger row, and writes the counts of the rows that were inserted. */
function settle(db: Database, slice: ImportSlice, held: Guard): Statement[] {
  const { owner, batchId, sequence, onDuplicate, rows, repeated, failed } = slice
  const brief = JSON.stringify(
    rows.map(({ index, id, hash, card, row = null }) => [id, hash, index, shownTitle(card.title), row]),
  )
  const written = sql`EXISTS (SELECT 1 FROM cards c WHERE c.owner = ${owner} AND c.id = ${at(0)})`
  const present = sql`json_each(${brief}) r CROSS JOIN cards c ON c.owner = ${owner} AND c.id = ${
    onDuplicate === 'update' ? oldest(owner, at(1)) : at(0)
  }`
  const left = sql`(${rows.length} - n.imported)`
  const counts = {
    skip: sql`'failed', ${failed}, 'skipped', ${left} + ${repeated}`,
    update: sql`'failed', ${failed}, 'updated', ${left} + ${repeated}`,
    fail: sql`'failed', ${failed} + ${left}`,
  }[onDuplicate ?? 'skip']
  // As `keptErrors` has them.
  const members = sql`'index', i, 'title', iif(n <= ${MAX_ERRORS}, title, ''), 'error', ${DUPLICATE}`
  const duplicates =
    onDuplicate === 'fail'
      ? sql`UNION ALL SELECT iif(line IS NULL, json_object(${members}), json_object('row', line, ${members})) FROM (
          SELECT ${at(2)} AS i, ${at(3)} AS title, ${at(4)} AS line, row_number() OVER (ORDER BY r.key) AS n
          FROM json_each(${brief}) r WHERE NOT ${written})`
      : sql``
  return [
    db.run(sql`
      ${LEDGER} ${wage(slice, sql`c.id`)} FROM ${present}
      WHERE ${held} AND c.published_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM token_ledger t WHERE t.card_id = c.id)`),
    db.run(sql`
      INSERT INTO card_slices (batch_id, sequence, counts, errors)
      SELECT ${batchId}, ${sequence}, json_object('imported', n.imported, 'published', n.published, 'headers', ${slice.headerRows.length}, ${counts}),
        (SELECT json_group_array(json(e)) FROM (
          SELECT e FROM (SELECT value AS e FROM json_each(${errorsText(slice.errors, slice.headerRows)}) ${duplicates})
          ORDER BY e ->> 'index'))
      FROM (
        SELECT (SELECT count(*) FROM json_each(${brief}) r WHERE ${written}) AS imported,
          (SELECT count(*) FROM ${present} CROSS JOIN token_ledger t ON t.card_id = c.id AND t.batch_id = ${batchId} AND t.sequence = ${sequence}) AS published
      ) n WHERE ${held}`),
  ]
}
