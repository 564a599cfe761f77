/** What a batch came to, as it is fetched: in pages that stay small, and never cut short without a word. */
import { connect, type Socket } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted, ItemResult } from '../../../src/features/batches/schemas.ts'
import { Follower } from '../../support/follow.ts'
import { curl, startServer, type TestServer } from '../../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer({ env: { CONCURRENCY: '8' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const Page = z.object({
  succeeded: z.array(ItemResult).default([]),
  items: z.array(z.unknown()).optional(),
  next: z.int().nullable(),
})

const post = (path: string, body: unknown) =>
  server.fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })

/** Runs echo jobs to their end. */
async function run(items: readonly unknown[]): Promise<string> {
  const { batchId } = BatchAccepted.parse(await (await post('/api/batch', { operation: 'echo', items })).json())
  const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
  await follower.completed()
  follower.close()
  return batchId
}

const pageOf = async (id: string, query: string) =>
  Page.parse(await (await server.fetch(`/api/batch/${id}/results${query}`)).json())

async function linesOf(id: string, query: string): Promise<unknown[]> {
  const text = await (await server.fetch(`/api/batch/${id}/results${query}`)).text()
  return text
    .split('\n')
    .slice(0, -1)
    .map((line): unknown => JSON.parse(line))
}

/** Makes the result of a job unreadable, as a fault of the disk or of ours would. */
function spoil(batchId: string, sequence: number): void {
  const db = new DatabaseSync(server.databaseFile, { timeout: 5_000 })
  try {
    const { changes } = db
      .prepare(`UPDATE jobs SET result = '{"cut' WHERE batch_id = ? AND sequence = ?`)
      .run(batchId, sequence)
    expect(changes).toBe(1)
  } finally {
    db.close()
  }
}

describe('results that are large', () => {
  it('come in pages that end by their bytes, each item once, and as NDJSON whole', async () => {
    const fat = 'x'.repeat(600_000)
    const id = await run([{}, {}, ...Array.from({ length: 12 }, (_, i) => ({ value: `${i}${fat}` })), {}])
    const places: number[] = []
    let pages = 0
    for (let cursor: number | null = 0; cursor !== null; pages++) {
      const response = await server.fetch(`/api/batch/${id}/results?cursor=${cursor}`)
      const text = await response.text()
      expect(text.length).toBeLessThan(6_000_000)
      const page = Page.parse(JSON.parse(text))
      places.push(...page.succeeded.map(({ index }) => index))
      cursor = page.next
    }
    expect(places).toEqual(Array.from({ length: 15 }, (_, i) => i))
    expect(pages).toBeGreaterThan(3)
    expect(await linesOf(id, '?format=ndjson')).toHaveLength(15)
  })
})

describe('results that cannot be read to their end', () => {
  it('break off where they do, and the log says why under the id of the request', async () => {
    const id = await run(Array.from({ length: 1_500 }, (_, value) => ({ value })))
    spoil(id, 1_400)
    const requestId = `broken-${id}`
    const asked = curl(['-H', `X-Request-Id: ${requestId}`, `${server.url}/api/batch/${id}/results?format=ndjson`])
    // Curl ends with 0 only where it got all that there is.
    await expect(asked).rejects.toMatchObject({ code: expect.any(Number) })
    await expect
      .poll(() => server.output.split('\n').filter((line) => line.includes(requestId)))
      .toContainEqual(expect.stringContaining('broke off'))
  })

  it('are refused where it is the first page that fails', async () => {
    const id = await run([{}, {}])
    spoil(id, 1)
    const response = await server.fetch(`/api/batch/${id}/results?format=ndjson`)
    expect([response.status, z.object({ error: z.string() }).parse(await response.json()).error]).toEqual([
      500,
      'UNKNOWN',
    ])
  })
})

/** A reader that takes the beginning of an answer and then nothing, until it is let go on. */
class SlowReader {
  readonly #socket: Socket
  #text = ''
  readonly ended: Promise<{ text: string; isReset: boolean }>

  constructor(path: string, version: '1.0' | '1.1') {
    this.#socket = connect({ port: server.port, host: '127.0.0.1' })
    this.#socket.setEncoding('latin1')
    this.#socket.write(`GET ${path} HTTP/${version}\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`)
    let isReset = false
    this.#socket.on('error', () => {
      isReset = true
    })
    this.ended = new Promise((resolve) => this.#socket.on('close', () => resolve({ text: this.#text, isReset })))
  }

  /** Resolves when the first bytes of the answer have come; no more are taken. */
  async begins(): Promise<void> {
    const first = await new Promise<string>((resolve) => this.#socket.once('data', (text) => resolve(String(text))))
    this.#socket.pause()
    this.#text += first
  }

  goOn(): void {
    this.#socket.on('data', (text) => {
      this.#text += String(text)
    })
    this.#socket.resume()
  }
}

/** Tells whether a client takes an answer for whole: the last chunk came, or the connection of an answer without chunks was closed, not reset. */
const isWhole = ({ text, isReset }: { text: string; isReset: boolean }) =>
  /transfer-encoding: chunked/i.test(text) ? text.endsWith('\r\n0\r\n\r\n') : !isReset

describe('a long answer to a slow reader', () => {
  // More than the buffers of two sockets take.
  const items = Array.from({ length: 16 }, (_, at) => ({
    value: `${at}${'x'.repeat(900_000)}`,
    ...(at === 15 ? { error: 'no' } : {}),
  }))
  // workerd ends an answer to HTTP/1.0 by closing the connection, whatever became of it; on the platform its proxies speak HTTP/1.0 to clients.
  const OLD = process.env.MILLRACE_TEST_RUNTIME === 'cloudflare' ? '1.1' : '1.0'
  const ASKED = [
    ['?format=ndjson', '1.1'],
    ['?as=items', OLD],
    ['?format=ndjson&set=succeeded', OLD],
  ] as const
  const METHODS = { retry: ['/retry', 'POST'], delete: ['', 'DELETE'] } as const

  it.each([
    ['is whole when nothing happens to its batch', null, true],
    ['breaks off when its batch is run again', METHODS.retry, false],
    ['breaks off when its batch is deleted', METHODS.delete, false],
  ])('%s', async (_, meanwhile, whole) => {
    const id = await run(items)
    const readers = ASKED.map(([query, version]) => new SlowReader(`/api/batch/${id}/results${query}`, version))
    await Promise.all(readers.map((reader) => reader.begins()))
    if (meanwhile !== null) {
      const [path, method] = meanwhile
      expect((await server.fetch(`/api/batch/${id}${path}`, { method })).status).toBe(200)
    }
    for (const reader of readers) reader.goOn()
    const answers = await Promise.all(readers.map(({ ended }) => ended))
    expect(answers.map(({ text }) => /^HTTP\/1\.\d 200 /.test(text))).toEqual([true, true, true])
    expect(answers.map(isWhole)).toEqual([whole, whole, whole])
  })
})

describe('how results are asked for', () => {
  it('as NDJSON from a place on, and so many lines', async () => {
    const id = await run(Array.from({ length: 5 }, (_, value) => ({ value })))
    const asked = await linesOf(id, '?format=ndjson&cursor=2&limit=2')
    expect(asked.map((line) => ItemResult.parse(line).index)).toEqual([2, 3])
  })

  it('as bare items, in the format that is asked for, just as they were sent', async () => {
    const items = [{}, { value: { b: 1, a: [2.5, null] } }, { waitMs: 1 }]
    const id = await run(items)
    expect(await linesOf(id, '?as=items')).toEqual(items)
    expect(await pageOf(id, '?as=items&format=json&limit=2')).toEqual({
      succeeded: [],
      items: items.slice(0, 2),
      next: 2,
    })
  })
})
