/** What one owner may hold of the streams, on a server whose owners have keys. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { OwnerShares } from '../../src/live/owner-shares.ts'
import { runKeys, startServer, type TestServer } from '../support/server.ts'

const SHARE = 4
const Refusal = z.object({ success: z.literal(false), error: z.string(), message: z.string() })

describe('a share', () => {
  it('is each owner’s own, and free again when something is released', () => {
    const shares = new OwnerShares(2)
    const first = shares.hold('a')
    shares.hold('a')
    expect([shares.isFull('a'), shares.isFull('b')]).toEqual([true, false])
    first.release()
    first.release()
    expect(shares.isFull('a')).toBe(false)
  })

  it('holds nothing for long that is not renewed, where requests end without a word', () => {
    vi.useFakeTimers()
    const shares = new OwnerShares(2, 1_000)
    const kept = shares.hold('a')
    shares.hold('a')
    vi.advanceTimersByTime(900)
    kept.renew()
    expect(shares.isFull('a')).toBe(true)
    vi.advanceTimersByTime(200)
    expect(shares.isFull('a')).toBe(false)
    shares.hold('a')
    expect(shares.isFull('a')).toBe(true)
    vi.useRealTimers()
  })
})

describe('an owner who opens streams', () => {
  let server: TestServer
  const keys = new Map<string, string>()
  beforeAll(async () => {
    server = await startServer({ env: { MILLRACE_AUTH: 'keys', MAX_STREAMS_PER_OWNER: String(SHARE) } })
    for (const owner of ['hog', 'bob']) {
      const { output } = await runKeys(server, ['create', owner])
      keys.set(owner, z.string().parse(/mr_\S+/.exec(output)?.[0]))
    }
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const call = (owner: string, path: string, init: RequestInit = {}) =>
    server.fetch(path, {
      ...init,
      headers: { Authorization: `Bearer ${keys.get(owner)}`, 'Content-Type': 'application/json', ...init.headers },
    })
  const create = async (owner: string) => {
    const body = JSON.stringify({ operation: 'echo', items: [{ waitMs: 60_000 }] })
    return BatchAccepted.parse(await (await call(owner, '/api/batch', { method: 'POST', body })).json()).batchId
  }

  it('of one batch or of all gets so many, then 429 that says what to do; others get theirs', async () => {
    const batchId = await create('hog')
    const controller = new AbortController()
    const { signal } = controller
    const paths = ['/api/batch/stream', `/api/batch/${batchId}/stream`]
    const open: Response[] = []
    for (let i = 0; i < SHARE; i++) open.push(await call('hog', paths[i % 2] ?? '', { signal }))
    expect(open.map(({ status }) => status)).toEqual(open.map(() => 200))
    for (const path of paths) {
      const refused = await call('hog', path)
      expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '5'])
      const { error, message } = Refusal.parse(await refused.json())
      expect([error, message]).toEqual(['RATE_LIMIT', expect.stringContaining('GET /api/batch/stream')])
    }
    // The headers alone hold nothing.
    expect((await call('hog', '/api/batch/stream', { method: 'HEAD' })).status).toBe(200)
    for (const path of ['/api/batch/stream', `/api/batch/${await create('bob')}/stream`]) {
      open.push(await call('bob', path, { signal }))
      expect(open.at(-1)?.status).toBe(200)
    }
    controller.abort()
    await Promise.allSettled(open.map((answer) => answer.text()))
    await vi.waitFor(async () => {
      const again = await call('hog', '/api/batch/stream')
      await again.body?.cancel()
      expect(again.status).toBe(200)
    }, 30_000)
  })

  it('and requests that wait, counts both: a poll more is answered at once', async () => {
    const batchId = await create('hog')
    // Until its job has begun, the state changes by itself.
    const tag = await vi.waitFor(async () => {
      const answer = await call('hog', `/api/batch/${batchId}`)
      expect(await answer.json()).toMatchObject({ batch: { status: 'processing' } })
      return answer.headers.get('ETag') ?? ''
    }, 30_000)
    const controller = new AbortController()
    const poll = () =>
      call('hog', `/api/batch/${batchId}?wait=25`, { headers: { 'If-None-Match': tag }, signal: controller.signal })
    const waiting = Array.from({ length: SHARE }, poll)
    await vi.waitFor(async () => {
      const refused = await call('hog', '/api/batch/stream')
      await refused.body?.cancel()
      expect(refused.status).toBe(429)
    }, 20_000)
    const answer = await poll()
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([304, '5'])
    controller.abort()
    await Promise.allSettled(waiting)
  })

  it('and claims of workers that wait: a further one is refused, those with jobs are not', async () => {
    const claim = (owner: string, wait: number, signal?: AbortSignal) =>
      call(owner, '/api/workers/claim', {
        method: 'POST',
        body: JSON.stringify({ operations: ['resize'], wait }),
        ...(signal === undefined ? {} : { signal }),
      })
    for (const owner of ['hog', 'bob']) {
      expect((await call(owner, '/api/operations/resize', { method: 'PUT', body: '{}' })).ok).toBe(true)
    }
    const controller = new AbortController()
    // One more than may wait, in whatever order they arrive.
    const waiting = Array.from({ length: SHARE + 1 }, () => claim('hog', 30, controller.signal))
    const refused = await Promise.race(waiting)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Retry-After')).toBe('5')
    expect(Refusal.parse(await refused.json()).error).toBe('RATE_LIMIT')
    expect((await claim('hog', 1)).status).toBe(429)
    // Neither one that does not wait, nor another owner's.
    expect([(await claim('hog', 0)).status, (await claim('bob', 1)).status]).toEqual([200, 200])
    controller.abort()
    await Promise.allSettled(waiting)
    await vi.waitFor(async () => expect((await claim('hog', 1)).status).toBe(200), 30_000)
  })
})
