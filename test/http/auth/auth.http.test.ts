/** Who may call: open on a laptop, by key elsewhere, by token for one batch's stream; and who sees what. */
import { request } from 'node:http'
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { StreamLink } from '../../../src/features/batches/follow-schemas.ts'
import { BatchAccepted } from '../../../src/features/batches/schemas.ts'
import { errorOf, extract, formOf, post } from '../../support/batches.ts'
import { Follower } from '../../support/follow.ts'
import { runKeys, startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

const API_KEY = 'a-key-from-the-environment'
const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })

let sheet: Uint8Array
let open: TestServer
let keyed: TestServer
beforeAll(async () => {
  sheet = await heatSheet({ meet: 'Millpond Open' })
  open = await startServer({ env: { CORS_ORIGINS: 'https://app.example.com' } })
  keyed = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: API_KEY } })
})
afterAll(async () => {
  await open[Symbol.asyncDispose]()
  await keyed[Symbol.asyncDispose]()
})

const form = () => formOf({ swimmer: SWIMMER, pdfs: [{ name: 'a.pdf', bytes: sheet }] })

/** Runs a command on the keys of a server that runs. */
function keys(server: TestServer, ...args: string[]) {
  return runKeys(server, args)
}

async function createKey(server: TestServer, owner: string, ...more: string[]) {
  const { output, code } = await keys(server, 'create', owner, ...more)
  expect(code).toBe(0)
  const found = /Key (\S+) for .*\n\n {2}(mr_\S+)\n/.exec(output)
  return { id: found?.[1] ?? '', secret: found?.[2] ?? '' }
}

/** A request with headers that `fetch` would not send. */
function raw(server: TestServer, headers: Record<string, string>, path = '/api/batch/x', method = 'GET') {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          body += piece
        })
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
      })
        .on('error', reject)
        .end()
    },
  )
}

describe('open, on a laptop', () => {
  it('takes calls without a key, and the stream needs no token', async () => {
    const { streamUrl, batchId } = await extract(open, { swimmer: SWIMMER, pdfs: [{ name: 'a.pdf', bytes: sheet }] })
    expect(streamUrl).toBe(`/api/batch/${batchId}/stream`)
    expect((await open.fetch(`/api/batch/${batchId}`)).status).toBe(200)
  })

  it('refuses a key that is sent and is not valid', async () => {
    expect(await errorOf(await post(open, form(), bearer('mr_wrong')))).toMatchObject({
      status: 401,
      error: 'UNAUTHORIZED',
    })
    expect(await errorOf(await post(open, form(), { Authorization: 'Basic bWU6bWU=' }))).toMatchObject({ status: 401 })
  })

  it.each(['Bearer your-api-key', 'Bearer', 'Bearer ', 'bearer YOUR API KEY', 'Bearer a.b.c', 'Bearer sk_live_123'])(
    'takes what a printed example sends in place of a key, as the owner of calls without one: %j',
    async (header) => {
      const made = await post(open, form(), { Authorization: header })
      expect(made.status).toBe(202)
      const { batchId, streamUrl } = z.object({ batchId: z.string(), streamUrl: z.string() }).parse(await made.json())
      expect(streamUrl).not.toContain('token=')
      expect((await open.fetch(`/api/batch/${batchId}`)).status).toBe(200)
      // Where keys are wanted it is none.
      expect((await post(keyed, form(), { Authorization: header })).status).toBe(401)
    },
  )

  it('refuses a JWT that is sent and is not valid', async () => {
    const token = await sign({ sub: 'ada', exp: 9_999_999_999 }, 'x'.repeat(32), 'HS256')
    for (const wrong of [token, `${token}x`, token.slice(0, 30), 'eyJhbGciOiJub25lIn0.e30.']) {
      expect(await errorOf(await post(open, form(), bearer(wrong)))).toMatchObject({ status: 401 })
    }
  })

  it.each([
    'https://evil.example.com',
    'null',
    'http://localhost.evil.example.com',
    'https://app.example.com.evil.example',
  ])('refuses pages from %s', async (origin) => {
    const response = await post(open, form(), { Origin: origin })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(await errorOf(response)).toMatchObject({
      status: 403,
      error: 'FORBIDDEN',
      message: expect.stringContaining('CORS_ORIGINS'),
    })
  })

  it.each(['http://localhost:5173', 'http://127.0.0.1:8000', 'https://app.example.com'])(
    'lets pages from %s call',
    async (origin) => {
      const response = await post(open, form(), { Origin: origin })
      expect(response.status).toBe(202)
      expect(response.headers.get('access-control-allow-origin')).toBe(origin)
      expect(response.headers.get('access-control-expose-headers')).toMatch(/Location/)
    },
  )

  it.each(['evil.example.com', 'evil.example.com:8000', '127.0.0.1.nip.io', 'localhost@evil.example.com'])(
    'refuses calls for the host %s',
    async (host) => {
      const answer = await raw(open, { Host: host })
      expect([400, 403]).toContain(answer.status)
      expect(answer.body).not.toContain('batch with this id')
    },
  )

  it.each(['localhost', 'localhost:9999', '127.0.0.1', '[::1]:8000', 'LOCALHOST'])(
    'answers for the host %s',
    async (host) => {
      expect(await raw(open, { Host: host })).toMatchObject({ status: 404 })
    },
  )

  it.each([{ PUBLIC_URL: 'https://millrace.example.com' }, { TRUST_PROXY: '1' }])(
    'is not what a server is that others reach: %j',
    async (env) => {
      await using server = await startServer({ env })
      const answer = await raw(server, { Host: 'millrace.example.com', 'X-Forwarded-For': '203.0.113.9' })
      expect(answer.status).toBe(401)
      expect((await server.fetch('/api/batch')).status).toBe(401)
    },
  )

  it('is what a server is whose public address is on this machine', async () => {
    await using server = await startServer({ env: { PUBLIC_URL: 'http://localhost:8000' } })
    expect((await server.fetch('/api/batch')).status).toBe(200)
  })
})

describe('by key', () => {
  it.each([
    ['POST', '/api/batch/extract'],
    ['GET', '/api/batch/x'],
    ['GET', '/api/batch/x/stream'],
    ['GET', '/api/batch/x/results'],
    ['GET', '/api/nothing'],
  ])('refuses %s %s without one', async (method, path) => {
    const response = await keyed.fetch(path, { method })
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    expect(await errorOf(response)).toMatchObject({
      status: 401,
      error: 'UNAUTHORIZED',
      message: expect.stringContaining('Authorization'),
    })
  })

  it('says why it refuses, as RFC 6750 has it', async () => {
    for (const headers of [bearer('mr_wrong'), bearer('a.b.c'), { Authorization: 'Basic bWU6bWU=' }]) {
      const response = await keyed.fetch('/api/batch', { headers })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
  })

  it('asks for none in another place than the header', async () => {
    for (const query of ['key', 'api_key', 'access_token', 'token']) {
      expect((await keyed.fetch(`/api/batch?${query}=${API_KEY}`)).status).toBe(401)
    }
    expect(
      (await keyed.fetch('/api/batch', { headers: { 'X-API-Key': API_KEY, Cookie: `token=${API_KEY}` } })).status,
    ).toBe(401)
  })

  it('is let in whatever host or page the call is for', async () => {
    const headers = { ...bearer(API_KEY), Host: 'millrace.example.com', Origin: 'https://evil.example.com' }
    const answer = await raw(keyed, headers)
    expect(answer.status).toBe(404)
    // The page itself may not read it.
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  it('is wanted on loopback too where it is asked for', async () => {
    expect((await raw(keyed, { Host: 'localhost' })).status).toBe(401)
  })

  it('keeps nothing of a form that came without one', async () => {
    const before = await keyed.blobs()
    expect(await errorOf(await post(keyed, form()))).toMatchObject({ status: 401 })
    expect(await keyed.blobs()).toEqual(before)
  })

  it('answers whether it is alive to anyone', async () => {
    for (const path of ['/healthz', '/readyz']) expect((await keyed.fetch(path)).status).toBe(200)
  })

  it('is what a server on every address wants, unless told otherwise', async () => {
    await using server = await startServer({ env: { HOST: '0.0.0.0' } })
    expect((await fetch(`http://127.0.0.1:${server.port}/api/batch/x`)).status).toBe(401)
  })

  it('takes the key from the environment', async () => {
    expect((await post(keyed, form(), bearer(API_KEY))).status).toBe(202)
    expect((await post(keyed, form(), bearer(`${API_KEY}x`))).status).toBe(401)
  })

  it('takes keys that are made, listed and revoked while the server runs', async () => {
    const { id, secret } = await createKey(keyed, 'ada', 'her laptop')
    expect((await post(keyed, form(), bearer(secret))).status).toBe(202)
    const listed = await keys(keyed, 'list')
    expect(listed.output).toMatch(new RegExp(`${id} +ada +in force .*her laptop`))
    expect(listed.output).not.toContain(secret)
    expect(await keys(keyed, 'revoke', id)).toMatchObject({
      code: 0,
      output: expect.stringContaining(`Revoked ${id}.`),
    })
    expect(await errorOf(await post(keyed, form(), bearer(secret)))).toMatchObject({ status: 401 })
    expect((await keys(keyed, 'list')).output).toMatch(new RegExp(`${id} +ada +revoked`))
    expect(await keys(keyed, 'revoke', id)).toMatchObject({ code: 1, output: expect.stringContaining('keys -- list') })
  })

  it('takes no key that has run out', async () => {
    const { id, secret } = await createKey(keyed, 'ada', '--days', '0.00000001')
    expect((await post(keyed, form(), bearer(secret))).status).toBe(401)
    expect((await keys(keyed, 'list')).output).toMatch(new RegExp(`${id} +ada +expired`))
  })

  it('says of a call that is none what is wrong, and how the command is used, and does nothing', async () => {
    const before = (await keys(keyed, 'list')).output
    const wrong: [args: string[], sentence: string][] = [
      [['create'], 'Usage'],
      [['create', '-h'], 'Usage'],
      [['create', 'ada', '--days', 'many'], '--days many is not understood'],
      [['create', 'ada', '--days', '0'], '--days 0 is not understood'],
      [['create', 'ada', '--days'], '--days wants a value'],
      [['create', 'ada', '--day', '3'], 'There is no option --day here'],
      [['rotate', 'x', '--grace', '-1'], '--grace -1 is not understood'],
      [['create', ' '], '" " is no name'],
      [['create', 'ada', 'her\nlaptop'], '"her\\nlaptop" is no name'],
      [['revoke'], 'Usage'],
      [['frobnicate'], 'Usage'],
      [[], 'Usage'],
    ]
    for (const [args, sentence] of wrong) {
      const { code, output } = await keys(keyed, ...args)
      expect([args, code, output]).toEqual([args, 1, expect.stringContaining('npm run keys -- create OWNER')])
      expect(output).toContain(sentence)
    }
    expect((await keys(keyed, 'list')).output).toBe(before)
  })
})

describe("another owner's batch", () => {
  it.each(['', '/stream', '/results', '/jobs'])('is not there at %j', async (path) => {
    const [ada, bo] = [await createKey(keyed, 'ada'), await createKey(keyed, 'bo')]
    const { batchId } = await extract(
      keyed,
      { swimmer: SWIMMER, pdfs: [{ name: 'a.pdf', bytes: sheet }] },
      bearer(ada.secret),
    )
    const mine = await keyed.fetch(`/api/batch/${batchId}${path}`, { headers: bearer(ada.secret) })
    expect(mine.status).toBe(200)
    await mine.body?.cancel()
    const theirs = await keyed.fetch(`/api/batch/${batchId}${path}`, { headers: bearer(bo.secret) })
    const nothing = await keyed.fetch(`/api/batch/no-such-batch${path}`, { headers: bearer(bo.secret) })
    expect(await errorOf(theirs)).toEqual(await errorOf(nothing))
    expect(theirs.status).toBe(404)
  })
})

describe("a stream's token", () => {
  const pdfs = () => [{ name: 'a.pdf', bytes: sheet }]

  it('lets EventSource follow where it can send no headers', async () => {
    const accepted = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    const follower = new Follower(keyed.url + accepted.streamUrl)
    expect((await follower.completed()).data).toMatchObject({ status: 'completed' })
    expect(await follower.closed).toBe(204)
  })

  it('opens the reads of its batch, and nothing else', async () => {
    const one = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    const other = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    const token = new URL(one.streamUrl, keyed.url).searchParams.get('token') ?? ''
    const statusOf = async (method: string, path: string, query = `?token=${token}`) => {
      const response = await keyed.fetch(path + query, { method })
      await response.body?.cancel()
      return response.status
    }
    const batch = `/api/batch/${one.batchId}`
    expect(await statusOf('GET', batch)).toBe(200)
    expect(await statusOf('GET', `${batch}/results`)).toBe(200)
    expect(await statusOf('POST', `${batch}/cancel`)).toBe(401)
    expect(await statusOf('DELETE', batch)).toBe(401)
    expect(await statusOf('GET', `/api/batch/${other.batchId}`)).toBe(401)
    expect(await statusOf('GET', `${batch}x/stream`)).toBe(401)
    expect(await statusOf('GET', '/api/batch')).toBe(401)
    expect(await statusOf('POST', '/api/batch/extract')).toBe(401)
    expect(await statusOf('GET', batch, `?token=${token.slice(0, -4)}AAAA`)).toBe(401)
    expect(await statusOf('GET', batch, `?token=${token.replace(/[^.]*$/, '')}`)).toBe(401)
    expect(keyed.output).not.toContain(token)
  })

  it('opens the stream of all batches, and nothing else, when it was made for that', async () => {
    const link = StreamLink.parse(
      await (await keyed.fetch('/api/batch/stream-token', { method: 'POST', headers: bearer(API_KEY) })).json(),
    )
    const lasts = Date.parse(link.expiresAt ?? '') - Date.now()
    expect(lasts / 3_600_000).toBeCloseTo(24, 0)
    const token = new URL(link.streamUrl, keyed.url).searchParams.get('token') ?? ''
    const source = new Follower(keyed.url + link.streamUrl)
    const { batchId } = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    await source.until(({ event, data }) => event === 'batch_completed' && data.batchId === batchId)
    source.close()
    for (const path of [
      '/api/batch',
      `/api/batch/${batchId}`,
      `/api/batch/${batchId}/stream`,
      '/bulk/tokens',
      '/metrics',
    ]) {
      expect((await keyed.fetch(`${path}?token=${token}`)).status).toBe(401)
    }
    expect((await keyed.fetch(`/api/batch/stream-token?token=${token}`, { method: 'POST' })).status).toBe(401)
    expect((await keyed.fetch(`/api/batch/stream?token=${token}x`)).status).toBe(401)
    expect(keyed.output).not.toContain(token)
  })

  it('is made again for a batch by whoever owns it', async () => {
    const [ada, bo] = [await createKey(keyed, 'ada'), await createKey(keyed, 'bo')]
    const { batchId } = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(ada.secret))
    const ask = (key: string) =>
      keyed.fetch(`/api/batch/${batchId}/stream-token`, { method: 'POST', headers: bearer(key) })
    const { streamUrl } = StreamLink.parse(await (await ask(ada.secret)).json())
    expect(streamUrl).toMatch(new RegExp(`^/api/batch/${batchId}/stream\\?token=`))
    const stream = await keyed.fetch(streamUrl)
    expect(stream.status).toBe(200)
    await stream.body?.cancel()
    expect(await errorOf(await ask(bo.secret))).toMatchObject({ status: 404 })
    const local = StreamLink.parse(await (await open.fetch('/api/batch/stream-token', { method: 'POST' })).json())
    expect(local).toEqual({ success: true, streamUrl: '/api/batch/stream', expiresAt: null })
  })

  it('ends with its batch', async () => {
    const { batchId, streamUrl } = await extract(keyed, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    const follower = new Follower(keyed.url + streamUrl)
    await follower.completed()
    follower.close()
    const deleted = await keyed.fetch(`/api/batch/${batchId}`, { method: 'DELETE', headers: bearer(API_KEY) })
    expect(deleted.status).toBe(200)
    expect(await errorOf(await keyed.fetch(streamUrl))).toMatchObject({ status: 404 })
  })

  it('is not believed by another server, and still by this one after a restart', async () => {
    await using first = await startServer({ env: { MILLRACE_API_KEY: API_KEY, MILLRACE_AUTH: 'keys' } })
    const { streamUrl } = await extract(first, { swimmer: SWIMMER, pdfs: pdfs() }, bearer(API_KEY))
    expect((await keyed.fetch(streamUrl)).status).toBe(401)
    await first.end('SIGTERM')
    await using second = await startServer({ dataDir: first.dataDir, env: { MILLRACE_AUTH: 'keys' } })
    expect((await second.fetch(streamUrl)).status).toBe(200)
  })
})

describe('a stream that is open', () => {
  /** Begins a stream; `ended` resolves when the server ends it. */
  async function opened(server: TestServer, path: string, headers: Record<string, string>) {
    const response = await server.fetch(path, { headers })
    expect(response.status).toBe(200)
    const state = { ended: false }
    const ended = response.text().then(() => {
      state.ended = true
    })
    // At the end of the test the server goes, and with it what is still open.
    ended.catch(() => {})
    return { state, ended }
  }

  it('ends when the key that opened it is revoked, or the token runs out, and others go on', async () => {
    const JWT_SECRET = 'a secret that somebody else signs with'
    await using server = await startServer({
      env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: API_KEY, JWT_SECRET, JWT_LEEWAY_SECONDS: '0' },
    })
    const [lost, kept] = [await createKey(server, 'ada'), await createKey(server, 'ada')]
    const short = await sign({ sub: 'ada', exp: Math.floor(Date.now() / 1_000) + 4 }, JWT_SECRET, 'HS256')
    const body = JSON.stringify({ operation: 'echo', items: [{ waitMs: 60_000 }] })
    const headers = { ...bearer(lost.secret), 'Content-Type': 'application/json' }
    const created = await server.fetch('/api/batch', { method: 'POST', headers, body })
    const { batchId } = BatchAccepted.parse(await created.json())
    const [all, one, passing, staying, own] = await Promise.all([
      opened(server, '/api/batch/stream', bearer(lost.secret)),
      opened(server, `/api/batch/${batchId}/stream`, bearer(lost.secret)),
      opened(server, `/api/batch/${batchId}/stream`, bearer(short)),
      opened(server, `/api/batch/${batchId}/stream`, bearer(kept.secret)),
      opened(server, '/api/batch/stream', bearer(API_KEY)),
    ])
    expect(await keys(server, 'revoke', lost.id)).toMatchObject({ code: 0 })
    await Promise.all([all.ended, one.ended, passing.ended])
    expect([staying.state.ended, own.state.ended]).toEqual([false, false])
    expect((await server.fetch('/api/batch/stream', { headers: bearer(lost.secret) })).status).toBe(401)
  })
})
