/** What the log holds of requests that carry secrets, and of those that fail: never the secrets, always the request's id. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { StreamLink } from '../../src/features/batches/follow-schemas.ts'
import { runKeys, startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const API_KEY = 'the "secret" key \\ of the environment'.replaceAll(' ', '-')
const JWT_SECRET = 'the-secret-that-JWTs-are-signed-with-here'
const SIGNING_KEY = 'the-secret-that-links-are-signed-with-here'
const WEBHOOK = `whsec_${Buffer.from('a secret of a webhook, 32 bytes!').toString('base64')}`
const COOKIE = 'session=secret-of-a-cookie'

let server: TestServer
let key: string
let jwt: string
beforeAll(async () => {
  server = await startServer({
    env: {
      MILLRACE_AUTH: 'keys',
      MILLRACE_API_KEY: API_KEY,
      JWT_SECRET,
      SIGNING_KEY,
      MILLRACE_ALLOW_PRIVATE_URLS: '1',
    },
  })
  const { output } = await runKeys(server, ['create', 'ada'])
  key = /mr_\S+/.exec(output)?.[0] ?? ''
  jwt = await new SignJWT({ sub: 'carol' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET))
})
afterAll(() => server[Symbol.asyncDispose]())

const Line = z.looseObject({ level: z.number(), msg: z.string(), requestId: z.string().optional() })

/** The lines that name a request, once there are some of a kind. */
const linesOf = (requestId: string | null, wanted: (line: z.infer<typeof Line>) => boolean) =>
  until(async () => {
    const lines = server.output
      .split('\n')
      .slice(0, -1)
      .filter((text) => text.startsWith('{'))
      .map((text) => Line.parse(JSON.parse(text)))
      .filter((line) => line.requestId === requestId)
    return lines.some(wanted) ? lines : null
  })

async function send(path: string, headers: Record<string, string>, init: RequestInit = {}) {
  const response = await server.fetch(path, {
    ...init,
    headers: { 'Content-Type': 'application/json', Cookie: COOKIE, ...headers },
  })
  const text = await response.text()
  return { status: response.status, requestId: response.headers.get('X-Request-Id'), text }
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

/** What no line may hold; parts, so that no piece of a secret is there either. */
function expectNoSecrets(more: readonly string[] = []): void {
  for (const secret of [
    API_KEY,
    JSON.stringify(API_KEY).slice(1, -1),
    key,
    key.slice(3),
    JWT_SECRET,
    SIGNING_KEY,
    jwt,
    ...jwt.split('.').slice(1),
    WEBHOOK.slice(6),
    COOKIE,
    ...more,
  ]) {
    expect(secret.length).toBeGreaterThan(10)
    expect(server.output).not.toContain(secret)
  }
}

describe('the log', () => {
  it('holds a line for every request, and no secret of it', async () => {
    const made = StreamLink.parse(
      JSON.parse((await send('/api/batch/stream-token', bearer(key), { method: 'POST' })).text),
    )
    const token = made.streamUrl.split('token=')[1] ?? ''
    const answers = [
      await send('/api/batch', bearer(key)),
      await send('/api/batch', bearer(jwt)),
      await send('/api/batch', bearer(API_KEY)),
      await send('/api/batch', bearer(`${key}x`)),
      await send('/api/batch', bearer(`${jwt}x`)),
      await send('/api/batch', { Authorization: `Basic ${btoa(`me:${key}`)}` }),
      await send(`/api/batch/x?token=${token}`, {}),
      await send(`/api/batch/x?token=${key}&api_key=${key}`, {}),
      await send(`/exports/x?token=${jwt}`, {}),
      // Where no secret belongs, and some client puts one all the same.
      await send(`/api/batch/${key}`, bearer(key)),
      await send(`/api/batch/${jwt}`, bearer(key)),
      await send(`/nothing/${token}`, bearer(key)),
    ]
    for (const { status, requestId } of answers) {
      const [line] = await linesOf(requestId, ({ msg }) => msg === 'request')
      expect(line).toMatchObject({ status })
    }
    expectNoSecrets([token, ...token.split('.').slice(1)])
  })

  it('holds why a request failed, under the id that its answer carries, and no secret', async () => {
    // The database loses tables that requests need: what fails then is what nobody foresaw.
    const db = createClient({ url: pathToFileURL(join(server.dataDir, 'millrace.db')).href })
    // The server may be writing just now.
    await db.execute('PRAGMA busy_timeout = 60000')
    await db.execute('ALTER TABLE batches RENAME TO batches_gone')
    await db.execute('ALTER TABLE activities RENAME TO activities_gone')
    const body = JSON.stringify({
      operation: 'echo',
      items: [{ value: key }],
      options: { webhook: { url: `https://example.com/?token=${key}`, secret: WEBHOOK } },
    })
    const post = { method: 'POST', body }
    const activities = JSON.stringify({ activities: [{ name: jwt, activity_type: key }] })
    const answers = [
      await send('/api/batch', { ...bearer(key), 'Idempotency-Key': key }, post),
      await send('/api/batch', bearer(jwt), post),
      await send(`/api/batch/${key}`, bearer(key)),
      await send('/api/v1/activities', bearer(jwt), { method: 'POST', body: activities }),
    ]
    await db.execute('ALTER TABLE keys RENAME TO keys_gone')
    answers.push(await send('/api/batch', bearer(key)), await send('/bulk/tokens', bearer(key)))
    db.close()
    for (const { status, requestId, text } of answers) {
      expect([status, text]).toEqual([500, expect.stringContaining(requestId ?? 'an id')])
      expect(text).not.toMatch(/SQL|no such table|batches/)
      const lines = await linesOf(requestId, ({ msg }) => msg === 'request')
      expect(lines).toMatchObject([
        { level: 50, msg: 'a request failed with an unexpected error', err: { message: expect.any(String) } },
        { level: 50, msg: 'request', status: 500 },
      ])
    }
    expect(server.output).toContain('no such table')
    expectNoSecrets()
  })
})

describe('an error', () => {
  it.each([
    '/api/batch/x',
    '/api/v1/activities/x',
    '/api/chunks/x',
    '/bulk/status/x',
    '/exports/x',
    '/nothing',
    '/cards/x',
    '/results/x',
  ])('of %s carries the id of its request', async (path) => {
    const answers = [await send(path, {}), await send(path, { 'X-Request-Id': 'given-by-a-client' })]
    for (const { status, requestId } of answers) {
      expect(status).toBeGreaterThanOrEqual(400)
      expect(requestId).toMatch(/^[\w-]{10,}$/)
    }
    expect(answers[1]?.requestId).toBe('given-by-a-client')
  })
})

it('a row with text that is no UTF-8, as another program wrote it, is named and read, and the server goes on', async () => {
  await using other = await startServer({ env: { MILLRACE_AUTH: 'open' } })
  const post = (path: string, body: object) =>
    other.fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  expect((await post('/api/chunks', { chunks: [{ id: 'k_bad', text: 'é' }] })).status).toBe(201)
  const activity = { id: 'a-bad', name: 'é', activity_type: 'motor' }
  expect((await post('/api/v1/activities', { activities: [activity] })).status).toBe(201)
  const { batchId } = z
    .object({ batchId: z.string() })
    .parse(await (await post('/api/batch', { operation: 'echo', items: [{ value: 'x' }] })).json())
  await until(async () => (await (await other.fetch(`/api/batch/${batchId}`)).text()).includes('"completed"') || null)
  const db = new DatabaseSync(other.databaseFile, { timeout: 5_000 })
  db.exec(`UPDATE activities SET name = CAST(x'61ff62' AS TEXT);
    UPDATE jobs SET label = CAST(x'ff' AS TEXT), result = CAST(x'22ff22' AS TEXT) WHERE batch_id = '${batchId}';
    UPDATE batches SET idempotency_key = CAST(x'80' AS TEXT) WHERE id = '${batchId}'`)
  db.close()
  for (const path of ['/api/v1/activities/a-bad', '/api/v1/activities', `/api/batch/${batchId}/jobs`]) {
    const response = await other.fetch(path)
    expect([path, response.status, await response.text()]).toEqual([path, 200, expect.stringContaining('\ufffd')])
  }
  for (const path of [`/api/batch/${batchId}`, `/api/batch/${batchId}/results`, '/api/batch', '/healthz']) {
    expect([path, (await other.fetch(path)).status]).toEqual([path, 200])
  }
  await until(async () => /text_not_utf8.*a-bad/.test(other.output) || null)
})
