/** Three owners with keys of their own on one server, one of them hostile: how the others fare beside it, and by themselves in the same run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { runEntry, startServer, type TestServer } from './harness.ts'

const CONCURRENCY = 8
/** What a machine that others use adds to a short latency, in milliseconds. */
const NOISE_MS = 150
const ROUNDS = 40

let server: TestServer
let keys: Readonly<Record<'hog' | 'bob' | 'carol', string>>

async function makeKey(owner: string): Promise<string> {
  const { output } = await runEntry(['keys', 'create', owner], { DATA_DIR: server.dataDir })
  return z.string().parse(/mr_\S+/.exec(output)?.[0])
}

beforeAll(async () => {
  server = await startServer({
    env: { MILLRACE_AUTH: 'keys', CONCURRENCY: String(CONCURRENCY), MAX_STREAMS: '40', MAX_STREAMS_PER_OWNER: '20' },
  })
  keys = { hog: await makeKey('hog'), bob: await makeKey('bob'), carol: await makeKey('carol') }
})
afterAll(() => server[Symbol.asyncDispose]())

type Owner = keyof typeof keys
const call = (owner: Owner, path: string, init: RequestInit = {}) =>
  server.fetch(path, {
    ...init,
    headers: { Authorization: `Bearer ${keys[owner]}`, 'Content-Type': 'application/json', ...init.headers },
  })

async function create(owner: Owner, items: readonly object[]): Promise<string> {
  const body = JSON.stringify({ operation: 'echo', items })
  const response = await call(owner, '/api/batch', { method: 'POST', body })
  return BatchAccepted.parse(await response.json()).batchId
}

/** From the create of a batch until its stream has ended with `batch_completed`, in milliseconds. */
async function latency(owner: Owner, items: readonly object[]): Promise<number> {
  const began = performance.now()
  const batchId = await create(owner, items)
  const text = await (await call(owner, `/api/batch/${batchId}/stream`)).text()
  expect(text).toContain('event: batch_completed')
  return performance.now() - began
}

function p95(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0
}

/** Two owners at once, each one small batch after another. */
async function measure(items: readonly object[]): Promise<number> {
  const of = async (owner: Owner) => {
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round++) times.push(await latency(owner, items))
    return times
  }
  return p95((await Promise.all([of('bob'), of('carol')])).flat())
}

const Running = z.object({ batch: z.object({ completedJobs: z.int(), status: z.string() }) })

describe.each([
  ['one short job', [{ waitMs: 5 }]],
  ['three short jobs', [{ waitMs: 5 }, { waitMs: 5 }, { waitMs: 5 }]],
])('beside an owner of 200 jobs that sleep, %s', (_, items) => {
  it('ends within twice of what it takes alone', async () => {
    // What is first is slower.
    await latency('bob', items)
    const alone = await measure(items)
    const hog = await create(
      'hog',
      Array.from({ length: 200 }, () => ({ waitMs: 60_000 })),
    )
    const beside = await measure(items)
    console.log(`p95 of the others: ${alone.toFixed(0)} ms alone, ${beside.toFixed(0)} ms beside 200 sleeping jobs`)
    // Nothing of it has ended in between.
    const state = Running.parse(await (await call('hog', `/api/batch/${hog}`)).json())
    expect(state).toMatchObject({ batch: { completedJobs: 0, status: 'processing' } })
    await call('hog', `/api/batch/${hog}/cancel`, { method: 'POST' })
    await (await call('hog', `/api/batch/${hog}/stream`)).text()
    expect(beside).toBeLessThanOrEqual(2 * alone + NOISE_MS)
  })
})

describe('an owner who opens all streams', () => {
  it('gets its share, is told so, and the others get theirs', async () => {
    const controller = new AbortController()
    const alone = await measure([{}])
    const hog = await create('hog', [{ waitMs: 60_000 }])
    const tag = (await call('hog', `/api/batch/${hog}`)).headers.get('ETag') ?? ''
    const open = (path: string, headers: Record<string, string> = {}) =>
      call('hog', path, { signal: controller.signal, headers })
    const kinds = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? '/api/batch/stream' : `/api/batch/${hog}/stream`))
    const streams = await Promise.all(kinds.map((path) => open(path)))
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(20)
    const refused = streams.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(40)
    for (const answer of refused.slice(0, 2)) {
      expect(answer.headers.get('Retry-After')).toBe('5')
      const body = z.object({ success: z.literal(false), error: z.string(), message: z.string() })
      const { error, message } = body.parse(await answer.json())
      expect([error, message]).toEqual(['RATE_LIMIT', expect.stringContaining('GET /api/batch/stream')])
    }
    // A poll is answered, but not held.
    const poll = await open(`/api/batch/${hog}?wait=25`, { 'If-None-Match': tag })
    expect([200, 304]).toContain(poll.status)
    const beside = await measure([{}])
    console.log(
      `p95 of the others: ${alone.toFixed(0)} ms alone, ${beside.toFixed(0)} ms beside all streams that one opens`,
    )
    expect(beside).toBeLessThanOrEqual(2 * alone + NOISE_MS)
    controller.abort()
    await Promise.allSettled(streams.map((answer) => answer.text()))
    // Room again once they are closed.
    for (;;) {
      const again = await call('hog', '/api/batch/stream')
      await again.body?.cancel()
      if (again.status === 200) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await call('hog', `/api/batch/${hog}/cancel`, { method: 'POST' })
  })
})
