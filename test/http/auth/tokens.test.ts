/** Tokens in URLs: each opens the reads of one thing for a day. */
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { artifactUrl, openedBy, streamUrl } from '../../../src/http/auth/tokens.ts'
import { turnableClock } from '../../support/fixture.ts'

const auth = { signingKey: 'a key that signs the tokens of these tests' }
const DAY_MS = 24 * 60 * 60 * 1_000

const tokenOf = ({ url }: { url: string }) => new URL(url, 'http://x').searchParams.get('token') ?? ''
const GET = (path: string) => ({ method: 'GET', path })

describe.each([
  [
    'a batch',
    '/api/batch/b1/stream',
    ['/api/batch/b1', '/api/batch/b1/results'],
    ['/api/batch/b2', '/api/batch/b10', '/api/batch', '/api/batch/stream', '/exports/b1'],
  ],
  [
    'all batches',
    '/api/batch/stream',
    [],
    ['/api/batch', '/api/batch/b1', '/api/batch/b1/stream', '/api/batch/stream/x', '/exports/b1'],
  ],
  ['an export', '/exports/b1', [], ['/exports/b2', '/exports/b1/x', '/exports', '/api/batch/b1', '/api/batch/stream']],
])('the token of %s', (what, own, also, others) => {
  const clock = turnableClock()
  const deps = { auth, clock }
  const make = () => {
    if (what === 'an export') return artifactUrl(deps, 'ada', 'b1')
    return streamUrl(deps, 'ada', what === 'a batch' ? 'b1' : null)
  }

  it('opens its path, to be read', async () => {
    const made = await make()
    expect(made.url.split('?')[0]).toBe(own)
    for (const path of [own, ...also]) {
      expect(await openedBy(deps, tokenOf(made), GET(path))).toMatchObject({ owner: 'ada' })
      expect(await openedBy(deps, tokenOf(made), { method: 'HEAD', path })).toMatchObject({ owner: 'ada' })
      for (const method of ['POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS']) {
        expect(await openedBy(deps, tokenOf(made), { method, path })).toBeNull()
      }
    }
  })

  it.each(others)('does not open %s', async (path) => {
    expect(await openedBy(deps, tokenOf(await make()), GET(path))).toBeNull()
  })

  it('is good for a day', async () => {
    const made = await make()
    expect(made.expiresAt - clock.now()).toBeLessThanOrEqual(DAY_MS)
    expect(made.expiresAt - clock.now()).toBeGreaterThan(DAY_MS - 60_000)
    clock.advance(DAY_MS - 60_000)
    expect(await openedBy(deps, tokenOf(made), GET(own))).toMatchObject({ owner: 'ada' })
    clock.advance(60_000)
    expect(await openedBy(deps, tokenOf(made), GET(own))).toBeNull()
  })

  it('is not believed once a letter of it is another, or under another key', async () => {
    const token = tokenOf(await make())
    for (let at = 0; at < token.length; at += 7) {
      const other = token[at] === 'A' ? 'B' : 'A'
      expect(await openedBy(deps, token.slice(0, at) + other + token.slice(at + 1), GET(own))).toBeNull()
    }
    expect(await openedBy({ ...deps, auth: { signingKey: 'x'.repeat(32) } }, token, GET(own))).toBeNull()
  })
})

it.each([
  ['says nothing of what it opens', { sub: 'ada', exp: 9_999_999_999 }],
  ['has no end', { sub: 'ada', batch: 'b1' }],
  ['has no owner', { batch: 'b1', exp: 9_999_999_999 }],
  ['opens what is no batch', { sub: 'ada', batch: 7, exp: 9_999_999_999 }],
])('a token that %s opens nothing', async (_, claims) => {
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(auth.signingKey))
  expect(await openedBy({ auth, clock: { now: Date.now } }, token, GET('/api/batch/b1'))).toBeNull()
})
