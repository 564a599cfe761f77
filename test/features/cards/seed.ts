/** Cards put straight into a database's file, as an import would have written them: for tests of what comes after a long one. */
import { DatabaseSync } from 'node:sqlite'
import { cardId, contentHash, slugMaker } from '../../../src/features/cards/card.ts'

/** A card as the file holds it, all of it published. */
export interface SeededCard {
  readonly title: string
  readonly body: string
  readonly category: string
  readonly privacy_level: string
  readonly tags: readonly string[]
  readonly source_platform: string
  readonly source_url: string
}

/** The import they are said to be from. */
const BATCH = '01a1fe16-782b-7336-83b0-f701eca0ae1c'
/** When it was. */
export const SEEDED_AT = Date.parse('2031-03-07T09:00:00.000Z')

const slugOf = slugMaker(BATCH)

/** What a seeded card was given, by its number. */
export function seededIds(number: number, title: string): { id: string; slug: string } {
  return { id: cardId(BATCH, number), slug: slugOf(title, number) }
}

/**
 * Adds cards numbered from `from` to `to` of the owner `local`, whose file nobody else has open.
 * @param file a database with our schema
 */
export function seedCards(file: string, from: number, to: number, make: (number: number) => SeededCard): void {
  const db = new DatabaseSync(file)
  try {
    db.exec('PRAGMA synchronous = OFF; BEGIN')
    const insert = db.prepare(`
      INSERT INTO cards (owner, id, hash, title, body, category, privacy_level, tags, source_platform, source_url, metadata, slug,
        published_at, deleted_at, created_at, updated_at)
      VALUES ('local', ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ${SEEDED_AT}, NULL, ${SEEDED_AT}, ${SEEDED_AT})`)
    for (let number = from; number < to; number++) {
      const card = make(number)
      const { id, slug } = seededIds(number, card.title)
      const { title, body, category, privacy_level, source_platform, source_url } = card
      const texts = [title, body, category, privacy_level, JSON.stringify(card.tags), source_platform, source_url]
      insert.run(id, contentHash(card), ...texts, slug)
    }
    db.prepare(
      `INSERT INTO card_accounts (owner, cards, balance) VALUES ('local', ?, 0) ON CONFLICT (owner) DO UPDATE SET cards = cards + excluded.cards`,
    ).run(to - from)
    db.exec('COMMIT')
  } finally {
    db.close()
  }
}
