/** Which card is shown at an address. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readPublished } from '../../../src/features/cards/queries/cards.ts'
import { openEngine } from '../../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [] })
})
afterEach(() => engine.close())

it.each([
  ['as it was given', '한국어-x', '한국어-x'],
  ['percent-encoded', '%ED%95%9C%EA%B5%AD%EC%96%B4-x', '한국어-x'],
  ['percent-encoded, asked for in another spelling', '%ED%95%9C%EA%B5%AD%EC%96%B4-x', '한국어-x'.normalize('NFD')],
])('finds a slug that is stored %s', async (_, stored, asked) => {
  await engine.db.run(sql`
    INSERT INTO cards (owner, id, hash, title, body, category, privacy_level, tags, metadata, slug, published_at, created_at, updated_at)
    VALUES ('me', 'a', 'h', 'A', '', 'c', 'IDEAS', '[]', '{}', ${stored}, 1, 0, 0)`)
  expect(await readPublished(engine.db, asked)).toMatchObject({ title: 'A' })
  expect(await readPublished(engine.db, 'x')).toBeNull()
})
