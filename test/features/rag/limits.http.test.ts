/** Documents behind keys: links to them, the address of a job's socket, and what is said where there is too much. */
import { createServer, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../../support/server.ts'
import { followSocket } from '../../support/socket-client.ts'

const API = '/api/public/bulk'
const KEY = 'a-key-for-tests'
const ENV = {
  MILLRACE_AUTH: 'keys',
  MILLRACE_API_KEY: KEY,
  MILLRACE_ALLOW_PRIVATE_URLS: '1',
  MAX_STREAMS_PER_OWNER: '1',
  MAX_UPLOAD_BYTES: '4000',
}
const PAGE =
  '<html lang="en"><title>Harbour</title><h1>Berths</h1><p>A berth at the western pier costs nine crowns a night.</p></html>'

let server: TestServer
let web: Awaited<ReturnType<typeof startWeb>>

beforeAll(async () => {
  web = await startWeb()
  server = await startServer({ env: ENV })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  web.server.closeAllConnections()
  web.server.close()
})

/** A web server with a page, the same page that it keeps to itself until it is released, and links that are broken or never answered. */
async function startWeb() {
  const waiting: ServerResponse[] = []
  let released = false
  const answer = (response: ServerResponse) => response.setHeader('Content-Type', 'text/html').end(PAGE)
  const web = createServer(({ url }, response) => {
    if (url === '/berths.html' || (url === '/later.html' && released)) answer(response)
    else if (url === '/later.html') waiting.push(response)
    else if (url !== '/silent') response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  const address = web.address()
  const release = () => {
    released = true
  }
  return { server: web, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, waiting, release }
}

type Json = Record<string, unknown>

async function send(path: string, init: RequestInit = {}): Promise<{ status: number; body: Json }> {
  const headers = { Authorization: `Bearer ${KEY}`, ...init.headers }
  const response = await server.fetch(`${API}${path}`, { ...init, headers })
  return { status: response.status, body: await response.json() }
}

const post = (path: string, body: unknown) =>
  send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

/** Begins a job of linked documents. @returns the address of its socket */
async function begin(job_id: string, urls: readonly string[], more: Json = {}): Promise<string> {
  const { status, body } = await post('/process', {
    job_id,
    platform: 'documents',
    input_method: 'urls',
    selected_content: [],
    pasted_urls: urls,
    embedding_model: { id: 'local' },
    vector_db: { id: 'builtin' },
    settings: {},
    collection: job_id,
    ...more,
  })
  expect([status, body.job_id]).toEqual([200, job_id])
  return String(body.websocket_url)
}

describe('Links', () => {
  it('lead to documents, each told by its address; one that is broken fails alone', async () => {
    const [page, broken] = [`${web.url}/berths.html`, `${web.url}/none.pdf`]
    const follower = followSocket(
      await begin('linked', [page, broken, `${web.url}/silent`], { selected_content: [page, broken] }),
    )
    expect(await follower.closed).toBe(1000)
    const last = follower.messages.at(-1)
    expect(last).toMatchObject({
      type: 'completed',
      result: { status: 'completed', total_items: 2, completed_items: 1, failed_items: 1 },
    })
    expect(JSON.stringify(last?.result)).toContain(broken)
    const { body } = await post('/search', { query: 'What does a berth cost?', collection: 'linked' })
    expect(body.results).toMatchObject([
      { text: expect.stringContaining('nine crowns'), source: { url: page, title: 'Harbour', heading: 'Berths' } },
    ])
  })
})

describe('The socket of a job', () => {
  it('is opened by the address that its caller was answered, and by no other token', async () => {
    const address = await begin('tokened', [`${web.url}/silent`])
    const other = await begin('other', [`${web.url}/silent`])
    expect(address).toMatch(/^ws:\/\/.*\/ws\/bulk-processing\/tokened\?token=./)
    const [bare, query] = address.split('?')
    const follower = followSocket(address)
    expect(await follower.until(({ type }) => type === 'progress')).toMatchObject({ job_id: 'tokened' })
    for (const url of [String(bare), `${bare}?${other.split('?')[1]}`, `${other.split('?')[0]}?${query}`]) {
      await expect(followSocket(url).closed).rejects.toThrow('refused with 401')
    }
    follower.socket.close()
    await follower.closed
  })

  it('beyond what its owner may hold is closed with 1013', async () => {
    const address = await begin('crowded', [`${web.url}/silent`])
    const first = followSocket(address)
    await first.until(({ type }) => type === 'progress')
    const second = followSocket(address)
    expect(await second.closed).toBe(1013)
    expect(second.messages).toEqual([])
    first.socket.close()
    await first.closed
    await expect
      .poll(async () => {
        const third = followSocket(address)
        const opened = await Promise.race([third.until(({ type }) => type === 'progress'), third.closed])
        third.socket.close()
        return typeof opened
      })
      .toBe('object')
  })
})

describe('A form of uploads', () => {
  it('is bounded as a whole, and keeps nothing of what it brought', async () => {
    const kept = await server.blobs()
    const form = new FormData()
    for (let at = 0; at < 5; at++)
      form.append('files', new Blob(['x'.repeat(1_000)], { type: 'text/plain' }), `${at}.txt`)
    const { status, body } = await send('/uploads', { method: 'POST', body: form })
    expect([status, body.error]).toEqual([413, 'too_large'])
    expect(body.message).toContain('MAX_UPLOAD_BYTES')
    expect(await server.blobs()).toEqual(kept)
    const one = new FormData()
    one.append('files', new Blob(['A note.'], { type: 'text/plain' }), 'note.txt')
    expect((await send('/uploads', { method: 'POST', body: one })).status).toBe(200)
  })
})

describe.skipIf(ON_CLOUDFLARE)('A server that ends', () => {
  it('closes the sockets with 1012, and the next one goes on with the job', async () => {
    const follower = followSocket(await begin('restarted', [`${web.url}/later.html`]))
    await follower.until(({ type }) => type === 'progress')
    await expect.poll(() => web.waiting.length).toBeGreaterThan(0)
    await server.end('SIGTERM')
    expect(await follower.closed).toBe(1012)
    expect(new Set(follower.messages.map(({ type }) => type))).toEqual(new Set(['progress']))
    web.release()
    await using next = await startServer({ dataDir: server.dataDir, env: ENV })
    const address = `${next.url}${API}/ws/bulk-processing/restarted`
    const again = followSocket(address, { Authorization: `Bearer ${KEY}` })
    expect(await again.closed).toBe(1000)
    expect(again.messages.at(-1)).toMatchObject({ type: 'completed', result: { completed_items: 1, total_items: 1 } })
  })
})
