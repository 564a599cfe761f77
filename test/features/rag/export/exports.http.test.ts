/** Exports of a job and of a collection, in every format, whole and compressed, by what they take. */
import { gunzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { startServer, type TestServer } from '../../../support/server.ts'
import { followSocket } from '../../../support/socket-client.ts'
import { KEY, startEmbeddingService } from '../embed/embedding-service.ts'

const API = '/api/public/bulk'
const TEXTS = ['The ferry leaves at noon.', 'A berth costs nine crowns.', 'POISON is not embedded.']

let service: Awaited<ReturnType<typeof startEmbeddingService>>
let server: TestServer
let documents: Record<string, string>
beforeAll(async () => {
  service = await startEmbeddingService({ dimensions: 16 })
  const env = {
    EMBED_BASE_URL: service.openAiUrl,
    EMBED_API_KEY: KEY,
    EMBED_MODEL: 'words',
    RATE_LIMITS: 'rag.export=none',
  }
  server = await startServer({ env })
  await process('first', ['ferry'])
  await process('second', ['berth', 'mixed'])
  const listed = await (await server.fetch(`${API}/documents?collection=harbour`)).json()
  const Listed = z.object({ documents: z.array(z.object({ id: z.string(), title: z.string() })) })
  documents = Object.fromEntries(Listed.parse(listed).documents.map(({ id, title }) => [title, id]))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  service[Symbol.dispose]()
})

async function post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { 'Content-Type': 'application/json' }
  const response = await server.fetch(`${API}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

/** The text of a document: of `mixed`, one that the model takes, and one that it does not. */
const textOf = (id: string) =>
  ({ ferry: TEXTS[0], berth: TEXTS[1], mixed: `${`${TEXTS[1]} `.repeat(80)}\n\n${`${TEXTS[2]} `.repeat(80)}` })[id]

async function process(job_id: string, ids: readonly string[]): Promise<void> {
  const begun = await post('/process', {
    job_id,
    platform: 'documents',
    input_method: 'upload',
    selected_content: [],
    uploaded_documents: ids.map((id) => ({ id, text: textOf(id) })),
    embedding_model: { id: 'openai' },
    vector_db: { id: 'builtin' },
    settings: { chunkSize: 512, chunkOverlap: 0 },
    collection: 'harbour',
  })
  const follower = followSocket(z.string().parse(begun.body.websocket_url))
  await follower.closed
  expect(follower.messages.at(-1)).toMatchObject({ type: 'completed', result: { failed_items: 0 } })
}

let exports = 0
/** Exports, waits, and downloads. */
async function exported(request: object): Promise<{ filename: string; bytes: Uint8Array<ArrayBuffer> }> {
  const export_id = `export-${++exports}`
  expect(await post('/export', { export_id, ...request })).toMatchObject({ status: 200 })
  const status = async () => (await server.fetch(`${API}/export/${export_id}/status`)).json()
  await expect.poll(async () => (await status()).status).toMatch(/completed|failed/)
  const ended = await status()
  expect(ended).toMatchObject({ status: 'completed' })
  return { filename: ended.filename, bytes: await (await server.fetch(`${API}/download/${export_id}`)).bytes() }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const Records = z.array(z.object({ values: z.array(z.number()), metadata: z.object({ document_id: z.string() }) }))

describe('An export', () => {
  it('takes the documents of a job, of a collection, or those that are named', async () => {
    const titles = async (request: object) => {
      const records = Records.parse(JSON.parse(text((await exported({ format: 'json', ...request })).bytes)))
      const byId = new Map(Object.entries(documents).map(([title, id]) => [id, title]))
      return new Set(records.map(({ metadata }) => byId.get(metadata.document_id)))
    }
    expect(await titles({ job_id: 'first' })).toEqual(new Set(['ferry']))
    expect(await titles({ collection: 'harbour' })).toEqual(new Set(['ferry', 'berth', 'mixed']))
    expect(await titles({ collection: 'harbour', documents: [documents.berth] })).toEqual(new Set(['berth']))
    expect(await titles({ job_id: 'second', collection: 'harbour', documents: [documents.mixed] })).toEqual(
      new Set(['mixed']),
    )
  })

  it('as Parquet has a row a chunk, and null for the vector of one that the model refused', async () => {
    const { filename, bytes } = await exported({ collection: 'harbour', format: 'parquet' })
    expect(filename).toMatch(/^bulk-embeddings-\d{8}\.parquet$/)
    const rows = await parquetReadObjects({ file: bytes.buffer })
    const json = Records.parse(JSON.parse(text((await exported({ collection: 'harbour', format: 'json' })).bytes)))
    expect(rows.map(({ values }) => values ?? [])).toEqual(json.map(({ values }) => values))
    const refused = rows.filter(({ values }) => values === undefined)
    expect(refused.length).toBeGreaterThan(0)
    for (const row of refused) expect(row.text).toContain('POISON')
  })

  it('for a database has the chunks with a vector, compressed where that is asked for', async () => {
    const plain = await exported({ collection: 'harbour', format: 'vector', target: 'qdrant' })
    const packed = await exported({ collection: 'harbour', format: 'vector', target: 'qdrant', gzip: true })
    expect([plain.filename, packed.filename]).toEqual([
      expect.stringMatching(/\.jsonl$/),
      expect.stringMatching(/\.jsonl\.gz$/),
    ])
    expect(text(gunzipSync(packed.bytes))).toBe(text(plain.bytes))
    const points = text(plain.bytes).trimEnd().split('\n')
    expect(points.length).toBeGreaterThan(2)
    expect(text(plain.bytes)).not.toContain('POISON')
    const copy = await exported({ job_id: 'first', format: 'vector', target: 'pgvector' })
    expect([copy.filename, text(copy.bytes)]).toEqual([
      expect.stringMatching(/\.copy$/),
      expect.stringContaining('\t['),
    ])
  })

  it.each([
    ['job_id', { format: 'json' }, 400, /Required, unless collection/],
    ['format', { job_id: 'first', format: 'xml' }, 400, /json, csv, parquet, vector/],
    ['target', { job_id: 'first', format: 'vector', target: 'oracle' }, 400, /pinecone, pgvector/],
    [undefined, { collection: 'none', format: 'json' }, 404, /no collection/],
  ])('that is wrong at %s is refused: %j', async (field, request, status, message) => {
    const refused = await post('/export', { export_id: 'wrong', ...request })
    expect([refused.status, refused.body.message]).toEqual([status, expect.stringMatching(message)])
    if (field !== undefined) expect(refused.body.details).toMatchObject({ field })
  })
})
