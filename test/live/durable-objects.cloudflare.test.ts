/** Live on Cloudflare: what the platform makes different, on the built Worker in workerd. What is the same, the suites of both homes hold. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { statusOf } from '../support/batches.ts'
import { eventsOf, Follower, framesOf } from '../support/follow.ts'
import { freshFolder, startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'

const Created = z.object({ batchId: z.string(), streamUrl: z.string() })
const Queries = z.object({ requests: z.int(), objects: z.int() })

let server: TestServer
beforeAll(async () => {
  // The Worker as it is, with its queries counted.
  server = await startServer({ env: { WORKER_BUILD: process.env.COUNTING_WORKER_BUILD ?? '' } })
})
afterAll(() => server[Symbol.asyncDispose]())

async function create(items: readonly object[], options: object = {}, at = server) {
  const response = await at.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items, options }),
  })
  const { batchId, streamUrl } = Created.parse(await response.json())
  return { batchId, url: new URL(streamUrl, at.url).href }
}

const queries = async () => Queries.parse(await (await server.fetch('/__queries')).json())
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Follows with so many clients and gives the numbers of the events each of them got. */
async function follow(url: string, clients: number): Promise<number[][]> {
  const followers = Array.from({ length: clients }, () => new Follower(url))
  await Promise.all(followers.map((follower) => follower.completed()))
  for (const follower of followers) follower.close()
  return followers.map(({ logged }) => logged.map(({ id }) => Number(id)))
}

describe('a batch that many watch', () => {
  const JOBS = 12
  // One at a time, so that each event is told by itself.
  const slow = Array.from({ length: JOBS }, (_, value) => ({ value, waitMs: 250 }))

  async function watched(clients: number) {
    const { url } = await create([{ value: 'first', waitMs: 3_000 }, ...slow], { concurrency: 1 })
    const before = await queries()
    const numbers = await follow(url, clients)
    const after = await queries()
    expect(numbers).toEqual(Array(clients).fill(Array.from({ length: JOBS + 3 }, (_, at) => at + 1)))
    return { objects: after.objects - before.objects, requests: after.requests - before.requests }
  }

  it('is read once for all of them, each event once and in order', async () => {
    const few = await watched(2)
    const many = await watched(40)
    // A look for where the log is, a read for each of the notices, and the closing event's list of jobs.
    expect(many.objects).toBeGreaterThan(0)
    expect(many.objects).toBeLessThanOrEqual(JOBS + 10)
    expect(few.objects).toBeLessThanOrEqual(JOBS + 10)
    // Each stream asks when it begins, and not again while nothing is missed.
    expect(many.requests / 40).toBeLessThanOrEqual(10)
  })

  it('is told of after a sleep too', async () => {
    // An object that nothing happens to is put to sleep after ten seconds.
    const { url } = await create([{ value: 1, waitMs: 13_000 }])
    expect(await follow(url, 3)).toEqual(Array(3).fill([1, 2, 3]))
  })

  it('is read no more once all of them are gone', async () => {
    const { batchId, url } = await create([{ value: 1, waitMs: 20_000 }])
    const gone = new AbortController()
    const response = await fetch(url, { signal: gone.signal })
    const reader = response.body?.getReader()
    await reader?.read()
    await pause(500)
    gone.abort()
    // That a client is gone shows at the next write, which is a comment.
    await pause(17_000)
    const before = await queries()
    while ((await statusOf(server, batchId)).batch.status !== 'completed') await pause(100)
    await pause(500)
    expect((await queries()).objects).toBe(before.objects)
  })
})

describe('waiting for a change', () => {
  it('is answered when something happens, and with 304 when nothing does', async () => {
    const { batchId } = await create([{ value: 1, waitMs: 4_000 }])
    const path = `/api/batch/${batchId}`
    let tag = ''
    // Until the claim is told of, which is a change too.
    while ((await statusOf(server, batchId)).batch.status !== 'processing') await pause(50)
    tag = (await server.fetch(path)).headers.get('ETag') ?? ''
    const wait = (seconds: number) => server.fetch(`${path}?wait=${seconds}`, { headers: { 'If-None-Match': tag } })
    expect((await wait(1)).status).toBe(304)
    const answer = await wait(20)
    expect([answer.status, await answer.json()]).toMatchObject([200, { batch: { status: 'completed' } }])
  })
})

describe('all batches on one stream', () => {
  it('tells of each, with progress', async () => {
    const follower = new Follower(new URL('/api/batch/stream', server.url).href)
    await follower.until(({ event }) => event === 'resync')
    const first = await create([{ value: 1, waitMs: 5_000, steps: 4 }])
    const second = await create([{ value: 2 }])
    for (const { batchId } of [first, second]) {
      await follower.until(({ event, data }) => event === 'batch_completed' && data.batchId === batchId)
    }
    expect(
      follower.received.some(({ event, data }) => event === 'job_progress' && data.batchId === first.batchId),
    ).toBe(true)
    const ids = follower.logged.map(({ id }) => Number(id))
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    follower.close()
  })
})

describe('what falls due by itself', () => {
  it('is woken for: a time to run at, a next try', async () => {
    const later = await create([{ value: 1 }], { runAt: new Date(Date.now() + 3_000).toISOString() })
    const again = await create([{ value: 1, failures: 2 }])
    expect(await follow(later.url, 1)).toEqual([[1, 2, 3]])
    expect(await follow(again.url, 1)).toEqual([[1, 2, 3]])
  })
})

describe.concurrent('a server that begins again', () => {
  it('ends a stream before its request has asked too often, and the client goes on where it was', {
    timeout: scaled(120_000),
  }, async () => {
    const dataDir = await freshFolder()
    // So much that it is more pages, each a query, than there are queries.
    const JOBS = 8_000
    const message = 'x'.repeat(1_000)
    await using first = await startServer({ dataDir })
    const { batchId, url } = await create(Array(JOBS).fill({ error: message }), {}, first)
    await follow(url, 1)
    await first.end('SIGTERM')
    await using second = await startServer({ dataDir, env: { D1_QUERIES: '50' } })
    const path = `/api/batch/${batchId}/stream`
    const text = await (await second.fetch(path)).text()
    const seen = framesOf(text).flatMap(({ fields }) => (fields.id === undefined ? [] : [Number(fields.id)]))
    expect(seen.length).toBeGreaterThan(10)
    expect(seen.length).toBeLessThan(JOBS + 2)
    const rest = await (await second.fetch(path, { headers: { 'Last-Event-ID': String(seen.at(-1)) } })).text()
    const numbers = eventsOf(rest).flatMap(({ id }) => id ?? [])
    expect([...seen, ...numbers]).toEqual(Array.from({ length: JOBS + 2 }, (_, at) => at + 1))
    await rm(dataDir, { recursive: true, force: true })
  })

  it('takes back what ran when the other was killed', { timeout: scaled(120_000) }, async () => {
    const dataDir = await freshFolder()
    await using first = await startServer({ dataDir })
    const { batchId } = await create([{ value: 'kept', waitMs: 4_000 }], {}, first)
    while ((await statusOf(first, batchId)).batch.status !== 'processing') await pause(50)
    process.kill(await first.processId(), 'SIGKILL')
    await first.end('SIGTERM')
    await using second = await startServer({ dataDir })
    expect(await follow(new URL(`/api/batch/${batchId}/stream`, second.url).href, 1)).toEqual([[1, 2, 3]])
    await rm(dataDir, { recursive: true, force: true })
  })
})

describe('the fewest queries that a plan gives', () => {
  it('are enough for jobs of every kind, each run to its end once and told of once', async () => {
    await using small = await startServer({ env: { D1_QUERIES: '50' } })
    const quick = Array.from({ length: 400 }, (_, value) => ({ value }))
    const mixed = Array.from({ length: 60 }, (_, value) => ({
      value,
      waitMs: (value % 5) * 40,
      ...(value % 6 === 1 ? { failures: 1 } : {}),
      ...(value % 20 === 2 ? { error: 'no' } : {}),
    }))
    // Longer than it takes to renew a lease, and with progress all along.
    const long = { value: 'long', waitMs: 12_000, steps: 100 }
    const { batchId, url } = await create([long, ...quick, ...mixed], {}, small)
    const total = 1 + quick.length + mixed.length
    expect(await follow(url, 1)).toEqual([Array.from({ length: total + 2 }, (_, at) => at + 1)])
    const { batch } = await statusOf(small, batchId)
    expect(batch).toMatchObject({ status: 'partial', completedJobs: total - 3, failedJobs: 3 })
    // Nothing was tried that was too much, so nothing was left to be found by a lease that ran out.
    expect(small.output).not.toContain('queries it may take')
  })
})

describe('a wrong variable', () => {
  it('is named in the log, and every request is refused', async () => {
    await using wrong = await startServer({ env: { JWT_SECRET: 'quite-short' } })
    const response = await wrong.fetch('/healthz')
    expect([response.status, await response.json()]).toMatchObject([503, { success: false, error: 'UNAVAILABLE' }])
    // Its own words, however long they take to get here.
    while (!wrong.output.includes('JWT_SECRET=… is not understood: it should be at least 32 characters.'))
      await pause(50)
    expect(wrong.output).not.toContain('quite-short')
  })
})
