/** What keys and JWTs may do: by scope, on every surface, in its own words; keys that are rotated; JWTs by JWKS. */
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/scopes.ts'
import { runKeys, startServer, type TestServer } from '../../support/server.ts'
import { makeKey, startProvider } from './jwks-server.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
const IN_AN_HOUR = Math.floor(Date.now() / 1_000) + 3_600

let server: TestServer
let provider: Awaited<ReturnType<typeof startProvider>>
let idKey: Awaited<ReturnType<typeof makeKey>>
beforeAll(async () => {
  idKey = await makeKey('ES256', 'k1')
  provider = await startProvider([idKey])
  server = await startServer({
    env: { MILLRACE_AUTH: 'keys', JWT_SECRET, JWKS_URL: provider.url, JWT_AUDIENCE: 'millrace' },
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const keys = (...args: string[]) => runKeys(server, args)
const secretIn = (output: string) => /\n {2}(mr_\S+)\n/.exec(output)?.[1] ?? ''
const idIn = (output: string) => /Key (\S+) for/.exec(output)?.[1] ?? ''

/** A JWT of these scopes; without, one that says nothing of them. */
const jwt = (...scopes: Scope[]) =>
  new SignJWT({ sub: 'ada', aud: 'millrace', ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET))

async function call(token: string, method: string, path: string) {
  const response = await server.fetch(path, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: '{}' }),
  })
  const text = await response.text()
  return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), text }
}

/** A request of every kind, with the scope it needs. */
const REQUESTS: readonly (readonly [method: string, path: string, scope: Scope])[] = [
  ['GET', '/api/batch', 'batch:read'],
  ['GET', '/api/batch/x/results', 'batch:read'],
  ['POST', '/api/batch/stream-token', 'batch:read'],
  ['POST', '/api/batch', 'batch:write'],
  ['POST', '/api/batch/extract', 'batch:write'],
  ['POST', '/api/batch/x/cancel', 'batch:write'],
  ['DELETE', '/api/batch/x', 'batch:write'],
  ['GET', '/bulk/status/x', 'cards:read'],
  ['GET', '/bulk/tokens', 'cards:read'],
  ['POST', '/bulk/import', 'cards:write'],
  ['POST', '/bulk/import/x/resume', 'cards:write'],
  ['POST', '/bulk/delete', 'cards:write'],
  ['POST', '/bulk/export', 'exports:write'],
  ['GET', '/exports/x', 'exports:read'],
  ['POST', '/api/v1/batch/get', 'resources:read'],
  ['POST', '/api/v1/batch/activities/recommendations', 'resources:read'],
  ['GET', '/api/v1/activities', 'resources:read'],
  ['POST', '/api/v1/activities', 'resources:write'],
  ['POST', '/api/v1/batch/update', 'resources:write'],
  ['POST', '/api/chunks/bulk', 'chunks:read'],
  ['GET', '/api/chunks/k_1', 'chunks:read'],
  ['POST', '/api/chunks', 'chunks:write'],
  ['GET', '/api/webhooks/deliveries', 'webhooks:read'],
  ['POST', '/api/webhooks/deliveries/x/redeliver', 'webhooks:write'],
  ['GET', '/metrics', 'metrics:read'],
]

/** The scopes that a request is refused for. */
async function refusedFor(token: string): Promise<Set<string>> {
  const refused = new Set<string>()
  for (const [method, path, scope] of REQUESTS) {
    const { status, challenge, text } = await call(token, method, path)
    if (status === 403) {
      refused.add(scope)
      expect(challenge).toBe(`Bearer error="insufficient_scope", scope="${scope}"`)
      expect(text).toContain(`it lacks the scope \\"${scope}\\"`)
    } else expect([200, 202, 204, 400, 404, 409, 415, 422]).toContain(status)
  }
  return refused
}

const ALL = new Set(REQUESTS.map(([, , scope]) => scope))
const allBut = (...granted: Scope[]) => new Set([...ALL].filter((scope) => !granted.includes(scope)))

describe('a scope', () => {
  it.each([...ALL])('%s opens what needs it, and nothing else', async (scope) => {
    expect(await refusedFor(await jwt(scope))).toEqual(allBut(scope))
  })

  it('may be one for all surfaces', async () => {
    expect(await refusedFor(await jwt('*'))).toEqual(new Set())
    const reads = [...ALL].filter((scope) => scope.endsWith(':read') && scope !== 'metrics:read')
    expect(await refusedFor(await jwt('read'))).toEqual(allBut(...reads))
    const writes = [...ALL].filter((scope) => scope.endsWith(':write'))
    expect(await refusedFor(await jwt('write'))).toEqual(allBut(...writes))
  })

  it('that is not said leaves out the metrics alone, which tell of all owners', async () => {
    expect(await refusedFor(await jwt())).toEqual(new Set(['metrics:read']))
  })

  it.each([
    ['/api/batch', { success: false, error: 'FORBIDDEN', message: expect.stringContaining('"batch:read"') }],
    ['/bulk/tokens', { detail: expect.stringContaining('"cards:read"') }],
    ['/api/v1/activities', { detail: expect.stringContaining('"resources:read"') }],
    ['/api/chunks/k_1', { error: expect.stringContaining('"chunks:read"') }],
  ])('that lacks is named at %s as its surface words errors', async (path, body) => {
    const { status, text } = await call(await jwt('exports:read'), 'GET', path)
    expect([status, JSON.parse(text)]).toMatchObject([403, body])
  })

  it('does not tell a narrow key what is nowhere', async () => {
    expect((await call(await jwt('batch:read'), 'GET', '/api/nothing')).status).toBe(403)
    expect((await call(await jwt('read'), 'GET', '/api/nothing')).status).toBe(404)
  })
})

describe('a key', () => {
  it('is made with scopes, shows them, and keeps them when it is rotated', async () => {
    const made = await keys('create', 'bo', 'dashboard', '--scopes', 'batch:read, cards:read', '--days', '90')
    const old = secretIn(made.output)
    expect((await call(old, 'GET', '/api/batch')).status).toBe(200)
    expect((await call(old, 'POST', '/api/batch')).status).toBe(403)
    const rotated = await keys('rotate', idIn(made.output))
    expect(rotated.output).toContain('The old one is revoked')
    expect((await call(old, 'GET', '/api/batch')).status).toBe(401)
    const fresh = secretIn(rotated.output)
    expect(fresh).not.toBe(old)
    expect((await call(fresh, 'GET', '/api/batch')).status).toBe(200)
    expect((await call(fresh, 'POST', '/api/batch')).status).toBe(403)
    const { output } = await keys('list')
    const line = (id: string) => output.split('\n').find((text) => text.startsWith(id))
    expect(line(idIn(made.output))).toMatch(/ bo +replaced +batch:read,cards:read .*dashboard/)
    expect(line(idIn(rotated.output))).toMatch(/ bo +in force +batch:read,cards:read .*until \d{4}-.*dashboard/)
    expect(output).not.toContain(fresh)
  })

  it('that was rotated works on for as long as it was given', async () => {
    const made = await keys('create', 'bo')
    const old = secretIn(made.output)
    const rotated = await keys('rotate', idIn(made.output), '--grace', '1.5')
    expect(rotated).toMatchObject({ code: 0, output: expect.stringContaining('another 1.5 hours') })
    for (const secret of [old, secretIn(rotated.output)])
      expect((await call(secret, 'GET', '/api/batch')).status).toBe(200)
    expect(await keys('rotate', idIn(made.output))).toMatchObject({
      code: 1,
      output: expect.stringContaining('keys -- list'),
    })
  })

  it.each([
    [['create', 'bo', '--scopes', 'everything'], 'There is no scope "everything"'],
    [['create', 'bo', '--scopes', ''], 'There is no scope ""'],
    [['create', 'bo', '--scope', 'read'], 'Usage'],
    [['create', 'bo', 'one', 'two'], 'Usage'],
    [['create', 'bo', '--days'], 'Usage'],
    [['rotate'], 'Usage'],
    [['rotate', 'x', '--grace', 'soon'], 'Usage'],
    [['rotate', '019a0000-0000-7000-8000-000000000000'], 'keys -- list'],
  ])('is not made by %o', async (args, said) => {
    const { code, output } = await keys(...args)
    expect(code).toBe(1)
    expect(output).toContain(said)
  })
})

describe('a JWT of the JWKS', () => {
  it('speaks for its subject', async () => {
    const sign = (claims: object) => idKey.sign({ sub: 'carol', aud: 'millrace', exp: IN_AN_HOUR, ...claims })
    expect((await call(await sign({}), 'GET', '/api/batch')).status).toBe(200)
    expect((await call(await sign({ scope: 'cards:read' }), 'GET', '/api/batch')).status).toBe(403)
    expect((await call(await sign({ aud: 'other' }), 'GET', '/api/batch')).status).toBe(401)
    const stranger = await makeKey('ES256', 'k1')
    expect(
      await call(await stranger.sign({ sub: 'carol', aud: 'millrace', exp: IN_AN_HOUR }), 'GET', '/api/batch'),
    ).toMatchObject({
      status: 401,
      challenge: 'Bearer error="invalid_token"',
    })
  })

  it('is answered 503 while nobody can tell', async () => {
    await using down = await startServer({ env: { MILLRACE_AUTH: 'keys', JWKS_URL: 'http://127.0.0.1:1/jwks.json' } })
    const response = await down.fetch('/bulk/tokens', {
      headers: { Authorization: `Bearer ${await idKey.sign({ sub: 'carol' })}` },
    })
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
    expect(await response.json()).toEqual({ detail: expect.stringContaining('Try again') })
  })
})

describe('a JWT with a claim that is wrong', () => {
  const sign = (claims: Record<string, unknown>) => idKey.sign({ sub: 'carol', aud: 'millrace', ...claims })

  it.each([
    ['has no end', {}, /needs the claim .?"exp/],
    ['has expired', { exp: 1_000_000_000 }, /expired/],
    ['is not valid yet', { exp: IN_AN_HOUR, nbf: IN_AN_HOUR }, /not valid yet/],
    ['is for somebody else', { exp: IN_AN_HOUR, aud: 'other' }, /wrong audience/],
    ['has no scope but null', JSON.parse(`{"exp":${IN_AN_HOUR},"scope":null}`), /claim .?"scope/],
  ])('is refused with 401 on every surface, which says that it %s', async (_, claims, reason) => {
    const token = await sign(claims)
    for (const path of ['/api/batch', '/bulk/tokens', '/api/v1/activities', '/api/chunks/k_1', '/metrics']) {
      const { status, challenge, text } = await call(token, 'GET', path)
      expect([path, status, text]).toEqual([path, 401, expect.stringMatching(reason)])
      expect(challenge).toMatch(/^Bearer error="invalid_token", error_description="[^"\\]+"$/)
    }
  })
})
