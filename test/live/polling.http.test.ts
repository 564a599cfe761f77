/** Polling: the same state as the stream's, sent again only when it is another, and held back until then when asked. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLive } from '../support/live-app.ts'
import { type LiveServer, openLiveServer } from '../support/live-server.ts'
import { upTo } from '../support/raw-client.ts'
import { ON_CLOUDFLARE } from '../support/server.ts'

let live: LiveServer
beforeAll(async () => {
  live = await openLiveServer()
})
afterAll(() => live.close())

type Poll = { query?: string; etag?: string; signal?: AbortSignal }
const poll = (batchId: string, options: Poll = {}, at: { url: string } = live) =>
  fetch(`${at.url}/api/batch/${batchId}${options.query ?? ''}`, {
    headers: options.etag === undefined ? {} : { 'If-None-Match': options.etag },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
const tag = (response: Response) => response.headers.get('ETag') ?? ''

/** Resolves after a while to `pending` unless the promise was quicker. */
const within = <T>(promise: Promise<T>, ms: number) =>
  Promise.race([promise, new Promise<'pending'>((resolve) => setTimeout(resolve, ms, 'pending'))])

describe('without waiting', () => {
  it('an answer that is known is a 304 without a body, until an event or progress changes it', async () => {
    const batchId = await live.writer.begin()
    const first = await poll(batchId)
    expect([first.status, tag(first), first.headers.get('Cache-Control')]).toEqual([
      200,
      'W/"1.0"',
      'private, no-cache',
    ])
    const same = await poll(batchId, { etag: tag(first) })
    expect([same.status, tag(same), await same.text()]).toEqual([304, 'W/"1.0"', ''])
    await live.writer.write(batchId, 1)
    const second = await poll(batchId, { etag: tag(first) })
    expect([second.status, tag(second)]).toEqual([200, 'W/"2.0"'])
    await live.db.run(sql`UPDATE batches SET progress_version = 7 WHERE id = ${batchId}`)
    expect(tag(await poll(batchId, { etag: tag(second) }))).toBe('W/"2.7"')
  })

  it.each([
    ['"1.0"', 304],
    ['W/"1.0"', 304],
    ['"x", W/"1.0"', 304],
    ['*', 304],
    ['"1.1"', 200],
    ['1.0', 200],
    ['"x,1.0"', 200],
  ])('If-None-Match: %s is answered with %i', async (etag, status) => {
    const batchId = await live.writer.begin()
    expect((await poll(batchId, { etag })).status).toBe(status)
  })

  it("another owner's batch, or none, is a 404 whatever is known of it", async () => {
    const batchId = await live.writer.begin()
    await live.db.run(sql`UPDATE batches SET owner = 'other' WHERE id = ${batchId}`)
    for (const etag of ['*', 'W/"1.0"']) {
      expect((await poll(batchId, { etag, query: '?wait=25' })).status).toBe(404)
    }
  })
})

describe('waiting', () => {
  it('answers at once what is not known', async () => {
    const batchId = await live.writer.begin()
    for (const options of [{ query: '?wait=25' }, { query: '?wait=25', etag: 'W/"9.9"' }]) {
      expect((await poll(batchId, options)).status).toBe(200)
    }
  })

  it('holds the answer until there is another event', async () => {
    const batchId = await live.writer.begin()
    const answer = poll(batchId, { query: '?wait=25', etag: 'W/"1.0"' })
    expect(await within(answer, 200)).toBe('pending')
    await live.writer.write(batchId, 3)
    const response = await answer
    expect([response.status, tag(response)]).toEqual([200, 'W/"4.0"'])
    expect(await response.json()).toMatchObject({ batch: { lastEventId: 4 } })
  })

  it('holds it until there is other progress, or an event that nobody told of', async () => {
    const [one, two] = [await live.writer.begin(), await live.writer.begin()]
    const answers = [one, two].map((id) => poll(id, { query: '?wait=25', etag: 'W/"1.0"' }))
    expect(await within(Promise.race(answers), 200)).toBe('pending')
    await live.db.run(sql`UPDATE batches SET progress_version = 1 WHERE id = ${one}`)
    await live.db.run(sql`UPDATE batches SET last_seq = 2 WHERE id = ${two}`)
    expect((await Promise.all(answers)).map(tag)).toEqual(['W/"1.1"', 'W/"2.0"'])
  })

  it('ends with 304 when nothing came', async () => {
    const batchId = await live.writer.begin()
    const answer = poll(batchId, { query: '?wait=1', etag: 'W/"1.0"' })
    expect(await within(answer, 500)).toBe('pending')
    const response = await answer
    expect([response.status, tag(response)]).toEqual([304, 'W/"1.0"'])
  })

  it('ends with 404 when the batch is deleted', async () => {
    const batchId = await live.writer.begin()
    const answer = poll(batchId, { query: '?wait=25', etag: 'W/"1.0"' })
    expect(await within(answer, 100)).toBe('pending')
    await live.db.run(sql`UPDATE batches SET deleted_at = 1 WHERE id = ${batchId}`)
    live.notifier.publish(batchId, { seq: 0 })
    expect((await answer).status).toBe(404)
  })

  it.each(['?wait=abc', '?wait=-1', '?wait=1.5', '?wait=', '?wait=1e3'])(
    'refuses %s by the name of the field',
    async (query) => {
      const response = await poll(await live.writer.begin(), { query })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ success: false, error: 'INVALID_REQUEST', field: 'wait' })
    },
  )
})

// On Cloudflare a request knows of no other, and no number of them is too many.
describe.skipIf(ON_CLOUDFLARE)('a full server', () => {
  it('answers at once who would wait, and who went away leaves room', async () => {
    const live = await openLive({ maxStreams: 30 })
    const batchId = await live.writer.begin()
    const controller = new AbortController()
    const waiting = upTo(30).map(() =>
      poll(batchId, { query: '?wait=25', etag: 'W/"1.0"', signal: controller.signal }, live),
    )
    while (!live.hub.full) await new Promise((resolve) => setTimeout(resolve, 5))
    const refused = await poll(batchId, { query: '?wait=25', etag: 'W/"1.0"' }, live)
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([304, '5'])
    expect(live.hub.waiting).toBe(30)
    controller.abort()
    await Promise.allSettled(waiting)
    while (live.hub.full) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(live.hub.waiting).toBe(0)
    await live.close()
  })
})
