/** Tabs of a real browser share one connection a batch. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import { CHROMIUM } from '../support/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { TestBrowser, type Told } from './browser.ts'
import { TestProxy } from './proxy.ts'

let server: TestServer
let client: Client
let browser: TestBrowser

const TIMING = { retryMs: 50, tabBeatMs: 500 }

async function run(count: number, waitMs: number): Promise<string> {
  const items = Array.from({ length: count }, () => ({ waitMs }))
  const accepted = await client.create({ operation: 'echo', items, options: { concurrency: 1 } })
  return accepted.batchId
}

/** The history of a batch of `count` jobs after event `from`, each event once and in order. */
function expectAll(told: readonly Told[], count: number, from = 0): void {
  const ids = Array.from({ length: count + 2 }, (_, i) => i + 1)
  expect(told.map(({ id }) => id)).toEqual(ids.slice(from))
  expect(told.at(-1)?.type).toBe('batch_completed')
}

describe.skipIf(CHROMIUM === null)('tabs', () => {
  beforeAll(async () => {
    server = await startServer({ env: { MILLRACE_API_KEY: 'a-key-of-tests' } })
    client = createClient({ baseUrl: server.url })
    browser = await TestBrowser.start()
  })
  afterAll(async () => {
    await browser[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  it('share one connection and are all told everything, late ones too', async () => {
    await using proxy = await TestProxy.start(server.url)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId: await run(25, 200) }
    const [first, second, late] = await Promise.all([browser.tab(), browser.tab(), browser.tab()])
    await Promise.all([first.follow(task), second.follow(task)])
    await second.has(10)
    await late.follow(task)
    for (const tab of [first, second, late]) expectAll(await tab.ended(), 25)
    expect(proxy.streams).toHaveLength(1)
  })

  it('go on when the one that held the connection is closed', async () => {
    await using proxy = await TestProxy.start(server.url)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId: await run(40, 150) }
    const leader = await browser.tab()
    await leader.follow(task)
    await leader.has(3)
    const [second, third] = await Promise.all([browser.tab(), browser.tab()])
    await Promise.all([second.follow(task), third.follow(task)])
    await Promise.all([second.has(12), third.has(12)])
    await leader.page.close()
    for (const tab of [second, third]) expectAll(await tab.ended(), 40)
    expect(proxy.streams).toHaveLength(2)
    expect(Number(proxy.streams[1]?.headers['last-event-id'])).toBeGreaterThanOrEqual(12)
  })

  it('get by a short connection of their own what the others never had', async () => {
    await using proxy = await TestProxy.start(server.url)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId: await run(30, 200) }
    const leader = await browser.tab()
    await leader.follow({ ...task, lastEventId: 1 })
    await leader.has(5)
    const curious = await browser.tab()
    await curious.follow(task)
    expectAll(await leader.ended(), 30, 1)
    expectAll(await curious.ended(), 30)
    expect(proxy.streams).toHaveLength(2)
    expect(proxy.streams[1]?.headers['last-event-id']).toBeUndefined()
  })

  it('take over from one that was frozen, and live with it when it is back', async () => {
    await using proxy = await TestProxy.start(server.url)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId: await run(60, 200) }
    const sleeper = await browser.tab()
    await sleeper.follow(task)
    await sleeper.has(3)
    const other = await browser.tab()
    await other.follow(task)
    await other.has(5)
    const thaw = await sleeper.freeze()
    const before = (await other.told()).length
    await other.has(before + 10)
    await thaw()
    for (const tab of [sleeper, other]) expectAll(await tab.ended(), 60)
    expect(proxy.streams).toHaveLength(2)
    expect(Number(proxy.streams[1]?.headers['last-event-id'])).toBeGreaterThanOrEqual(5)
  })

  it('share nothing with tabs of another key', async () => {
    await using proxy = await TestProxy.start(server.url)
    const batchId = await run(10, 200)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId }
    const [open, keyed, stranger] = await Promise.all([browser.tab(), browser.tab(), browser.tab()])
    await open.follow(task)
    await open.has(2)
    await keyed.follow({ ...task, client: { ...task.client, apiKey: 'a-key-of-tests' } })
    await stranger.follow({ ...task, client: { ...task.client, apiKey: 'mr_a-key-of-nobody' } })
    expect(await stranger.has(1)).toEqual([{ id: -1, type: expect.stringContaining('API key') }])
    for (const tab of [open, keyed]) expectAll(await tab.ended(), 10)
    expect(proxy.streams).toHaveLength(3)
  })

  it('have workers that follow for themselves', async () => {
    await using proxy = await TestProxy.start(server.url)
    const task = { client: { baseUrl: proxy.url, timing: TIMING }, batchId: await run(5, 100) }
    const tab = await browser.tab()
    await tab.follow(task, 'worker')
    expectAll(await tab.ended(), 5)
    expect(proxy.streams).toHaveLength(1)
  })

  it('poll together where streams do not come through', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.buffers = true
    const timing = { ...TIMING, firstByteMs: 1_000, betweenPollsMs: 100 }
    const task = { client: { baseUrl: proxy.url, timing }, batchId: await run(15, 250) }
    const [first, second] = await Promise.all([browser.tab(), browser.tab()])
    await Promise.all([first.follow(task), second.follow(task)])
    for (const tab of [first, second]) expectAll(await tab.ended(), 15)
    expect(proxy.streams).toHaveLength(1)
    const tags = proxy.seen.filter(({ method }) => method === 'GET').map(({ headers }) => headers['if-none-match'])
    expect(tags.filter((tag) => tag !== undefined).length).toBeGreaterThan(0)
  })
})
