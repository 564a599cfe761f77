/** A scope means the same on every way in: what one surface keeps is not read through another, nor by a link, nor by writing. */
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Scope } from '../../../src/scopes.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
/** What nobody may see without the scope of the surface that keeps it. */
const KEPT = 'what is kept here'

let server: TestServer
let exported = ''
let updated = ''

const Task = z.object({ task_id: z.string() })
const Written = z.object({ batch_id: z.string(), stream_url: z.string() })
const Link = z.object({ streamUrl: z.string() })
const Exported = z.object({ result: z.looseObject({ download_url: z.string(), export_data: z.string() }) })

const tokenOf = (...scopes: Scope[]) =>
  new SignJWT({ sub: 'ada', scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET))

async function call(scopes: readonly Scope[], method: string, path: string, body?: unknown) {
  const response = await server.fetch(path, {
    method,
    headers: { Authorization: `Bearer ${await tokenOf(...scopes)}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), text }
}

async function done(scopes: readonly Scope[], method: string, path: string, body?: unknown): Promise<unknown> {
  const { status, text } = await call(scopes, method, path, body)
  expect([path, text, status < 300]).toEqual([path, text, true])
  return JSON.parse(text)
}

const activities = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ id: `a-${at}`, name: KEPT, description: KEPT, activity_type: 'motor' }))

beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', JWT_SECRET } })
  const card = { title: KEPT, body: KEPT, category: 'IDEAS', privacy_level: 'PRIVATE', tags: [] }
  const task = Task.parse(await done(['cards:write'], 'POST', '/bulk/import', { cards: [card] }))
  const ended = (id: string) =>
    until(async () => (await call(['*'], 'GET', `/bulk/status/${id}`)).text.includes('"SUCCESS"') || null)
  await ended(task.task_id)
  ;({ task_id: exported } = Task.parse(await done(['exports:write'], 'POST', '/bulk/export', { format: 'json' })))
  await ended(exported)
  await done(['resources:write'], 'POST', '/api/v1/activities', { activities: activities(2) })
  await done(['chunks:write'], 'POST', '/api/chunks', { chunks: [{ id: 'k_1', text: KEPT }] })
  const items = activities(101).map(({ id, name }) => ({ id, data: { name } }))
  const update = { resource_type: 'activities', items }
  const written = Written.parse(await done(['resources:write'], 'POST', '/api/v1/batch/update', update))
  updated = written.batch_id
  await until(async () => (await call(['*'], 'GET', `/api/batch/${updated}`)).text.includes('"completed"') || null)
  // Who makes a batch may follow it and read what it came to.
  const own = await server.fetch(written.stream_url.replace('/stream?', '/results?set=succeeded&'))
  expect([own.status, await own.text()]).toEqual([200, expect.stringContaining(KEPT)])
})
afterAll(() => server[Symbol.asyncDispose]())

describe('batch GET', () => {
  it.each([
    ['cards', 'cards:read'],
    ['chunks', 'chunks:read'],
    ['batches', 'batch:read'],
  ] as const)('of %s takes %s as well', async (resource_type, scope) => {
    const body = { resource_type, ids: ['k_1', exported] }
    const refused = await call(['resources:read'], 'POST', '/api/v1/batch/get', body)
    expect(refused).toMatchObject({
      status: 403,
      challenge: `Bearer error="insufficient_scope", scope="${scope}"`,
      text: expect.stringContaining(scope),
    })
    expect((await call([scope], 'POST', '/api/v1/batch/get', body)).status).toBe(403)
    expect((await call(['resources:read', scope], 'POST', '/api/v1/batch/get', body)).status).toBe(200)
    expect((await call(['read'], 'POST', '/api/v1/batch/get', body)).status).toBe(200)
  })

  it('of resources takes their scope alone', async () => {
    const body = { resource_type: 'activities', ids: ['a-0'] }
    expect((await call(['resources:read'], 'POST', '/api/v1/batch/get', body)).text).toContain(KEPT)
  })
})

describe('an export', () => {
  const status = () => `/bulk/status/${exported}`

  it('is had with exports:read, as text and by its link', async () => {
    const { result } = Exported.parse(await done(['cards:read', 'exports:read'], 'GET', status()))
    expect(result.export_data).toContain(KEPT)
    expect(await (await server.fetch(result.download_url)).text()).toContain(KEPT)
  })

  it.each([
    [['cards:read']],
    [['cards:read', 'cards:write', 'exports:write', 'batch:read', 'resources:read']],
  ] as const)('is followed with %j, and not had', async (scopes) => {
    const { text } = await call(scopes, 'GET', status())
    const { result } = z.object({ result: z.looseObject({ cards_exported: z.literal(1) }) }).parse(JSON.parse(text))
    expect(Object.keys(result)).not.toContain('download_url')
    expect(text).not.toMatch(/token=|what is kept/)
    expect((await call(scopes, 'GET', `/exports/${exported}`)).status).toBe(403)
    for (const path of ['', '/results', '/jobs', '/results?format=ndjson', '?after=0']) {
      const { text: shown } = await call([...scopes, 'batch:read'], 'GET', `/api/batch/${exported}${path}`)
      expect(shown).not.toMatch(/exports\/.*token=|what is kept/)
    }
  })
})

describe('a batch of updates', () => {
  it.each(['?set=succeeded', '?as=items', '?format=ndjson', ''])(
    'shows its items %s with resources:read',
    async (query) => {
      const path = `/api/batch/${updated}/results${query}`
      expect(await call(['batch:read'], 'GET', path)).toMatchObject({
        status: 403,
        challenge: expect.stringContaining('scope="resources:read"'),
      })
      expect((await call(['batch:read', 'resources:read'], 'GET', path)).status).toBe(200)
    },
  )

  it('is followed with batch:read, and its fields are nowhere else', async () => {
    for (const path of ['', '/jobs', '?after=0']) {
      const { status, text } = await call(['batch:read'], 'GET', `/api/batch/${updated}${path}`)
      expect([status, text]).toEqual([200, expect.not.stringContaining(KEPT)])
    }
  })

  it('opens no more to a link than to the key that asked for it', async () => {
    const linkOf = async (...scopes: Scope[]) => {
      const link = Link.parse(await done(scopes, 'POST', `/api/batch/${updated}/stream-token`))
      return link.streamUrl.replace('/stream?', '/results?set=succeeded&')
    }
    expect((await server.fetch(await linkOf('batch:read'))).status).toBe(403)
    expect((await server.fetch(await linkOf('batch:read', 'resources:read'))).status).toBe(200)
    expect((await server.fetch(await linkOf('read'))).status).toBe(200)
  })
})

it('an update tells the fields that were there only to whom may read them', async () => {
  const update = { resource_type: 'activities', items: [{ id: 'a-1', data: { name: 'new' } }] }
  const blind = await call(['resources:write'], 'POST', '/api/v1/batch/update', update)
  expect(JSON.parse(blind.text)).toMatchObject({ results: [{ id: 'a-1', status: 'success', status_code: 200 }] })
  expect(blind.text).not.toContain(KEPT)
  expect((await call(['resources:write', 'resources:read'], 'POST', '/api/v1/batch/update', update)).text).toContain(
    KEPT,
  )
})
