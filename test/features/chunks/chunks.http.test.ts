/** The chunk surface over real HTTP, against server processes. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BulkChunks, ChunkPage } from '../../../src/features/chunks/schemas.ts'
import { ON_CLOUDFLARE, runEntry, startServer } from '../../support/server.ts'
import { drawFirst, startWithCallers } from '../resources/callers.ts'

let all: Awaited<ReturnType<typeof startWithCallers>>
beforeAll(async () => {
  all = await startWithCallers({ CHUNK_PREFIXES: 'd_=sebi_chunk, __=hidden_chunk,k_long_=long_interview' })
})
afterAll(() => all.server[Symbol.asyncDispose]())

const BULK = '/api/chunks/bulk'
const ErrorBody = z.strictObject({ error: z.string().min(1) })
/** As JSON had it: a schema of keys would leave `__proto__` out. */
const Raw = BulkChunks.extend({ chunks: z.unknown(), errors: z.unknown() })

/** `String()`, or the kind of what has none: `{"toString": ""}`. */
function keyOf(reference: unknown): string {
  try {
    return String(reference)
  } catch {
    return Object.prototype.toString.call(reference)
  }
}

describe('POST /api/chunks/bulk', () => {
  it('answers by reference what is there, and what is wrong with the rest', async () => {
    await all.alice.post('/api/chunks', {
      chunks: [
        { id: 'k_1', text: 'one', speaker: { name: 'A' }, source_type: 'mine' },
        { id: 'e_1', text: 'call', quarter: 'Q1' },
        { id: 'd_1', text: 'circular' },
        { id: 'k_long_1', text: 'longer prefix' },
      ],
    })
    const { status, body } = await all.alice.post(BULK, {
      chunk_references: ['k_1', 'e_1', 'd_1', 'k_long_1', 'k_2', 'q_1', '', 'k_1'],
    })
    expect([status, body]).toEqual([
      200,
      {
        chunks: {
          k_1: { id: 'k_1', text: 'one', speaker: { name: 'A' }, source_type: 'expert_interview' },
          e_1: { id: 'e_1', text: 'call', quarter: 'Q1', source_type: 'earnings_call' },
          d_1: { id: 'd_1', text: 'circular', source_type: 'sebi_chunk' },
          k_long_1: { id: 'k_long_1', text: 'longer prefix', source_type: 'long_interview' },
        },
        errors: { k_2: 'Chunk not found', q_1: 'Invalid chunk ID format', '': 'Invalid chunk ID format' },
        summary: { total_requested: 8, successful: 4, failed: 3 },
      },
    ])
  })

  it('files a reference that is no string under its String()', async () => {
    const body = '{"chunk_references":[null,5,true,["k_1","x"],{},{"toString":1}]}'
    const { errors, chunks, summary } = BulkChunks.parse((await all.alice.post(BULK, body)).body)
    expect(errors).toEqual({
      null: 'Invalid chunk ID format',
      '5': 'Invalid chunk ID format',
      true: 'Invalid chunk ID format',
      'k_1,x': 'Invalid chunk ID format',
      '[object Object]': 'Invalid chunk ID format',
    })
    expect([chunks, summary]).toEqual([{}, { total_requested: 6, successful: 0, failed: 5 }])
  })

  it('refuses what is nested deeper than String() can go', async () => {
    const answer = await all.alice.post(BULK, `{"chunk_references":[${'['.repeat(50_000)}${']'.repeat(50_000)}]}`)
    expect([answer.status, ErrorBody.parse(answer.body).error]).toEqual([400, expect.stringContaining('nested')])
  })

  it('takes __proto__ as a key like any other, as reference and within a chunk', async () => {
    const raw =
      '{"chunks":[{"id":"__proto__","text":"odd","__proto__":{"polluted":true}},{"id":"__constructor","text":"c"}]}'
    expect((await all.alice.post('/api/chunks', raw)).body).toEqual({ loaded: 2, ids: ['__proto__', '__constructor'] })
    const answer = await all.alice.post(BULK, { chunk_references: ['__proto__', 'constructor', '__constructor'] })
    expect(JSON.stringify(answer.body)).toBe(
      '{"chunks":{"__proto__":{"id":"__proto__","text":"odd","__proto__":{"polluted":true},"source_type":"hidden_chunk"},' +
        '"__constructor":{"id":"__constructor","text":"c","source_type":"hidden_chunk"}},' +
        '"errors":{"constructor":"Invalid chunk ID format"},"summary":{"total_requested":3,"successful":2,"failed":1}}',
    )
    expect(JSON.stringify((await all.alice.get('/api/chunks/__proto__')).body)).toContain(
      '"__proto__":{"polluted":true}',
    )
  })

  it('takes a body of 10 MB, and none that is larger', async () => {
    const references = Array.from({ length: 100_000 }, (_, i) => `k_${String(i % 90_000).padStart(98, '0')}`)
    const body = JSON.stringify({ chunk_references: references })
    expect(10 * 1024 * 1024 - body.length).toBeGreaterThan(0)
    const answer = BulkChunks.parse((await all.alice.post(BULK, body)).body)
    expect(answer.summary).toEqual({ total_requested: 100_000, successful: 0, failed: 90_000 })
    const refused = await all.alice.post(BULK, JSON.stringify({ chunk_references: [...references, 'x'.repeat(5e6)] }))
    expect([refused.status, refused.body]).toEqual([413, { error: 'The request body is larger than 10 MB.' }])
  })

  it.each([
    ['{}', 400, 'chunk_references must be an array'],
    ['null', 400, 'chunk_references must be an array'],
    ['[]', 400, 'chunk_references must be an array'],
    ['"k_1"', 400, 'chunk_references must be an array'],
    ['{"chunk_references":null}', 400, 'chunk_references must be an array'],
    ['{"chunk_references":"k_1"}', 400, 'chunk_references must be an array'],
    ['{"chunk_references":{"0":"k_1","length":1}}', 400, 'chunk_references must be an array'],
    ['{"chunk_references":[]}', 400, 'chunk_references cannot be empty'],
    ['{"chunk_references":', 400, 'The body is not JSON: Unexpected end of JSON input.'],
  ])('refuses %s', async (body, status, error) => {
    const answer = await all.alice.post(BULK, body)
    expect([answer.status, answer.body]).toEqual([status, { error }])
  })

  it('has a tag', async () => {
    await all.alice.post('/api/chunks', { chunks: [{ id: 'k_tag', text: 'one' }] })
    const ask = (etag: string) => all.alice.post(BULK, { chunk_references: ['k_tag'] }, { 'If-None-Match': etag })
    const etag = (await ask('"none"')).headers.get('ETag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/)
    expect((await ask(etag)).status).toBe(304)
    await all.alice.post('/api/chunks', { chunks: [{ id: 'k_tag', text: 'two' }] })
    expect(await ask(etag)).toMatchObject({ status: 200, body: { chunks: { k_tag: { text: 'two' } } } })
  })

  it('never breaks, whatever is referred to', async () => {
    const any = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()), { minLength: 1 })
    await drawFirst(any)
    await fc.assert(
      fc.asyncProperty(any, async (references) => {
        const sent: unknown[] = JSON.parse(JSON.stringify(references))
        const { chunks, errors, summary } = Raw.parse((await all.bob.post(BULK, { chunk_references: sent })).body)
        const keys = new Set(sent.map(keyOf))
        expect([Object.keys(Object(chunks)), new Set(Object.keys(Object(errors)))]).toEqual([[], keys])
        expect(summary).toEqual({ total_requested: sent.length, successful: 0, failed: keys.size })
      }),
      { numRuns: 200 },
    )
  })
})

it('an answer holds as many chunks as it has room for, and says what to ask for again', async () => {
  const fit = ON_CLOUDFLARE ? 8 : 64
  const text = 'x'.repeat(990_000)
  const ids = Array.from({ length: fit + 6 }, (_, at) => `k_large_${10 + at}`)
  for (let at = 0; at < ids.length; at += 10) {
    const chunks = ids.slice(at, at + 10).map((id) => ({ id, text }))
    expect((await all.bob.post('/api/chunks', { chunks })).status).toBe(201)
  }
  const first = BulkChunks.parse((await all.bob.post(BULK, { chunk_references: [...ids, 'k_none'] })).body)
  expect(first.summary).toEqual({ total_requested: fit + 7, successful: fit, failed: 7 })
  const { k_none, ...full } = first.errors
  expect(k_none).toBe('Chunk not found')
  expect(new Set(Object.values(full))).toEqual(
    new Set([`The answer is full, at ${fit} MB of chunks: ask for this one in another request`]),
  )
  const second = BulkChunks.parse((await all.bob.post(BULK, { chunk_references: Object.keys(full) })).body)
  expect(new Set([...Object.keys(first.chunks), ...Object.keys(second.chunks)])).toEqual(new Set(ids))

  const page = ChunkPage.parse((await all.bob.get('/api/chunks?limit=1000')).body)
  expect(page.chunks).toHaveLength(fit)
  const rest = ChunkPage.parse((await all.bob.get(`/api/chunks?limit=1000&cursor=${page.next_cursor}`)).body)
  expect([rest.chunks.length, rest.next_cursor]).toEqual([6, null])
})

describe('one chunk, and all of them', () => {
  it('is answered by itself, with a tag', async () => {
    await all.alice.post('/api/chunks', { chunks: [{ id: 'e_one', text: 'call' }] })
    const { status, body, headers } = await all.alice.get('/api/chunks/e_one')
    expect([status, body]).toEqual([200, { id: 'e_one', text: 'call', source_type: 'earnings_call' }])
    expect((await all.alice.get('/api/chunks/e_one', { 'If-None-Match': headers.get('ETag') ?? '' })).status).toBe(304)
    const absent = await all.alice.get('/api/chunks/e_none')
    expect([absent.status, absent.body]).toEqual([404, { error: 'Chunk not found' }])
    const wrong = await all.alice.get('/api/chunks/x_1')
    expect([wrong.status, wrong.body]).toEqual([400, { error: 'Invalid chunk ID format' }])
  })

  it("is its owner's", async () => {
    await all.alice.post('/api/chunks', { chunks: [{ id: 'k_own', text: 'of alice' }] })
    expect((await all.bob.get('/api/chunks/k_own')).status).toBe(404)
    await all.bob.post('/api/chunks', { chunks: [{ id: 'k_own', text: 'of bob' }] })
    expect((await all.alice.get('/api/chunks/k_own')).body).toMatchObject({ text: 'of alice' })
  })

  it('is listed in pages', async () => {
    const ids = Array.from({ length: 250 }, (_, i) => `k_page_${String(i).padStart(3, '0')}`)
    await all.bob.post('/api/chunks', { chunks: ids.map((id) => ({ id, text: id })) })
    const seen: string[] = []
    for (let query: string | null = ''; query !== null; ) {
      const page: z.infer<typeof ChunkPage> = ChunkPage.parse((await all.bob.get(`/api/chunks${query}`)).body)
      seen.push(...page.chunks.map(({ id }) => id))
      query = page.next_cursor === null ? null : `?cursor=${page.next_cursor}`
    }
    // Others that this owner has come before and after them.
    expect(seen.filter((id) => id.startsWith('k_page_'))).toEqual(ids)
    expect(seen).toEqual([...new Set(seen)].sort())
  })

  it.each([
    [{}, 'chunks must be an array'],
    [{ chunks: [] }, 'chunks cannot be empty'],
    [{ chunks: [1] }, 'chunks[0] must be an object'],
    [{ chunks: [{ id: 'k_1' }] }, 'chunks[0].text must be a string'],
    [{ chunks: [{ id: 'k_1', text: null }] }, 'chunks[0].text must be a string'],
    [{ chunks: [{ id: 7, text: '' }] }, 'chunks[0].id must be 1 to 128 letters, digits or any of . _ : -'],
    [
      {
        chunks: [
          { id: 'k_1', text: '' },
          { id: 'z_1', text: '' },
        ],
      },
      'chunks[1].id: Invalid chunk ID format, it must begin with one of k_, e_, d_, __, k_long_; r_ is of chunks that this server makes by itself, of documents',
    ],
    [
      { chunks: [{ id: 'r_document_0', text: '' }] },
      'chunks[0].id: Invalid chunk ID format, it must begin with one of k_, e_, d_, __, k_long_; r_ is of chunks that this server makes by itself, of documents',
    ],
    [
      {
        chunks: [
          { id: 'k_1', text: '' },
          { id: 'k_1', text: '' },
        ],
      },
      'chunks[1].id: k_1 is given twice',
    ],
    [{ chunks: [{ id: 'k_1', text: 'x'.repeat(1_000_000) }] }, 'chunks[0] is larger than 1 MB'],
  ])('is not loaded from %#', async (body, error) => {
    const answer = await all.bob.post('/api/chunks', body)
    expect([answer.status, answer.body]).toEqual([400, { error }])
    expect((await all.bob.get('/api/chunks/k_1')).status).toBe(404)
  })

  it('has errors of this shape from the middleware too', async () => {
    const shapes = [
      await all.nobody.get('/api/chunks'),
      await all.bearer('x').post(BULK, {}),
      await all.alice.get('/api/chunks/a/b'),
    ]
    expect(shapes.map(({ status, body }) => [status, ErrorBody.safeParse(body).success])).toEqual([
      [401, true],
      [401, true],
      [404, true],
    ])
  })
})

describe('with CHUNKS_UPSTREAM_URL', () => {
  it('chunks come from there, and one that fails touches no other', async () => {
    const upstream = createServer((request, response) => {
      const id = request.url?.split('/').at(-1) ?? ''
      if (id === 'k_down') response.writeHead(500).end()
      else if (id === 'k_none') response.writeHead(404).end()
      else response.end(JSON.stringify({ id, text: `from afar: ${id}` }))
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const address = upstream.address()
    const port = typeof address === 'object' ? address?.port : 0
    try {
      await using server = await startServer({ env: { CHUNKS_UPSTREAM_URL: `http://127.0.0.1:${port}/c/{id}` } })
      const headers = { 'Content-Type': 'application/json' }
      const post = (path: string, body: unknown) =>
        server.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
      const answer = await post(BULK, { chunk_references: ['k_1', 'k_down', 'k_none', 'zz', 'e_2'] })
      expect(await answer.json()).toEqual({
        chunks: {
          k_1: { id: 'k_1', text: 'from afar: k_1', source_type: 'expert_interview' },
          e_2: { id: 'e_2', text: 'from afar: e_2', source_type: 'earnings_call' },
        },
        errors: { k_down: 'The chunk service answered 500', k_none: 'Chunk not found', zz: 'Invalid chunk ID format' },
        summary: { total_requested: 5, successful: 2, failed: 3 },
      })
      expect(await (await server.fetch('/api/chunks/k_1')).json()).toMatchObject({ text: 'from afar: k_1' })
      expect((await server.fetch('/api/chunks/k_down')).status).toBe(503)
      expect((await post('/api/chunks', { chunks: [{ id: 'k_1', text: '' }] })).status).toBe(405)
      expect((await server.fetch('/api/chunks')).status).toBe(405)
    } finally {
      upstream.closeAllConnections()
      upstream.close()
    }
  })
})

// On Cloudflare every request is: see test/live/durable-objects.cloudflare.test.ts.
it.skipIf(ON_CLOUDFLARE).each([
  [{ CHUNK_PREFIXES: 'd_' }, 'CHUNK_PREFIXES=d_ is not understood: it should be a list such as d_=sebi_chunk.'],
  [
    { CHUNKS_UPSTREAM_URL: 'ftp://x' },
    'CHUNKS_UPSTREAM_URL=ftp://x is not understood: it should be an address such as https://chunks.example.com/{id}.',
  ],
  [{ JWT_SECRET: 'short' }, 'JWT_SECRET=… is not understood: it should be at least 32 characters.'],
])('a start with %j is refused', async (env, sentence) => {
  const { code, output } = await runEntry([], env)
  expect([code, output.trim()]).toEqual([1, sentence])
})
