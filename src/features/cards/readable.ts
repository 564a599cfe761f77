/** Cards as a type of resource that batch reads look up. */
import type { Database } from '../../ports.ts'
import type { Row } from '../../rows/owned-rows.ts'
import { asFound, asTime, ownedBy, type ReadableResource } from '../../rows/readable-resource.ts'
import { cards } from './tables.ts'

/** Makes the resource `cards`. */
export function readableCards(db: Database): ReadableResource {
  return {
    name: 'cards',
    noun: 'Card',
    scope: 'cards:read',
    find: async (owner, ids) => asFound(await findCards(db, owner, ids)),
  }
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
