/** Documents processed and found by hosted models, on services that ask for pauses and refuse texts; and what a server without them answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { startServer, type TestServer } from '../../../support/server.ts'
import { followSocket } from '../../../support/socket-client.ts'
import { KEY, startEmbeddingService } from './embedding-service.ts'

const API = '/api/public/bulk'

let service: Awaited<ReturnType<typeof startEmbeddingService>>
let server: TestServer
beforeAll(async () => {
  service = await startEmbeddingService({
    fault: (_, number) => (number % 3 === 0 ? { status: 429, headers: { 'Retry-After': '0' } } : null),
  })
  server = await startServer({
    env: {
      EMBED_BASE_URL: service.openAiUrl,
      EMBED_API_KEY: KEY,
      EMBED_MODEL: 'words',
      JINA_BASE_URL: service.jinaUrl,
      JINA_API_KEY: KEY,
      GEMINI_BASE_URL: service.geminiUrl,
      GEMINI_API_KEY: KEY,
      EMBED_PRICES: 'openai=1000, jina-v4=0.05',
      RATE_LIMITS: 'rag.process=none,rag.export=none',
    },
  })
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

const HARBOUR = 'The harbour master collects nine crowns for each berth at the western pier. '
const KITCHEN = 'In the kitchen a kettle is descaled with vinegar twice in a year. '

const requestOf = (job_id: string, embedding_model: object, more: object = {}) => ({
  job_id,
  platform: 'documents',
  input_method: 'upload',
  selected_content: [],
  uploaded_documents: [
    { id: 'harbour', text: HARBOUR.repeat(40) },
    { id: 'kitchen', text: KITCHEN.repeat(40) },
  ],
  embedding_model,
  vector_db: { id: 'builtin' },
  settings: { chunkSize: 512, chunkOverlap: 0 },
  collection: job_id,
  ...more,
})

/** Begins a job and follows it to its last message. */
async function process(request: ReturnType<typeof requestOf>) {
  const begun = await post('/process', request)
  expect(begun).toMatchObject({ status: 200 })
  const follower = followSocket(z.string().parse(begun.body.websocket_url))
  await follower.closed
  return { answer: begun.body, last: follower.messages.at(-1) ?? {} }
}

const MODELS: readonly [string, object, number | null, number][] = [
  ['openai', { id: 'words' }, null, 64],
  ['gemini', { id: 'gemini-embedding-001', dimensions: 256 }, 256, 256],
  ['jina', { id: 'jina-v4', dimensions: 128, jina_v4_dimensions: 128 }, 128, 128],
]

describe.each(MODELS)('%s', (name, model, known, dimensions) => {
  it('embeds documents a chunk each, and the questions to them', async () => {
    const { answer, last } = await process(requestOf(name, model))
    expect(answer.embedding_model).toMatchObject({ dimensions: known })
    expect(last).toMatchObject({ type: 'completed', result: { completed_items: 2 } })
    for (const mode of ['vector', 'hybrid']) {
      const found = await post('/search', { query: 'crowns for a berth', collection: name, mode, top_k: 1 })
      expect(found.body).toMatchObject({ results: [{ source: { title: 'harbour' } }] })
    }
    const texts = service.answered.filter(({ api }) => api === name).flatMap((request) => request.texts)
    const ofDocuments = texts.filter((text) => text.length > 100)
    expect(new Set(ofDocuments).size).toBe(ofDocuments.length)
    expect(await exported(name)).toEqual(new Set([dimensions]))
  })

  it('is the only model of its collection', async () => {
    const refused = await post('/process', requestOf(`${name}-again`, { id: 'local' }, { collection: name }))
    expect(refused).toMatchObject({
      status: 400,
      body: { details: { field: 'collection', issue: expect.stringContaining('not of "local"') } },
    })
  })
})

/** Exports a job. @returns the dimensions of its vectors */
async function exported(job_id: string): Promise<Set<number>> {
  await post('/export', { job_id, format: 'json', export_id: `${job_id}-export` })
  await expect
    .poll(async () => (await (await server.fetch(`${API}/export/${job_id}-export/status`)).json()).status)
    .toBe('completed')
  const file = await (await server.fetch(`${API}/download/${job_id}-export`)).json()
  const records = z.array(z.object({ values: z.array(z.number()) })).parse(file)
  expect(records.length).toBeGreaterThan(1)
  return new Set(records.map(({ values }) => values.length))
}

describe('A text that the model refuses', () => {
  it('is named in a warning and found by its words, and the others by their meaning', async () => {
    const text = `${'POISON is refused by this service. '.repeat(60)}\n\n${HARBOUR.repeat(60)}`
    const { last } = await process(
      requestOf('poisoned', { id: 'openai' }, { uploaded_documents: [{ id: 'mixed', text }] }),
    )
    expect(last).toMatchObject({ type: 'completed', result: { completed_items: 1 } })
    const batch = await (await server.fetch('/api/batch/poisoned/results')).json()
    expect(JSON.stringify(batch)).toContain('The model refused the text of chunk 0')
    const byWord = await post('/search', { query: 'poison refused', collection: 'poisoned', mode: 'text' })
    expect(JSON.stringify(byWord.body)).toContain('POISON')
    const byMeaning = await post('/search', { query: 'harbour berth crowns', collection: 'poisoned', mode: 'vector' })
    expect(JSON.stringify(byMeaning.body)).toContain('nine crowns')
  })
})

describe('A dry run', () => {
  it('answers items, tokens, requests, cost and time, and begins nothing', async () => {
    const calls = service.calls()
    const asked = await post('/process?dry_run=true', requestOf('dry', { id: 'openai' }))
    const tokens = Math.ceil((HARBOUR.length * 40) / 4) + Math.ceil((KITCHEN.length * 40) / 4)
    expect(asked).toMatchObject({
      status: 200,
      body: { dry_run: true, items: 2, tokens, calls: 2, cost: tokens / 1_000, estimated_time: expect.any(String) },
    })
    expect(service.calls()).toBe(calls)
    expect((await server.fetch(`${API}/job/dry/status`)).status).toBe(404)
    const local = await post('/process?dry_run=true', requestOf('dry', { id: 'local' }))
    expect(local.body).toMatchObject({ calls: 0, cost: 0 })
    const unpriced = await post('/process?dry_run=true', requestOf('dry', { id: 'gemini-exp' }))
    expect(unpriced.body).toMatchObject({ calls: 2, cost: null })
  })
})

describe('A bound on the cost', () => {
  it('cancels what is left of a job that exceeds it', async () => {
    const uploaded_documents = Array.from({ length: 12 }, (_, at) => ({ id: `dear-${at}`, text: `${HARBOUR} ${at}.` }))
    const { last } = await process(requestOf('dear', { id: 'openai' }, { uploaded_documents, max_cost: 0.001 }))
    expect(last).toMatchObject({ type: 'error', status: 'cancelled' })
    const texts = new Set(service.answered.flatMap((request) => request.texts).filter((text) => /\d\.$/.test(text)))
    expect(texts.size).toBeGreaterThan(0)
    expect(texts.size).toBeLessThan(12)
  })

  it('is refused where the operator named no price', async () => {
    const refused = await post('/process', requestOf('unpriced', { id: 'gemini-exp' }, { max_cost: 1 }))
    expect(refused).toMatchObject({
      status: 400,
      body: { details: { field: 'max_cost', issue: expect.stringContaining('EMBED_PRICES') } },
    })
  })
})

describe('A request', () => {
  it.each([
    ['embedding_model.id', { id: 'workers-ai' }, {}, /Cloudflare alone.*local, jina-v4, gemini-exp, openai/],
    ['embedding_model.id', { id: 'none' }, {}, /no model "none".*local, jina-v4/],
    [
      'embedding_model.jina_v4_multi_vector',
      { id: 'jina-v4', jina_v4_multi_vector: true },
      {},
      /one vector of a chunk/,
    ],
    ['embedding_model.jina_v4_task', { id: 'jina-v4', jina_v4_task: 'poetry' }, {}, /retrieval\.passage/],
    ['embedding_model.jina_v4_dimensions', { id: 'jina-v4', dimensions: 256, jina_v4_dimensions: 128 }, {}, /256/],
    ['embedding_model.dimensions', { id: 'jina-v4', dimensions: 4_096 }, {}, /between 128 and 2048/],
    ['embedding_model.dimensions', { id: 'gemini-exp', dimensions: 4_096 }, {}, /between 128 and 3072/],
    ['settings.chunkSize', { id: 'gemini-exp' }, { settings: { chunkSize: 3_000 } }, /at most 2048/],
    ['settings.chunkSize', { id: 'openai', max_tokens: 600 }, { settings: { chunkSize: 1_000 } }, /at most 600/],
  ])('is refused at %s: %j', async (field, model, more, issue) => {
    const refused = await post('/process', requestOf('refused', model, more))
    expect(refused).toMatchObject({ status: 400, body: { details: { field, issue: expect.stringMatching(issue) } } })
  })
})
