/** Following a batch through everything that happens to connections. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BatchStream, type Client, createClient, type FollowEvent } from '../../src/client/index.ts'
import { BatchEvent } from '../../src/features/batches/follow-schemas.ts'
import { freshFolder, startServer, type TestServer } from '../support/server.ts'
import { TestProxy } from './proxy.ts'

let server: TestServer
let client: Client
beforeAll(async () => {
  server = await startServer()
  client = createClient({ baseUrl: server.url })
})
afterAll(() => server[Symbol.asyncDispose]())

/** Short enough for a test, long enough for a machine that does other things as well. */
const TIMING = { retryMs: 20, mostRetryMs: 300, firstByteMs: 1_500, betweenPollsMs: 50 }
const jobs = (count: number, item: object = {}) => Array.from({ length: count }, (_, value) => ({ value, ...item }))

interface Told {
  readonly id: number
  readonly event: FollowEvent
}

/** All that a stream tells, with the number that it stands at. */
async function told(stream: BatchStream, each: (event: FollowEvent) => unknown = () => {}): Promise<Told[]> {
  const list: Told[] = []
  for await (const event of stream) {
    list.push({ id: stream.lastEventId, event })
    await each(event)
  }
  return list
}

const history = (list: readonly Told[]) => list.filter(({ event }) => event.type !== 'job_progress')
const types = (list: readonly Told[]) => list.map(({ event }) => event.type)

/** The history of a batch of `count` jobs, each event once and in order. */
function expectAll(list: readonly Told[], count: number): void {
  const logged = history(list)
  expect(logged.map(({ id }) => id)).toEqual(Array.from({ length: count + 2 }, (_, i) => i + 1))
  expect(types(logged)).toEqual(['batch_started', ...Array(count).fill('job_completed'), 'batch_completed'])
  for (const { event } of list) BatchEvent.parse(event)
}

describe('following', () => {
  it('tells everything in order, progress too, and ends', async () => {
    const accepted = await client.create({ operation: 'echo', items: jobs(4, { waitMs: 800, steps: 3 }) })
    const list = await told(client.follow(accepted))
    expectAll(list, 4)
    expect(types(list)).toContain('job_progress')
    expect(list.at(-1)?.event).toMatchObject({ status: 'completed', completedJobs: 4, results: expect.any(Array) })
  })

  it('goes on from any number, in a later life too', async () => {
    const accepted = await client.create({ operation: 'echo', items: jobs(3) })
    const all = await told(client.follow(accepted))
    for (const { id } of all) {
      const rest = await told(client.follow(accepted.batchId, { lastEventId: id }))
      expect(rest).toEqual(all.filter((one) => one.id > id))
    }
  })

  it('goes on where it was broken off', async () => {
    const { batchId } = await client.create({ operation: 'echo', items: jobs(5) })
    const stream = client.follow(batchId)
    const first: FollowEvent[] = []
    for await (const event of stream) {
      if (event.type !== 'job_progress') first.push(event)
      if (first.length === 3) break
    }
    expect(stream.lastEventId).toBe(3)
    const rest = history(await told(stream))
    expect(rest.map(({ id }) => id)).toEqual([4, 5, 6, 7])
  })

  it('tells of a second run only what it changed', async () => {
    const { batchId } = await client.create({ operation: 'echo', items: [...jobs(2), { error: 'No.' }] })
    const first = await told(client.follow(batchId))
    expect(first.at(-1)?.event).toMatchObject({ type: 'batch_completed', status: 'partial' })
    await client.retry(batchId)
    const again = history(await told(client.follow(batchId, { lastEventId: first.at(-1)?.id })))
    expect(types(again)).toEqual(['batch_started', 'job_failed', 'batch_completed'])
  })

  it('tells how a batch was cancelled', async () => {
    const { batchId } = await client.create({ operation: 'echo', items: jobs(20, { waitMs: 20_000 }) })
    const list = await told(client.follow(batchId), (event) => event.type === 'batch_started' && client.cancel(batchId))
    expect(types(history(list))).toEqual(['batch_started', ...Array(20).fill('job_failed'), 'batch_completed'])
    expect(list.at(-1)?.event).toMatchObject({ status: 'cancelled', cancelledJobs: 20 })
  })

  it('is told the state when its number is of no use, and the end all the same', async () => {
    const { batchId } = await client.create({ operation: 'echo', items: jobs(2, { waitMs: 1_000 }) })
    const running = await told(client.follow(batchId, { lastEventId: 900 }))
    expect(running[0]).toMatchObject({ id: 1, event: { type: 'resync', batch: { id: batchId, totalJobs: 2 } } })
    expect(types(history(running))).toEqual(['resync', 'job_completed', 'job_completed', 'batch_completed'])
    const ended = await told(client.follow(batchId, { lastEventId: 900 }))
    expect(types(ended)).toEqual(['resync', 'batch_completed'])
    expect(ended[0]?.event).toMatchObject({ batch: { status: 'completed', completedJobs: 2 } })
  })

  it('ends by its signal, with its reason, wherever it is', async () => {
    const { batchId } = await client.create({ operation: 'echo', items: jobs(1, { waitMs: 30_000 }) })
    const stop = new AbortController()
    const reason = new Error('Enough.')
    const watching = told(client.follow(batchId, { signal: stop.signal }), () =>
      setTimeout(() => stop.abort(reason), 50),
    )
    await expect(watching).rejects.toBe(reason)
    await expect(told(client.follow(batchId, { signal: stop.signal }))).rejects.toBe(reason)
    await expect(client.wait(batchId, { signal: stop.signal })).rejects.toBe(reason)
    await client.cancel(batchId)
  })

  it('throws what does not pass', async () => {
    await expect(told(client.follow('no-such-batch'))).rejects.toMatchObject({ code: 'NOT_FOUND', status: 404 })
  })
})

describe('a key', () => {
  it('stays out of URLs; without one the token of the stream serves', async () => {
    await using locked = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: 'a-secret-key' } })
    await using proxy = await TestProxy.start(locked.url)
    const owner = createClient({ baseUrl: proxy.url, apiKey: () => Promise.resolve('a-secret-key'), timing: TIMING })
    const accepted = await owner.create({ operation: 'echo', items: jobs(2) })
    expectAll(await told(owner.follow(accepted)), 2)
    expect(
      proxy.seen.every(({ url, headers }) => !/token|secret/.test(url) && headers.authorization !== undefined),
    ).toBe(true)
    const guest = createClient({ baseUrl: proxy.url, timing: TIMING })
    expectAll(await told(guest.follow(accepted)), 2)
    expect((await guest.wait(accepted)).batch.status).toBe('completed')
    await expect(guest.status(accepted.batchId)).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    proxy.buffers = true
    const slow = await owner.create({ operation: 'echo', items: jobs(2, { waitMs: 2_500 }) })
    expectAll(await told(guest.follow(slow)), 2)
  })
})

describe('connections', () => {
  it('that are cut at any place lose and double nothing', async () => {
    await using proxy = await TestProxy.start(server.url)
    const { batchId } = await client.create({ operation: 'echo', items: jobs(30) })
    await client.wait(batchId)
    const cuts = [60, 400, 1_000, 2_500]
    proxy.meddle = ({ url }) => {
      if (url.includes('/stream')) proxy.cutsAfter = cuts[proxy.streams.length - 1] ?? Number.POSITIVE_INFINITY
      return false
    }
    expectAll(await told(createClient({ baseUrl: proxy.url, timing: TIMING }).follow(batchId)), 30)
    expect(proxy.streams).toHaveLength(cuts.length + 1)
    expect(proxy.seen).toHaveLength(cuts.length + 1)
  })

  it('are made again no sooner than the stream asks', async () => {
    await using proxy = await TestProxy.start(server.url)
    const at: number[] = []
    proxy.meddle = (_, response) => {
      at.push(Date.now())
      if (at.length > 1) return false
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.end('retry: 900\n\n')
      return true
    }
    const { batchId } = await client.create({ operation: 'echo', items: jobs(2) })
    expectAll(await told(createClient({ baseUrl: proxy.url }).follow(batchId)), 2)
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(900)
  })

  it('that are cut while the batch runs are resumed after the last event', async () => {
    await using proxy = await TestProxy.start(server.url)
    const { batchId } = await client.create({ operation: 'echo', items: jobs(60, { waitMs: 150 }) })
    const stream = createClient({ baseUrl: proxy.url, timing: TIMING }).follow(batchId)
    const list = await told(stream, () => {
      if (stream.lastEventId % 12 === 0) proxy.cut()
    })
    expectAll(list, 60)
    const resumed = proxy.streams.slice(1).map(({ headers }) => Number(headers['last-event-id']))
    expect(resumed.length).toBeGreaterThan(0)
    expect(resumed).toEqual([...resumed].sort((a, b) => a - b))
  })

  it('outlive the server, killed and started again', async () => {
    const dataDir = await freshFolder()
    const first = await startServer({ dataDir })
    const far = createClient({ baseUrl: first.url, timing: TIMING })
    const { batchId } = await far.create({ operation: 'echo', items: jobs(24, { waitMs: 300 }) })
    let second: Promise<TestServer> | undefined
    const stream = far.follow(batchId)
    const list = await told(stream, () => {
      if (stream.lastEventId < 6 || second !== undefined) return
      second = first.end('SIGKILL').then(() => startServer({ dataDir, port: first.port }))
    })
    await (await second)?.[Symbol.asyncDispose]()
    expect(second).toBeDefined()
    expectAll(list, 24)
  })

  it('that fall silent are given up for new ones', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = ({ url }, response) => {
      if (!url.includes('/stream') || proxy.streams.length > 1) return false
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hello\n\n')
      return true
    }
    const { batchId } = await client.create({ operation: 'echo', items: jobs(2) })
    const far = createClient({ baseUrl: proxy.url, timing: { ...TIMING, silenceMs: 2_000 } })
    expectAll(await told(far.follow(batchId)), 2)
    expect(proxy.streams).toHaveLength(2)
  })
})

describe('where streams do not come through', () => {
  it('because all is held back, it polls and misses nothing', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.buffers = true
    const { batchId } = await client.create({ operation: 'echo', items: jobs(12, { waitMs: 3_000, steps: 4 }) })
    const far = createClient({ baseUrl: proxy.url, timing: TIMING })
    const list = await told(far.follow(batchId))
    expectAll(list, 12)
    expect(types(list)).toContain('job_progress')
    expect(proxy.streams).toHaveLength(1)
    const polls = proxy.seen.filter(({ url }) => url.includes('wait='))
    expect(polls.length).toBeGreaterThan(1)
    expect(polls.slice(1).some(({ headers }) => headers['if-none-match'] !== undefined)).toBe(true)
    // It knows the way by now.
    expectAll(await told(far.follow(batchId)), 12)
    expect(proxy.streams).toHaveLength(1)
  })

  it('reads a long log page by page', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.buffers = true
    const { batchId } = await client.create({ operation: 'echo', items: jobs(1_300) })
    const far = createClient({ baseUrl: proxy.url, timing: TIMING })
    expectAll(await told(far.follow(batchId)), 1_300)
  })

  it('because something else answers, it polls', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = ({ url }, response) => {
      if (!url.includes('/stream')) return false
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>Nothing to see.</p>')
      return true
    }
    const { batchId } = await client.create({ operation: 'echo', items: jobs(3, { waitMs: 400 }) })
    expectAll(await told(createClient({ baseUrl: proxy.url, timing: TIMING }).follow(batchId)), 3)
    expect(proxy.streams).toHaveLength(1)
  })

  it('for a while, it polls and then streams', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = ({ url }, response) => {
      if (!url.includes('/stream') || proxy.streams.length > 5) return false
      response.writeHead(503).end('full')
      return true
    }
    const { batchId } = await client.create({ operation: 'echo', items: jobs(40, { waitMs: 400 }) })
    expectAll(await told(createClient({ baseUrl: proxy.url, timing: TIMING }).follow(batchId)), 40)
    expect(proxy.streams).toHaveLength(6)
    expect(proxy.seen.some(({ url }) => url.includes('wait='))).toBe(true)
  })

  it('a number of no use is answered with the state', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.buffers = true
    const { batchId } = await client.create({ operation: 'echo', items: jobs(2, { waitMs: 2_500 }) })
    const far = createClient({ baseUrl: proxy.url, timing: TIMING })
    expect(types(history(await told(far.follow(batchId, { lastEventId: 900 }))))).toEqual([
      'resync',
      'job_completed',
      'job_completed',
      'batch_completed',
    ])
    const ended = await told(far.follow(batchId, { lastEventId: 900 }))
    expect(types(ended)).toEqual(['resync', 'batch_completed'])
  })
})

describe('a runtime that lacks the newest', () => {
  it('follows without `AbortSignal.any` and `timeout`, and polls where answers have no `body`', async () => {
    const { any, timeout } = AbortSignal
    const withoutBody = async (input: string, init?: RequestInit) => {
      const response = await fetch(input, init)
      return new Proxy(response, {
        get(target, name) {
          if (name === 'body') return undefined
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    }
    Object.assign(AbortSignal, { any: undefined, timeout: undefined })
    try {
      for (const [count, options] of [
        [3, {}],
        [2, { fetch: withoutBody }],
      ] as const) {
        const old = createClient({ baseUrl: server.url, timing: TIMING, ...options })
        const accepted = await old.create({ operation: 'echo', items: jobs(count, { waitMs: 200 }) })
        expectAll(await told(old.follow(accepted)), count)
        expect((await old.wait(accepted)).batch.status).toBe('completed')
      }
    } finally {
      Object.assign(AbortSignal, { any, timeout })
    }
  })
})

describe('a proxy that answers with a page of its own', () => {
  it.each([200, 403, 404, 502])('by %s instead of streams is passed by with polls', async (status) => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = ({ url }, response) => {
      if (!url.includes('/stream')) return false
      response.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>Blocked</h1>')
      return true
    }
    const walled = createClient({ baseUrl: proxy.url, timing: TIMING })
    const accepted = await walled.create({ operation: 'echo', items: jobs(2, { waitMs: 200 }) })
    expectAll(await told(walled.follow(accepted)), 2)
  })

  it('instead of everything is an error that says so', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Sign in</h1>')
      return true
    }
    const walled = createClient({ baseUrl: proxy.url, timing: TIMING })
    for (const asked of [walled.status('a-batch'), told(walled.follow('a-batch'))]) {
      await expect(asked).rejects.toMatchObject({ code: 'NOT_JSON', message: expect.stringContaining('text/html') })
    }
  })
})
