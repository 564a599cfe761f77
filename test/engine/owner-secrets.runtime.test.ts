/** Secrets as they are kept: encrypted, bound to their owner, name and server. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MAX_SECRETS, OwnerSecrets } from '../../src/engine/owner-secrets.ts'
import { openPlatform, type Platform } from '../support/platform.ts'

const VALUE = 'sk-live-äöü-0123456789'
const clock = { now: Date.now }

let platform: Platform
let secrets: OwnerSecrets
beforeAll(async () => {
  platform = await openPlatform({})
  secrets = new OwnerSecrets(platform.db, 'a signing key of at least 32 characters')
})
afterAll(() => platform.close())

const rows = () => platform.db.all<{ sealed: string }>(sql`SELECT * FROM owner_secrets`)

it('gives back what was put, under the name and to the owner alone, and keeps it encrypted', async () => {
  expect(await secrets.put('ann', 'KEY', VALUE, clock)).toMatchObject({ name: 'KEY', created: true })
  expect(await secrets.put('ben', 'KEY', 'the other one', clock)).toMatchObject({ created: true })
  expect(await secrets.open('ann', ['KEY', 'NONE'])).toEqual(new Map([['KEY', VALUE]]))
  expect(await secrets.open('cat', ['KEY'])).toEqual(new Map())
  expect(JSON.stringify(await rows())).not.toContain('sk-live')
})

it('puts one in place of another, sealed anew each time', async () => {
  const before = await rows()
  expect(await secrets.put('ann', 'KEY', VALUE, clock)).toMatchObject({ created: false })
  const after = await rows()
  expect(after).toHaveLength(before.length)
  expect(after.map(({ sealed }) => sealed)).not.toEqual(before.map(({ sealed }) => sealed))
})

it('opens nothing that was moved to another owner or name, or sealed under another key', async () => {
  await secrets.put('ann', 'MOVED', VALUE, clock)
  await platform.db.run(sql`UPDATE owner_secrets SET owner = 'eve' WHERE name = 'MOVED'`)
  const failure = { code: 'OPERATION_FAILED', transient: false, message: expect.stringContaining('"MOVED"') }
  await expect(secrets.open('eve', ['MOVED'])).rejects.toMatchObject(failure)
  const other = new OwnerSecrets(platform.db, 'another signing key of 32 characters or more')
  await expect(other.open('ann', ['KEY'])).rejects.toMatchObject({ code: 'OPERATION_FAILED' })
})

it('bounds how many there are, and replaces one of as many', async () => {
  await platform.db.run(sql`
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MAX_SECRETS})
    INSERT INTO owner_secrets SELECT 'full', 'S' || i, 'x', 1, 1 FROM n`)
  await expect(secrets.put('full', 'MORE', VALUE, clock)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect(await secrets.put('full', 'S1', VALUE, clock)).toMatchObject({ created: false })
  expect(await secrets.remove('full', 'S2')).toBe(true)
  expect(await secrets.remove('full', 'S2')).toBe(false)
})
