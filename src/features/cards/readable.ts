/** Cards as a type of resource that batch reads look up. */
import { sql } from 'drizzle-orm'
import type { Compute, Database } from '../../ports.ts'
import { type AnswerRoom, answerRoom, readFitting, roomOf, sayFull } from '../../rows/fitting-rows.ts'
import type { Row } from '../../rows/owned-rows.ts'
import { asFound, asTime, type Found, ownedBy, type ReadableResource } from '../../rows/readable-resource.ts'
import { MAX_CARD_BYTES } from './schemas.ts'
import { cards } from './tables.ts'

/** Makes the resource `cards`. */
export function readableCards({ db, compute }: { db: Database; compute: Compute }): ReadableResource {
  const room = answerRoom(compute)
  return {
    name: 'cards',
    noun: 'Card',
    scope: 'cards:read',
    find: async (owner, ids) => {
      const rows = {
        maxBytes: MAX_CARD_BYTES,
        sizesOf: (some: readonly string[]) => readSizes(db, owner, some, room),
        read: async (some: readonly string[]) => asFound(await findCards(db, owner, some)),
        full: sayFull(room, 'cards'),
      }
      const found = await readFitting<Found>(ids, rows, room)
      return new Map(found)
    },
  }
}

/** Reads the sizes of these cards, as the bytes of their long texts. */
async function readSizes(
  db: Database,
  owner: string,
  ids: readonly string[],
  room: AnswerRoom,
): Promise<Map<string, number>> {
  const texts = sql`octet_length(${cards.title}) + octet_length(${cards.body})`
  const bytes = sql<number>`${texts} + ${roomOf(cards.tags, room)} + ${roomOf(cards.metadata, room)}`
  const rows = await db.select({ id: cards.id, bytes }).from(cards).where(ownedBy(owner, ids))
  return new Map(rows.map((row) => [row.id, row.bytes]))
}

async function findCards(db: Database, owner: string, ids: readonly string[]): Promise<Map<string, Row>> {
  const rows = await db
    .select({
      id: cards.id,
      title: cards.title,
      body: cards.body,
      category: cards.category,
      privacy_level: cards.privacyLevel,
      tags: cards.tags,
      source_platform: cards.sourcePlatform,
      source_url: cards.sourceUrl,
      metadata: cards.metadata,
      published_at: cards.publishedAt,
      created_at: cards.createdAt,
      updated_at: cards.updatedAt,
    })
    .from(cards)
    .where(ownedBy(owner, ids))
  return new Map(
    rows.map(({ published_at, created_at, updated_at, ...row }) => [
      row.id,
      { ...row, published_at: asTime(published_at), created_at: asTime(created_at), updated_at: asTime(updated_at) },
    ]),
  )
}
