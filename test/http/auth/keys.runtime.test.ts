/** API keys on a real database, with the time turned. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createKey, findKey, listKeys, revokeKey, rotateKey } from '../../../src/http/auth/keys.ts'
import { turnableClock } from '../../support/fixture.ts'
import { openPlatform, type Platform } from '../../support/platform.ts'

const HOUR_MS = 60 * 60 * 1_000

let platform: Platform
let deps: { db: Platform['db']; clock: ReturnType<typeof turnableClock> }
beforeEach(async () => {
  platform = await openPlatform()
  deps = { db: platform.db, clock: turnableClock() }
})
afterEach(() => platform.close())

const make = (lastsMs: number | null = null) =>
  createKey(deps, {
    owner: 'ada',
    name: 'laptop',
    scopes: ['batch:read'],
    expiresAt: lastsMs === null ? null : deps.clock.now() + lastsMs,
  })
const ADA = { owner: 'ada', scopes: ['batch:read'] }

it('a rotated key works until its grace is over, its successor on', async () => {
  const old = await make()
  const next = await rotateKey(deps, old.id, 2 * HOUR_MS)
  expect(next?.owner).toBe('ada')
  deps.clock.advance(2 * HOUR_MS - 60_000)
  expect(await findKey(deps, old.secret)).toMatchObject(ADA)
  deps.clock.advance(60_000)
  expect(await findKey(deps, old.secret)).toBeNull()
  expect(await findKey(deps, next?.secret ?? '')).toMatchObject(ADA)
})

it('a grace gives no key more time than it had', async () => {
  const old = await make(HOUR_MS)
  await rotateKey(deps, old.id, 24 * HOUR_MS)
  deps.clock.advance(HOUR_MS)
  expect(await findKey(deps, old.secret)).toBeNull()
})

it('a successor lasts as long from its making as the first did', async () => {
  const old = await make(10 * HOUR_MS)
  deps.clock.advance(9 * HOUR_MS)
  const next = await rotateKey(deps, old.id, 0)
  expect(await findKey(deps, old.secret)).toBeNull()
  deps.clock.advance(10 * HOUR_MS - 60_000)
  expect(await findKey(deps, next?.secret ?? '')).toMatchObject(ADA)
  deps.clock.advance(60_000)
  expect(await findKey(deps, next?.secret ?? '')).toBeNull()
})

it('a key is rotated once, by one of those that try at the same time', async () => {
  const old = await make()
  const tries = await Promise.all([1, 2, 3].map(() => rotateKey(deps, old.id, HOUR_MS)))
  expect(tries.filter((made) => made !== null)).toHaveLength(1)
  expect(await listKeys(platform.db)).toHaveLength(2)
})

it('what is revoked, expired or unknown is not rotated', async () => {
  const [revoked, expired] = [await make(), await make(HOUR_MS)]
  expect(await revokeKey(deps, revoked.id)).toBe(true)
  deps.clock.advance(HOUR_MS)
  for (const id of [revoked.id, expired.id, 'none']) expect(await rotateKey(deps, id, 0)).toBeNull()
  expect(await listKeys(platform.db)).toHaveLength(2)
})

it('the database holds no secret', async () => {
  const { id, secret } = await make()
  const next = await rotateKey(deps, id, HOUR_MS)
  const rows = JSON.stringify(await platform.db.all(sql`SELECT * FROM keys`))
  for (const text of [secret, secret.slice(3), next?.secret ?? '']) expect(rows).not.toContain(text)
})

it('a scope that a later version may know gives nothing here', async () => {
  const { id, secret } = await make()
  await platform.db.run(sql`UPDATE keys SET scopes = '["later:read","batch:write"]' WHERE id = ${id}`)
  expect(await findKey(deps, secret)).toMatchObject({ owner: 'ada', scopes: ['batch:write'] })
})
