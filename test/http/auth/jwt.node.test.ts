/** JWTs by JWKS: which are believed, keys that change while the server runs, a provider that is down or answers rubbish. */
import { exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createJwtVerifier } from '../../../src/http/auth/jwt.ts'
import type { JwksCache } from '../../../src/http/context.ts'
import { quietLog, turnableClock } from '../../support/fixture.ts'
import { makeKey, type SigningKey, startProvider } from './jwks-server.ts'

const HOUR = 3_600
const now = () => Math.floor(Date.now() / 1_000)
const claims = (more: object = {}) => ({ sub: 'ada', exp: now() + HOUR, ...more })

let rsa: SigningKey
let ec: SigningKey
let provider: Awaited<ReturnType<typeof startProvider>>
beforeAll(async () => {
  rsa = await makeKey('RS256', 'rsa-1')
  ec = await makeKey('ES256', 'ec-1')
})
beforeEach(async () => {
  provider = await startProvider([rsa, ec])
})
afterEach(() => provider[Symbol.asyncDispose]())

function verifier(
  auth: {
    jwtIssuer?: string
    jwtAudience?: string
    jwtSecret?: string
    jwksCache?: JwksCache
    jwtLeewaySeconds?: number
  } = {},
  cooldownMs = 50,
) {
  const clock = turnableClock()
  const log = quietLog()
  const verify = createJwtVerifier({
    auth: { jwtSecret: null, ...auth, jwksUrl: provider.url },
    clock,
    log,
    reserved: new Set(['local', 'shared']),
    cooldownMs,
    failureMs: 20_000,
  })
  return { verify, clock, log }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const unavailable = { code: 'SERVICE_UNAVAILABLE', status: 503, details: { retryAfter: expect.any(Number) } }

describe('a token', () => {
  it.each(['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'])(
    'signed with %s is believed',
    async (alg) => {
      const key = await makeKey(alg, alg)
      provider.serve([rsa, key])
      expect(await verifier().verify(await key.sign(claims()))).toMatchObject({
        owner: 'ada',
        scopes: ['read', 'write'],
      })
    },
  )

  it.each([
    [{ exp: now() - 61 }, 'exp', /has expired \(\d{4}-/],
    [{ exp: -1e300 }, 'exp', /has expired\./],
    [{ exp: undefined }, 'exp', /needs the claim "exp"/],
    [{ exp: null }, 'exp', /must be a time/],
    [{ exp: 'tomorrow' }, 'exp', /must be a time/],
    [{ exp: '9999999999' }, 'exp', /must be a time/],
    [{ exp: 1e300 }, 'exp', /must be a time/],
    [{ nbf: now() + 200 }, 'nbf', /not valid yet \(\d{4}-/],
    [{ nbf: 'now' }, 'nbf', /must be a time/],
    [{ sub: 'local' }, 'sub', /no token may have/],
    [{ sub: 'shared' }, 'sub', /no token may have/],
    [{ sub: '' }, 'sub', /1 to 256/],
    [{ sub: undefined }, 'sub', /1 to 256/],
    [{ sub: 7 }, 'sub', /1 to 256/],
    // As they would be stored, they would be the same owner, or another than they seem.
    [{ sub: 's\ud800' }, 'sub', /1 to 256/],
    [{ sub: 'a\0' }, 'sub', /1 to 256/],
    [{ sub: 'a\nb' }, 'sub', /1 to 256/],
    [{ sub: 'x'.repeat(257) }, 'sub', /1 to 256/],
    [{ scope: null }, 'scope', /words/],
    [{ scope: 7 }, 'scope', /words/],
    [{ scope: { read: true } }, 'scope', /words/],
    [{ scope: ['read', null] }, 'scope', /words/],
    [{ scope: 'read', scopes: null }, 'scopes', /words/],
    [{ scp: false }, 'scp', /words/],
  ])('with %o is refused for its %s', async (wrong, claim, reason) => {
    // As it is in JSON: a value that is not the claim's type is no matter of the library that signs.
    const token = await rsa.sign(JSON.parse(JSON.stringify({ ...claims(), ...wrong })))
    expect(await verifier().verify(token)).toEqual({ claim, refused: expect.stringMatching(reason) })
    // Who can't sign is told nothing of claims.
    const stranger = await makeKey('RS256', 'rsa-1')
    expect(
      await verifier().verify(await stranger.sign(JSON.parse(JSON.stringify({ ...claims(), ...wrong })))),
    ).toBeNull()
  })

  it('may be late, or early, by the leeway', async () => {
    const { verify } = verifier()
    const late = now() - 50
    expect(await verify(await rsa.sign(claims({ exp: late })))).toMatchObject({ endsAt: (late + 60) * 1_000 })
    expect(await verify(await rsa.sign(claims({ nbf: now() + 50 })))).toMatchObject({ owner: 'ada' })
    const strict = verifier({ jwtLeewaySeconds: 0 }).verify
    expect(await strict(await rsa.sign(claims({ exp: now() - 1 })))).toMatchObject({ claim: 'exp' })
    expect(await strict(await rsa.sign(claims({ nbf: now() + 30 })))).toMatchObject({ claim: 'nbf' })
    const wide = verifier({ jwtLeewaySeconds: 300 }).verify
    expect(await wide(await rsa.sign(claims({ exp: now() - 200 })))).toMatchObject({ owner: 'ada' })
  })

  it('that is none is not believed', async () => {
    const { verify } = verifier()
    expect(await verify('no.token.atall')).toBeNull()
    expect(await verify('a key')).toBeNull()
  })

  it('is not believed when a public key served as its secret', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true })
    const pems = [await exportSPKI(publicKey), JSON.stringify(rsa.jwk), rsa.jwk.n ?? '']
    const { verify } = verifier()
    for (const pem of pems) {
      const forged = await new SignJWT(claims())
        .setProtectedHeader({ alg: 'HS256', kid: 'rsa-1' })
        .sign(new TextEncoder().encode(pem))
      expect(await verify(forged)).toBeNull()
    }
  })

  it('is not believed by a symmetric key that the set holds', async () => {
    const secret = { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA', kid: 'hs', alg: 'HS256' }
    provider.answer = { body: JSON.stringify({ keys: [rsa.jwk, secret] }) }
    const forged = await new SignJWT(claims())
      .setProtectedHeader({ alg: 'HS256', kid: 'hs' })
      .sign(await importJWK(secret, 'HS256'))
    expect(await verifier().verify(forged)).toBeNull()
  })

  it('is not believed without a signature, or with that of another key', async () => {
    const { verify } = verifier()
    const [, payload] = (await rsa.sign(claims())).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    expect(await verify(`${none}.${payload}.`)).toBeNull()
    const stranger = await makeKey('RS256', 'rsa-1')
    expect(await verify(await stranger.sign(claims()))).toBeNull()
  })

  it('may leave out which of several keys signed it', async () => {
    const other = await makeKey('RS256', 'rsa-2')
    provider.serve([rsa, other])
    const { verify } = verifier()
    expect(await verify(await other.sign(claims(), { kid: undefined }))).toMatchObject({ owner: 'ada' })
    const stranger = await makeKey('RS256', 'x')
    expect(await verify(await stranger.sign(claims(), { kid: undefined }))).toBeNull()
  })

  it('must be from whom, and for whom, the configuration says', async () => {
    const { verify } = verifier({ jwtIssuer: 'https://id.example.com', jwtAudience: 'millrace' })
    const right = { iss: 'https://id.example.com', aud: ['other', 'millrace'] }
    expect(await verify(await rsa.sign(claims(right)))).toMatchObject({ owner: 'ada' })
    for (const [wrong, claim, reason] of [
      [{ iss: 'https://evil.example.com' }, 'iss', /wrong issuer.*"https:..id.example.com"/],
      [{ aud: 'other' }, 'aud', /wrong audience.*"millrace"/],
      [{ iss: undefined }, 'iss', /wrong issuer/],
      [{ aud: undefined }, 'aud', /wrong audience/],
      [{ aud: [] }, 'aud', /wrong audience/],
    ] as const) {
      const refused = await verify(await rsa.sign(claims({ ...right, ...wrong })))
      expect(refused).toEqual({ claim, refused: expect.stringMatching(reason) })
    }
  })

  it.each([
    [{}, ['read', 'write']],
    [{ scope: 'batch:read cards:write' }, ['batch:read', 'cards:write']],
    [{ scope: 'openid profile batch:read' }, ['batch:read']],
    [{ scope: 'openid' }, []],
    [{ scope: '' }, []],
    [{ scopes: ['metrics:read'] }, ['metrics:read']],
    [{ scp: ['*'] }, ['*']],
    [{ scope: ['batch:read'] }, ['batch:read']],
    [{ scp: 'batch:read openid' }, ['batch:read']],
    [{ scope: 'cards:read', scopes: ['*'] }, ['cards:read']],
  ])('with %o may do %o', async (more, scopes) => {
    expect(await verifier().verify(await ec.sign(claims(more)))).toMatchObject({ owner: 'ada', scopes })
  })

  it('signed with the shared secret is believed beside a JWKS', async () => {
    const jwtSecret = 'a secret that is shared with the issuer'
    const token = await new SignJWT(claims())
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(jwtSecret))
    expect(await verifier({ jwtSecret }).verify(token)).toMatchObject({ owner: 'ada' })
    expect(await verifier().verify(token)).toBeNull()
    expect(provider.fetches).toBe(0)
  })
})

describe('the keys', () => {
  it('are fetched once, however many tokens come', async () => {
    const { verify } = verifier()
    const tokens = await Promise.all(Array.from({ length: 20 }, () => rsa.sign(claims())))
    const found = await Promise.all(tokens.map(verify))
    expect(found.every((bearer) => bearer !== null && 'owner' in bearer && bearer.owner === 'ada')).toBe(true)
    expect(provider.fetches).toBe(1)
  })

  it('may be other ones while the server runs', async () => {
    const { verify } = verifier()
    expect(await verify(await rsa.sign(claims()))).toMatchObject({ owner: 'ada' })
    const next = await makeKey('RS256', 'rsa-2')
    const token = await next.sign(claims())
    provider.serve([next])
    await pause(60)
    expect(await verify(token)).toMatchObject({ owner: 'ada' })
    // What is no longer served is no longer believed.
    expect(await verify(await rsa.sign(claims()))).toBeNull()
    expect(provider.fetches).toBe(2)
  })

  it('are not fetched again and again for tokens that name none of them', async () => {
    const { verify } = verifier({}, 60_000)
    await verify(await rsa.sign(claims()))
    const stranger = await makeKey('RS256', 'nobody')
    const token = await stranger.sign(claims())
    for (let time = 0; time < 20; time++) expect(await verify(token)).toBeNull()
    expect(provider.fetches).toBe(1)
  })

  it('are kept where the verifier is made anew', async () => {
    const jwksCache = { fetched: {}, failedAt: 0 }
    for (let time = 0; time < 3; time++) {
      expect(await verifier({ jwksCache }).verify(await rsa.sign(claims()))).toMatchObject({ owner: 'ada' })
    }
    expect(provider.fetches).toBe(1)
  })
})

describe('a provider', () => {
  it.each([
    ['is down', 'down' as const],
    ['fails', { status: 500, body: 'oh no' }],
    ['leads elsewhere', { status: 302, headers: { Location: 'http://127.0.0.1:1/' }, body: '' }],
    ['answers a page', { headers: { 'Content-Type': 'text/html' }, body: '<!doctype html>' }],
    ['answers nothing', { body: '' }],
    ['answers another object', { body: '{"error":"none"}' }],
    ['answers a list', { body: '[]' }],
    ['answers keys that are none', { body: '{"keys":[7]}' }],
  ])('that %s leaves it open whether a token is good, and recovers', async (_, answer) => {
    provider.answer = answer
    const { verify, clock, log } = verifier()
    const token = await rsa.sign(claims())
    await expect(verify(token)).rejects.toMatchObject(unavailable)
    expect(log.lines.join()).toContain('could not be fetched')
    provider.serve([rsa])
    clock.advance(20_001)
    expect(await verify(token)).toMatchObject({ owner: 'ada' })
  })

  it('that is down is asked once a while, however many tokens come', async () => {
    provider.answer = 'down'
    const { verify, log } = verifier()
    for (let time = 0; time < 20; time++)
      await expect(verify(await rsa.sign(claims()))).rejects.toMatchObject(unavailable)
    expect(provider.fetches).toBe(1)
    expect(log.lines).toHaveLength(1)
  })

  it('that is down does not matter to tokens whose keys are known', async () => {
    const { verify } = verifier()
    await verify(await rsa.sign(claims()))
    provider.answer = 'down'
    await pause(60)
    const stranger = await makeKey('RS256', 'nobody')
    await expect(verify(await stranger.sign(claims()))).rejects.toMatchObject(unavailable)
    expect(await verify(await rsa.sign(claims()))).toMatchObject({ owner: 'ada' })
  })

  it('that gives a broken key is believed for the others', async () => {
    provider.answer = { body: JSON.stringify({ keys: [{ ...rsa.jwk, n: '!' }, ec.jwk] }) }
    const { verify } = verifier()
    expect(await verify(await rsa.sign(claims()))).toBeNull()
    expect(await verify(await ec.sign(claims()))).toMatchObject({ owner: 'ada' })
  })
})
