/** Following a job over a WebSocket: the whole app, a database, and a writer that ends the job. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LiveServer, openLiveServer } from '../support/live-server.ts'
import { followSocket } from '../support/socket-client.ts'

let live: LiveServer

beforeAll(async () => {
  live = await openLiveServer()
})

afterAll(() => live.close())

const socketUrl = (job: string) => `${live.url}/api/public/bulk/ws/bulk-processing/${job}`

/** A job of one document that runs, under a name of its own. */
async function begin(name: string): Promise<string> {
  const id = await live.writer.begin()
  await live.db.run(sql`UPDATE batches SET operation = 'rag.process', idempotency_key = ${name} WHERE id = ${id}`)
  return id
}

async function finish(id: string): Promise<void> {
  await live.db.run(
    sql`UPDATE batches SET completed = 1, started_at = created_at, tallies = '{"embeddings":7}' WHERE id = ${id}`,
  )
  await live.writer.finish(id)
}

describe('A job that is followed over a WebSocket', () => {
  it('tells where it stands at once, then its end, and closes with 1000', async () => {
    const id = await begin('one')
    const follower = followSocket(socketUrl('one'))
    const first = await follower.until(({ type }) => type === 'progress')
    expect(first).toMatchObject({ job_id: 'one', contentProcessed: 0, embeddings: 0 })
    await finish(id)
    expect(await follower.closed).toBe(1000)
    expect(follower.messages.at(-1)).toMatchObject({
      type: 'completed',
      progress: 100,
      status: 'completed',
      completed_items: 1,
      result: { status: 'completed', completed_items: 1, total_items: 1, failed_items: 0, embeddings: 7 },
    })
    const late = followSocket(socketUrl(id))
    expect(await late.closed).toBe(1000)
    expect(late.messages.map(({ type }) => type)).toEqual(['completed'])
  })

  it('is told to be unknown by one error, and closed with 4404', async () => {
    const follower = followSocket(socketUrl('nobody-knows'))
    expect(await follower.closed).toBe(4404)
    expect(follower.messages).toMatchObject([{ type: 'error', job_id: 'nobody-knows' }])
  })

  it('that is deleted while it is followed ends likewise', async () => {
    const id = await begin('deleted')
    const follower = followSocket(socketUrl('deleted'))
    await follower.until(({ type }) => type === 'progress')
    await live.db.run(sql`UPDATE batches SET deleted_at = 1, idempotency_key = NULL WHERE id = ${id}`)
    live.notifier.publish(id, { seq: 0 })
    expect(await follower.closed).toBe(4404)
  })

  it('sends nobody a terminal message before it is over, whenever they come', { timeout: 60_000 }, async () => {
    const jobs = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => [await begin(`r${at}`), `r${at}`] as const),
    )
    const finished = new Map<string, number>()
    const followers = jobs.flatMap(([, name]) =>
      Array.from({ length: 15 }, async (_, nth) => {
        await new Promise((resolve) => setTimeout(resolve, nth * 13))
        const follower = followSocket(socketUrl(name))
        const last = await follower.until(({ type }) => type !== 'progress')
        return { name, at: performance.now(), last, code: await follower.closed }
      }),
    )
    const writer = (async () => {
      for (const [id, name] of jobs) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        finished.set(name, performance.now())
        await finish(id)
      }
    })()
    for (const { name, at, last, code } of await Promise.all(followers)) {
      expect(last).toMatchObject({ type: 'completed', job_id: name })
      expect(at).toBeGreaterThanOrEqual(finished.get(name) ?? Number.POSITIVE_INFINITY)
      expect(code).toBe(1000)
    }
    await writer
    await expect.poll(() => live.held(jobs.map(([id]) => id))).toBe(0)
  })

  it('closes the socket of a client that sends too much with 1009, and lives on', async () => {
    await begin('talkative')
    const follower = followSocket(socketUrl('talkative'))
    await follower.until(({ type }) => type === 'progress')
    follower.socket.send('x'.repeat(100_000))
    expect(await follower.closed).toBe(1009)
    expect((await fetch(`${live.url}/healthz`)).status).toBe(200)
  })
})

describe('A handshake', () => {
  it('of a page from elsewhere is refused', async () => {
    const follower = followSocket(socketUrl('one'), { Origin: 'https://elsewhere.example' })
    await expect(follower.closed).rejects.toThrow('403')
  })

  it('is wanted where a socket is: a plain request is told so', async () => {
    await begin('plain')
    const response = await fetch(socketUrl('plain'))
    expect(response.status).toBe(426)
    // workerd takes this header out of answers.
    if (process.env.MILLRACE_TEST_RUNTIME !== 'cloudflare') expect(response.headers.get('Upgrade')).toBe('websocket')
    expect(await response.json()).toMatchObject({ success: false, error: 'upgrade_required' })
  })

  it('is not asked for of a job that is not there: a plain request is told that there is none', async () => {
    const response = await fetch(socketUrl('never'))
    expect([response.status, response.headers.has('Upgrade')]).toEqual([404, false])
    expect(await response.json()).toMatchObject({ success: false, error: 'not_found' })
  })
})
