/** What every Fetcher must do. Names no runtime: the server it fetches from runs on Node, and is told of by its origin. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/errors.ts'
import type { Fetcher } from '../../src/ports.ts'

/** What the server of fetch-server.ts packs. */
const TEXT = 'event 1, heat 2, lane 3. '.repeat(100)
const LIMITS = { maxBytes: 1_000_000, timeoutMs: 10_000 }
const MESSAGE = {
  body: '{"a":"é"}',
  headers: { 'content-type': 'application/json', 'webhook-id': '1' },
  timeoutMs: 10_000,
}

/** A Fetcher as a server has it, one that may fetch from this machine, and where the server of fetch-server.ts is. */
export interface FetcherUnderTest {
  readonly guarded: Fetcher
  readonly open: Fetcher
  readonly origin: string
  dispose?(): Promise<void>
}

interface Request {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (error instanceof MillraceError) return error
  throw error
}

/** Runs the suite against what `make` gives. */
export function fetcherContract(name: string, make: () => Promise<FetcherUnderTest>): void {
  describe(`${name} as a Fetcher`, () => {
    let made: FetcherUnderTest
    beforeAll(async () => {
      made = await make()
    })
    afterAll(() => made.dispose?.())

    const tools: Tools = {
      made: () => made,
      async read(path, limits = LIMITS) {
        const fetched = await made.open.fetch(`${made.origin}/${path}`, limits)
        const bytes = new Uint8Array(await new Response(fetched.body).arrayBuffer())
        return { ...fetched, bytes, text: new TextDecoder().decode(bytes) }
      },
      requests: async () => (await fetch(`${made.origin}/requests`)).json(),
    }
    answers(tools)
    limits(tools)
    fence(tools)
    sending(tools)
    requesting(tools)
    redirecting(tools)
  })
}

interface Tools {
  made(): FetcherUnderTest
  read(
    path: string,
    limits?: Parameters<Fetcher['fetch']>[1],
  ): Promise<{ url: string; contentType: string; filename: string | null; bytes: Uint8Array; text: string }>
  requests(): Promise<Request[]>
}

function answers({ read, requests }: Tools): void {
  it('brings a file whole, with its type and name, and sends nothing of its own', async () => {
    await requests()
    const got = await read('pdf?id=1')
    expect([got.bytes.byteLength, got.bytes.at(-1), got.text.slice(0, 8)]).toEqual([500_009, 7, '%PDF-1.7'])
    expect([got.contentType, got.filename]).toEqual(['application/pdf', 'Heat Sheet.pdf'])
    expect(new URL(got.url).pathname).toBe('/pdf')
    const headers = (await requests())[0]?.headers ?? {}
    expect(headers['user-agent']).toBe('Millrace/0.1')
    expect([headers.cookie, headers.authorization, headers.referer]).toEqual([undefined, undefined, undefined])
  })

  it('follows up to five redirects', async () => {
    const got = await read('hops/5')
    expect([got.text, new URL(got.url).pathname]).toEqual(['there', '/hops/0'])
    expect((await failure(read('hops/6'))).code).toBe('URL_NOT_ALLOWED')
  })

  it.each([
    [404, 'NOT_FOUND'],
    [410, 'NOT_FOUND'],
    [401, 'NOT_FOUND'],
    [403, 'NOT_FOUND'],
    [418, 'NOT_FOUND'],
    [304, 'NOT_FOUND'],
    [302, 'NOT_FOUND'],
    [408, 'TIMEOUT'],
    [429, 'RATE_LIMIT'],
    [425, 'SERVICE_UNAVAILABLE'],
    [500, 'SERVICE_UNAVAILABLE'],
    [503, 'SERVICE_UNAVAILABLE'],
  ])('takes status %i for %s', async (status, code) => {
    const error = await failure(read(`status/${status}`))
    expect([error.code, error.details]).toEqual([code, { status }])
  })

  it('tells how long to wait', async () => {
    expect((await failure(read('status/429?wait=120'))).details).toEqual({ status: 429, retryAfterSeconds: 120 })
  })

  it.each(['gzip', 'deflate', 'br'])('undoes %s sent unasked, and stops a bomb of it', async (coding) => {
    expect((await read(`packed/${coding}`)).text).toBe(TEXT)
    expect((await failure(read(`packed/${coding}?bomb`))).code).toBe('TOO_LARGE')
    expect((await failure(read(`packed/${coding}?broken`))).code).toBe('NETWORK_ERROR')
    expect((await failure(read(`packed/${coding}?wrong`))).code).toBe('NETWORK_ERROR')
  })

  it.each(['zstd', 'compress', 'gzip, gzip'])('refuses what is packed as %s', async (coding) => {
    expect((await failure(read(`packed/${encodeURIComponent(coding)}`))).code).toBe('NETWORK_ERROR')
  })

  it.each(['head', 'body'])('says that a server hung up in the %s', async (where) => {
    const error = await failure(read(`hang-up/${where}`))
    expect([error.code, error.message.includes('127.0.0.1')]).toEqual(['NETWORK_ERROR', false])
    expect(error.message).toContain(where === 'head' ? 'broke' : 'broke off before the whole file had arrived')
  })
}

function limits({ made, read }: Tools): void {
  it('ends an endless body soon after the limit', async () => {
    const error = await failure(read('endless'))
    expect([error.code, error.message]).toEqual(['TOO_LARGE', expect.stringContaining('976.5 KB')])
  })

  it('refuses an oversized Content-Length before the body; the limit itself is not over it', async () => {
    expect((await failure(made().open.fetch(`${made().origin}/promised/1000001`, LIMITS))).code).toBe('TOO_LARGE')
    expect((await read('bytes/1000000')).bytes.byteLength).toBe(1_000_000)
    expect((await failure(read('bytes/1000001'))).code).toBe('TOO_LARGE')
  })

  it('ends a silent server and a slow body at the time limit, in words', async () => {
    const silent = await failure(read('silent', { maxBytes: 1_000_000, timeoutMs: 300 }))
    expect([silent.code, silent.message]).toEqual([
      'TIMEOUT',
      'The link did not answer within 1 second. Try again later, or send the file itself.',
    ])
    const slow = await failure(read('drip', { maxBytes: 1_000_000, timeoutMs: 2_000 }))
    expect([slow.code, slow.message]).toEqual(['TIMEOUT', expect.stringContaining('download was not finished')])
  })

  it('ends with the reason of an abort, before, during and after the head', async () => {
    const lost = new MillraceError('WORKER_LOST', 'the lease ran out')
    const aborted = AbortSignal.abort(lost)
    expect((await failure(read('pdf', { ...LIMITS, signal: aborted }))).code).toBe('WORKER_LOST')
    const during = new AbortController()
    const waiting = failure(read('silent', { ...LIMITS, signal: during.signal }))
    setTimeout(() => during.abort(lost), 50)
    expect((await waiting).code).toBe('WORKER_LOST')
    const after = new AbortController()
    const { body } = await made().open.fetch(`${made().origin}/drip`, { ...LIMITS, signal: after.signal })
    const reading = failure(new Response(body).arrayBuffer())
    after.abort(lost)
    expect((await reading).code).toBe('WORKER_LOST')
  })

  it('lets go of a body that is cancelled', async () => {
    const { body } = await made().open.fetch(`${made().origin}/drip`, LIMITS)
    const reader = body.getReader()
    expect((await reader.read()).value?.byteLength).toBeGreaterThan(0)
    await reader.cancel()
    expect((await reader.read()).done).toBe(true)
  })
}

/** This machine, its network, and the metadata services of clouds, in many spellings. */
const REFUSED =
  `127.0.0.1 0x7f.1 2130706433 0177.0.0.1 127.1 localhost LOCALHOST. a.localhost [::1] [::ffff:7f00:1] [64:ff9b::7f00:1]
  0.0.0.0 10.0.0.1 192.168.1.1 172.16.0.1 100.64.0.1 169.254.169.254 0xA9FEA9FE 2852039166 168.63.129.16 [fd00:ec2::254] [fe80::1]
  metadata.google.internal metadata.goog db.corp router.lan nas.home.arpa x.onion`
    .trim()
    .split(/\s+/)

function fence({ made, requests }: Tools): void {
  it('reaches neither this machine nor its network, however it is spelt', async () => {
    await requests()
    const port = new URL(made().origin).port
    const codes = await Promise.all(
      REFUSED.map(async (host) => {
        const error = await failure(made().guarded.fetch(`http://${host}:${port}/pdf`, LIMITS))
        expect(error.message).not.toMatch(/169\.254|10\.0\.0|fe80/)
        return `${host} ${error.code}`
      }),
    )
    expect(codes).toEqual(REFUSED.map((host) => `${host} URL_NOT_ALLOWED`))
    expect(await requests()).toEqual([])
  })

  it.each([
    'http://user:secret@files.example.org/',
    'ftp://files.example.org/',
    'file:///etc/passwd',
    'data:text/plain,hello',
    'http://files.example.org:22/',
    'http://files.example.org:6667/',
    '//files.example.org/',
    'not a url',
    '',
  ])('refuses %j', async (url) => {
    expect((await failure(made().guarded.fetch(url, LIMITS))).code).toBe('URL_NOT_ALLOWED')
    expect((await failure(made().open.fetch(url, LIMITS))).code).toBe('URL_NOT_ALLOWED')
  })

  it.each([
    'file:///etc/passwd',
    'http://a:b@127.0.0.1/',
    'http://127.0.0.1:22/',
    'gopher://files.example.org/',
    'http://',
  ])('refuses a redirect to %j', async (location) => {
    const path = `${made().origin}/to?location=${encodeURIComponent(location)}`
    expect((await failure(made().open.fetch(path, LIMITS))).code).toBe('URL_NOT_ALLOWED')
  })
}

function sending({ made, requests }: Tools): void {
  it('sends the body and the headers as they are', async () => {
    await requests()
    const sent = await made().open.send(`${made().origin}/status/202?wait=7`, MESSAGE)
    expect(sent).toEqual({ status: 202, retryAfterSeconds: 7 })
    const [seen] = await requests()
    expect(seen).toMatchObject({ method: 'POST', url: '/status/202?wait=7', body: MESSAGE.body })
    expect(seen?.headers).toMatchObject({ 'webhook-id': '1', 'content-length': '10' })
  })

  it.each([200, 204, 301, 302, 303, 307, 308, 400, 404, 408, 410, 429, 500, 503])(
    'hands back %i as it is, and follows nothing',
    async (status) => {
      await requests()
      const target = encodeURIComponent(`${made().origin}/pdf`)
      const sent = await made().open.send(`${made().origin}/status/${status}?location=${target}`, MESSAGE)
      expect(sent.status).toBe(status)
      expect(await requests()).toHaveLength(1)
    },
  )

  it('reads no more of the answer than it must', async () => {
    expect((await made().open.send(`${made().origin}/endless`, MESSAGE)).status).toBe(200)
  })

  it('says that a receiver broke the connection off', async () => {
    const error = await failure(made().open.send(`${made().origin}/hang-up/head`, MESSAGE))
    expect([error.code, error.details?.fault]).toEqual(['NETWORK_ERROR', expect.stringMatching(/^(reset|lost)$/)])
  })

  it('sends nothing to this machine, nor past the time limit', async () => {
    await requests()
    expect((await failure(made().guarded.send(`${made().origin}/pdf`, MESSAGE))).code).toBe('URL_NOT_ALLOWED')
    expect(await requests()).toEqual([])
    const slow = made().open.send(`${made().origin}/silent`, { ...MESSAGE, timeoutMs: 200 })
    expect((await failure(slow)).code).toBe('TIMEOUT')
  })
}

const CALL = { method: 'POST' as const, body: '{"a":"é"}', maxBytes: 1_000_000, timeoutMs: 10_000 }

function requesting({ made, requests }: Tools): void {
  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH'] as const)('sends a %s whole', async (method) => {
    await requests()
    const body = method.startsWith('P') ? CALL.body : undefined
    const headers = { 'Content-Type': 'application/json', Authorization: 'Bearer abc' }
    const answer = await made().open.request(`${made().origin}/header/yes?a=1`, { ...CALL, method, headers, body })
    expect([answer.status, answer.headers['x-told'], answer.headers['millrace-outcome']]).toEqual([
      200,
      'yes',
      undefined,
    ])
    expect(new TextDecoder().decode(answer.body)).toBe(method === 'HEAD' ? '' : '{"a":1}')
    const [seen] = await requests()
    expect(seen).toMatchObject({ method, url: '/header/yes?a=1', body: body ?? '' })
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer abc', 'user-agent': 'Millrace/0.1' })
  })

  it('sends bytes as they are', async () => {
    await requests()
    await made().open.request(`${made().origin}/header/x`, { ...CALL, body: new TextEncoder().encode('é\0') })
    expect((await requests())[0]?.body).toBe('é\0')
  })

  it.each([204, 304, 400, 404, 410, 429, 500, 503])('hands back %i as an answer', async (status) => {
    const answer = await made().open.request(`${made().origin}/status/${status}?wait=7`, CALL)
    expect([answer.status, answer.headers['retry-after'], answer.retryAfterSeconds]).toEqual([status, '7', 7])
  })

  it('undoes what is packed, and stops a bomb and a long answer at the limit', async () => {
    const read = (path: string) => made().open.request(`${made().origin}/${path}`, CALL)
    expect(new TextDecoder().decode((await read('packed/gzip')).body)).toBe(TEXT)
    for (const path of ['packed/gzip?bomb', 'endless', 'promised/1000001']) {
      expect((await failure(read(path))).code).toBe('TOO_LARGE')
    }
    expect((await read('bytes/1000000')).body.byteLength).toBe(1_000_000)
  })

  it('tells a server that hung up from one that is silent, and ends when it is called off', async () => {
    const read = (path: string, more = {}) =>
      failure(made().open.request(`${made().origin}/${path}`, { ...CALL, ...more }))
    expect((await read('hang-up/head')).details?.fault).toMatch(/^(reset|lost)$/)
    expect((await read('hang-up/body')).code).toBe('NETWORK_ERROR')
    expect((await read('silent', { timeoutMs: 200 })).code).toBe('TIMEOUT')
    expect((await read('drip', { timeoutMs: 200 })).code).toBe('TIMEOUT')
    const stop = new AbortController()
    const waiting = read('silent', { signal: stop.signal })
    stop.abort(new MillraceError('WORKER_LOST', 'the lease ran out'))
    expect((await waiting).code).toBe('WORKER_LOST')
  })

  it.each([
    { Host: 'other.example.org' },
    { 'Content-Length': '3' },
    { 'Transfer-Encoding': 'chunked' },
    { 'X-A': 'b\r\nX-C: d' },
    { 'X-A': '\u2603' },
    { 'X A': 'b' },
  ])('refuses the headers %j, naming the one', async (headers) => {
    const error = await failure(made().open.request(`${made().origin}/pdf`, { ...CALL, headers }))
    expect([error.code, error.details]).toEqual(['INVALID_REQUEST', { field: `headers.${Object.keys(headers)[0]}` }])
  })

  it('sends nothing to this machine, nor to where it is led', async () => {
    await requests()
    const { guarded, open, origin } = made()
    expect((await failure(guarded.request(`${origin}/pdf`, CALL))).code).toBe('URL_NOT_ALLOWED')
    expect(await requests()).toEqual([])
    const led = `${origin}/status/307?location=${encodeURIComponent('http://a:b@127.0.0.1/')}`
    expect((await failure(open.request(led, CALL))).code).toBe('URL_NOT_ALLOWED')
    expect((await failure(open.request(`${origin}/hops/6`, CALL))).code).toBe('URL_NOT_ALLOWED')
  })
}

function redirecting({ made, requests }: Tools): void {
  const HEADERS = {
    'content-type': 'application/json',
    authorization: 'Bearer abc',
    'x-key': 'secret',
    'x-plain': 'yes',
  }
  const lead = async (status: number, to: string, more = {}) => {
    await requests()
    const path = `${made().origin}/status/${status}?location=${encodeURIComponent(to)}`
    const answer = await made().open.request(path, {
      ...CALL,
      headers: HEADERS,
      confidential: { headers: ['X-Key'] },
      ...more,
    })
    return { answer, seen: (await requests())[1] }
  }
  /** The same server under another name is another origin. */
  const elsewhere = () => made().origin.replace('127.0.0.1', 'localhost')

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [302, 'PUT', 'PUT', CALL.body],
    [307, 'POST', 'POST', CALL.body],
    [308, 'PATCH', 'PATCH', CALL.body],
  ] as const)('after %i a %s goes on as %s', async (status, method, then, body) => {
    const { answer, seen } = await lead(status, '/header/there', { method })
    expect([answer.status, new URL(answer.url).pathname]).toEqual([200, '/header/there'])
    expect(seen).toMatchObject({ method: then, body })
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer abc', 'x-key': 'secret' })
    expect(seen?.headers['content-type']).toBe(body === '' ? undefined : 'application/json')
  })

  it('gives another origin no credential and nothing confidential', async () => {
    const { seen } = await lead(307, `${elsewhere()}/header/there`)
    expect(seen).toMatchObject({ method: 'POST', body: CALL.body })
    expect(seen?.headers).toMatchObject({ 'x-plain': 'yes', 'content-type': 'application/json' })
    expect([seen?.headers.authorization, seen?.headers['x-key']]).toEqual([undefined, undefined])
  })

  it('sends a confidential body to no other origin', async () => {
    const confidential = { headers: [], body: true }
    const error = await failure(lead(307, `${elsewhere()}/header/there`, { confidential }))
    expect(error.code).toBe('URL_NOT_ALLOWED')
    expect(await requests()).toHaveLength(1)
    const { seen } = await lead(303, `${elsewhere()}/header/there`, { confidential })
    expect(seen).toMatchObject({ method: 'GET', body: '' })
  })
}
