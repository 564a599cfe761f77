/** Hosted models against services that speak their wire format, with limits and failures: one suite for all. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFsBlobStore } from '../../../../src/drivers/blob-fs.ts'
import { createNodeFetcher } from '../../../../src/drivers/fetch-node.ts'
import type { ChosenModel } from '../../../../src/features/rag/embed/chosen-model.ts'
import type { HostedDriver } from '../../../../src/features/rag/embed/hosted/driver.ts'
import { embedTexts } from '../../../../src/features/rag/embed/hosted/embed-texts.ts'
import { openDriver } from '../../../../src/features/rag/embed/hosted/open-driver.ts'
import { Pacer, Paused } from '../../../../src/features/rag/embed/hosted/pacer.ts'
import {
  type EmbeddedTexts,
  embedTexts as embedDocument,
  isContinued,
  type KeptVectors,
} from '../../../../src/features/rag/operations/embed-texts.ts'
import type { VectorServices } from '../../../../src/ports.ts'
import { noCompute } from '../search/fixture.ts'
import { type Fault, KEY, startEmbeddingService, vectorOf } from './embedding-service.ts'

const BARE = { isReduced: false, maxTokens: 8_192, jina: null }
const MODELS: readonly (ChosenModel & { dimensions: number })[] = [
  { ...BARE, id: 'openai', name: 'openai:words', dimensions: 64 },
  { ...BARE, id: 'gemini-exp', name: 'gemini-embedding-001', dimensions: 128, isReduced: true },
  {
    ...BARE,
    id: 'jina-v4',
    name: 'jina-v4',
    dimensions: 128,
    isReduced: true,
    jina: { task: 'retrieval.passage', taskBySide: true, lateChunking: true, truncate: true },
  },
  { ...BARE, id: 'workers-ai', name: '@cf/baai/bge-m3', dimensions: 64 },
]

type Service = Awaited<ReturnType<typeof startEmbeddingService>>

const fetcher = createNodeFetcher({ allowPrivate: true })

function servicesOf(service: Service, key = KEY): VectorServices {
  return {
    settings: {
      openai: { baseUrl: service.openAiUrl, apiKey: key, model: 'words', dimensions: null },
      jina: { baseUrl: service.jinaUrl, apiKey: key },
      gemini: { baseUrl: service.geminiUrl, apiKey: key },
      prices: {},
    },
    fetcher,
    ai: { run: (_, { text }) => runBinding(service.openAiUrl, key, text) },
  }
}

/** Errors of the binding for the answers of its service. */
const BINDING_ERRORS: Readonly<Record<number, string>> = { 400: '5006: ', 401: '5018: ', 413: '3006: ', 429: '3040: ' }

/** The binding of Workers AI, over the same service: errors are thrown, with their code at the beginning. */
async function runBinding(url: string, key: string, input: unknown): Promise<unknown> {
  const response = await fetch(`${url}/embeddings`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'm', input, encoding_format: 'float' }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${BINDING_ERRORS[response.status] ?? ''}${text.replaceAll(key, '')}`)
  const { data }: { data: { index: number; embedding: number[] }[] } = JSON.parse(text)
  return { shape: [data.length], data: data.sort((a, b) => a.index - b.index).map(({ embedding }) => embedding) }
}

const textsOf = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ text: `passage number ${at} of the book`, tokens: 8 }))

interface Result {
  readonly vectors: (Float32Array | null)[]
  readonly refusals: string[]
}

async function embedAll(driver: HostedDriver, texts = textsOf(10), pacer = new Pacer(Date)): Promise<Result> {
  const vectors: (Float32Array | null)[] = []
  const refusals: string[] = []
  for await (const part of embedTexts(texts, 'passage', { driver, pacer, owner: 'ann' })) {
    vectors.push(...part.vectors)
    if (part.refusal !== null) refusals.push(part.refusal)
  }
  return { vectors, refusals }
}

function unit(text: string, dimensions: number): Float32Array {
  const row = vectorOf(text, dimensions)
  const length = Math.hypot(...row)
  return Float32Array.from(row, (value) => value / length)
}

/** Fails the first requests in a way, and answers those after them. */
const first = (count: number, fault: Fault) => (_: unknown, number: number) => (number <= count ? fault : null)

describe.each(MODELS)('$id', (model) => {
  it('gives each text its vector of length 1, in order', async () => {
    using service = await startEmbeddingService()
    const texts = textsOf(250)
    const { vectors } = await embedAll(openDriver(model, servicesOf(service)), texts)
    expect(vectors).toHaveLength(250)
    for (const [at, { text }] of texts.entries()) {
      const expected = unit(text, model.dimensions)
      for (const [index, value] of vectors[at]?.entries() ?? []) expect(value).toBeCloseTo(expected[index] ?? 9, 5)
    }
    expect(service.answered.flatMap((request) => request.texts)).toEqual(texts.map(({ text }) => text))
  })

  it('leaves out a poisoned text alone, and embeds no other twice', async () => {
    using service = await startEmbeddingService()
    const texts = textsOf(60).map((one, at) => (at === 37 ? { ...one, text: 'POISON' } : one))
    const { vectors, refusals } = await embedAll(openDriver(model, servicesOf(service)), texts)
    expect(vectors.flatMap((vector, at) => (vector === null ? [at] : []))).toEqual([37])
    expect(refusals).toEqual([expect.stringContaining('not acceptable')])
    const embedded = service.answered.flatMap((request) => request.texts)
    expect(embedded).toEqual(texts.filter((_, at) => at !== 37).map(({ text }) => text))
  })

  it('sends fewer texts where the service finds them too many', async () => {
    using service = await startEmbeddingService({ maxTexts: 7 })
    const { vectors } = await embedAll(openDriver(model, servicesOf(service)), textsOf(100))
    expect(vectors.filter((vector) => vector !== null)).toHaveLength(100)
    expect(service.answered.flatMap((request) => request.texts)).toHaveLength(100)
    // The size is learned once: a few refusals, then requests that fit.
    expect(service.calls() - service.answered.length).toBeLessThan(8)
  })

  it.each<[string, Fault]>([
    ['429', { status: 429, headers: { 'Retry-After': '0' } }],
    ['429 without a time', { status: 429 }],
    ['500', { status: 500 }],
    ['a cut connection', 'cut'],
    ['text that is no JSON', 'garbled'],
  ])('tries again after %s', async (_, fault) => {
    using service = await startEmbeddingService({ fault: first(2, fault) })
    const { vectors } = await embedAll(openDriver(model, servicesOf(service)))
    expect(vectors.filter((vector) => vector !== null)).toHaveLength(10)
    expect([service.calls(), service.answered.length]).toEqual([3, 1])
  })

  it('fails, to be retried, where the service stays broken', async () => {
    using service = await startEmbeddingService({ fault: () => ({ status: 500 }) })
    const failed = embedAll(openDriver(model, servicesOf(service)))
    await expect(failed).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: true })
  })

  it('fails for good on vectors of other dimensions', async () => {
    using service = await startEmbeddingService({ fault: first(1, 'short') })
    const failed = embedAll(openDriver(model, servicesOf(service)))
    await expect(failed).rejects.toMatchObject({ transient: false, message: expect.stringContaining('3 numbers') })
    expect(service.calls()).toBe(1)
  })

  it('fails for good where the key is refused, without repeating it', async () => {
    using service = await startEmbeddingService()
    const failed = await embedAll(openDriver(model, servicesOf(service, 'wrong-key'))).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: false })
    expect(String(failed)).not.toContain('wrong-key')
  })

  it('fails for good where every text is refused', async () => {
    using service = await startEmbeddingService()
    const texts = textsOf(64).map((one) => ({ ...one, text: `POISON ${one.text}` }))
    const failed = embedAll(openDriver(model, servicesOf(service)), texts)
    await expect(failed).rejects.toMatchObject({
      transient: false,
      message: expect.stringContaining('refuses the texts'),
    })
    expect(service.calls()).toBeLessThan(16)
  })
})

describe.each(MODELS.filter(({ id }) => id !== 'workers-ai'))('A pause that $id asks for', (model) => {
  const HOUR = { status: 429, headers: { 'Retry-After': '3600' } }

  it('that is long ends the run until then, for all requests of the owner and no other', async () => {
    using service = await startEmbeddingService({ fault: first(1, HOUR) })
    const pacer = new Pacer(Date)
    const driver = openDriver(model, servicesOf(service))
    const before = Date.now()
    const paused = await embedAll(driver, textsOf(3), pacer).catch((error: unknown) => error)
    expect(paused).toBeInstanceOf(Paused)
    expect(paused instanceof Paused ? paused.until - before : 0).toBeGreaterThanOrEqual(3_600_000)
    await expect(embedAll(driver, textsOf(3), pacer)).rejects.toBeInstanceOf(Paused)
    expect(service.calls()).toBe(1)
    const other = embedTexts(textsOf(3), 'passage', { driver, pacer, owner: 'bob' })
    expect((await other.next()).value?.vectors).toHaveLength(3)
  })
})

describe('A model that answers 429 to every third request', () => {
  it('embeds each of 10,000 texts once, though the work is interrupted again and again', async () => {
    const third = (_: unknown, number: number): Fault | null =>
      number % 3 === 0 ? { status: 429, headers: { 'Retry-After': '0' } } : null
    using service = await startEmbeddingService({ fault: third })
    const [model] = MODELS
    if (model === undefined) throw new Error('There is no such model.')
    const folder = await mkdtemp(join(tmpdir(), 'millrace-vectors-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const ctx = {
      blobs: createFsBlobStore(folder),
      signal: new AbortController().signal,
      compute: noCompute,
      vectors: servicesOf(service),
    }
    const texts = textsOf(10_000)
    let kept: KeptVectors = { vectors: [], embedded: 0, warnings: [] }
    let runs = 0
    let done: EmbeddedTexts | null = null
    for (let parts = 0; done === null; runs++) {
      const found = await embedDocument({ owner: 'ann' }, ctx, {
        model,
        texts,
        kept,
        keep: async (now) => {
          kept = now
        },
        progress: () => {},
        // Each run ends after seven requests.
        isOverdue: () => ++parts % 7 === 0,
      })
      if (!isContinued(found)) done = found
    }
    expect(runs).toBeGreaterThan(10)
    expect(done.vectors).toHaveLength(10_000)
    expect(done.vectors[9_999]).toEqual(unit('passage number 9999 of the book', model.dimensions))
    expect(service.answered.flatMap((request) => request.texts)).toEqual(texts.map(({ text }) => text))
    expect(service.calls()).toBeGreaterThan(service.answered.length * 1.4)
  })
})

describe('Gemini', () => {
  it('may name its pause in the body', async () => {
    const retry = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3600s' }
    const body = { error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED', details: [retry] } }
    using service = await startEmbeddingService({ fault: first(1, { status: 429, body }) })
    const [, gemini] = MODELS
    if (gemini === undefined) throw new Error('There is no such model.')
    await expect(embedAll(openDriver(gemini, servicesOf(service)))).rejects.toBeInstanceOf(Paused)
  })
})

describe('jina-v4', () => {
  const jina = MODELS.find(({ id }) => id === 'jina-v4')
  if (jina === undefined) throw new Error('There is no such model.')

  it('reads a document as one, in requests within its context', async () => {
    using service = await startEmbeddingService()
    const texts = textsOf(20).map((one) => ({ ...one, tokens: 1_000 }))
    await embedAll(openDriver(jina, servicesOf(service)), texts)
    expect(service.answered.map((request) => request.texts.length)).toEqual([6, 6, 6, 2])
    expect(service.answered[0]?.body).toMatchObject({ late_chunking: true, task: 'retrieval.passage', dimensions: 128 })
  })

  it.each([
    [true, 'retrieval.query'],
    [false, 'retrieval.passage'],
  ])('asks a question by the task of its side (%s)', async (taskBySide, task) => {
    using service = await startEmbeddingService()
    const chosen: ChosenModel = { ...jina, jina: jina.jina && { ...jina.jina, taskBySide } }
    const driver = openDriver(chosen, servicesOf(service))
    const asked = embedTexts([{ text: 'When?', tokens: 1 }], 'question', {
      driver,
      pacer: new Pacer(Date),
      owner: 'ann',
    })
    expect((await asked.next()).value?.vectors).toHaveLength(1)
    expect(service.answered[0]?.body).toMatchObject({ late_chunking: false, task })
  })
})
