/**
 * Serves the embeddings APIs of OpenAI, Jina and Gemini in place of the paid services: the documented requests in, vectors or documented errors
 * out. A text that holds POISON is refused; a request of too many texts, without a key or with fields that its API does not have too.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'

export const KEY = 'sk-of-the-operator'

const OpenAiBody = z.strictObject({
  model: z.string(),
  input: z.array(z.string()).min(1),
  encoding_format: z.literal('float'),
  dimensions: z.int().optional(),
})
const JinaBody = z.strictObject({
  model: z.literal('jina-embeddings-v4'),
  task: z.enum(['retrieval.passage', 'retrieval.query', 'text-matching', 'code.passage', 'code.query']),
  dimensions: z.int().min(128).max(2_048),
  late_chunking: z.boolean(),
  truncate: z.boolean(),
  return_multivector: z.literal(false),
  embedding_type: z.literal('float'),
  input: z.array(z.strictObject({ text: z.string() })).min(1),
})
const GEMINI = 'models/gemini-embedding-001'
const GeminiBody = z.strictObject({
  requests: z
    .array(
      z.strictObject({
        model: z.literal(GEMINI),
        content: z.strictObject({ parts: z.tuple([z.strictObject({ text: z.string() })]) }),
        taskType: z.enum(['RETRIEVAL_DOCUMENT', 'RETRIEVAL_QUERY']),
        outputDimensionality: z.int().min(128).max(3_072),
      }),
    )
    .min(1),
})

/** An accepted request, of any API. */
export interface EmbeddingRequest {
  readonly api: 'openai' | 'jina' | 'gemini'
  readonly texts: readonly string[]
  readonly dimensions: number
  readonly body: unknown
}

/** Faults in place of an answer: a status with headers, text that is no JSON, vectors that are too short, or a cut connection. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  | 'garbled'
  | 'short'
  | 'cut'

/** A vector of hashed words, deliberately not of length 1. */
export function vectorOf(text: string, dimensions: number): number[] {
  const vector = new Array<number>(dimensions).fill(0)
  for (const word of text.toLowerCase().match(/\p{L}+|\d+/gu) ?? []) {
    let hash = 7
    for (const character of word) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
    vector[hash % dimensions] = (vector[hash % dimensions] ?? 0) + 3
  }
  return vector
}

/**
 * Starts the service on a free port.
 * @param maxTexts texts of a request that it takes
 * @param dimensions of the model behind OpenAI's API
 * @param fault asked for each well-formed request, with its number from 1; null to answer it
 */
export async function startEmbeddingService({
  maxTexts = 100,
  dimensions = 64,
  fault = () => null,
}: {
  maxTexts?: number
  dimensions?: number
  fault?: (request: EmbeddingRequest, number: number) => Fault | null
} = {}) {
  const answered: EmbeddingRequest[] = []
  let calls = 0
  const server = createServer(async (request, response) => {
    const read = await readRequest(request, dimensions)
    if ('status' in read) return refuse(response, read.status, read.message)
    const wrong = fault(read, ++calls)
    if (wrong === 'cut') return response.destroy()
    if (wrong === 'garbled') return response.writeHead(200).end('<html>')
    if (wrong !== null && wrong !== 'short') {
      return response
        .writeHead(wrong.status, wrong.headers)
        .end(JSON.stringify(wrong.body ?? { error: { message: 'fault' } }))
    }
    if (read.texts.length > maxTexts) return refuse(response, 413, `at most ${maxTexts} texts`)
    if (read.texts.some((text) => text.includes('POISON'))) return refuse(response, 400, 'a text is not acceptable')
    if (wrong === null) answered.push(read)
    const vectors = read.texts.map((text) => vectorOf(text, wrong === 'short' ? 3 : read.dimensions))
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answerOf(read.api, vectors)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  return {
    openAiUrl: `${origin}/v1`,
    jinaUrl: `${origin}/jina/v1`,
    geminiUrl: `${origin}/v1beta`,
    /** Requests that were answered with vectors. */
    answered,
    /** Number of well-formed requests. */
    calls: () => calls,
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function refuse(response: ServerResponse, status: number, message: string) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: { message } }))
}

function answerOf(api: EmbeddingRequest['api'], vectors: readonly (readonly number[])[]): unknown {
  if (api === 'gemini') return { embeddings: vectors.map((values) => ({ values })) }
  const data = vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }))
  // Of another order than the request: the index says which is which.
  return { object: 'list', model: 'm', data: data.reverse(), usage: { total_tokens: 1, prompt_tokens: 1 } }
}

async function readRequest(
  request: IncomingMessage,
  own: number,
): Promise<EmbeddingRequest | { status: number; message: string }> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const body: unknown = JSON.parse(Buffer.concat(parts).toString())
  const { headers, url } = request
  const isGemini = url === `/v1beta/${GEMINI}:batchEmbedContents`
  if ((isGemini ? headers['x-goog-api-key'] : headers.authorization) !== (isGemini ? KEY : `Bearer ${KEY}`)) {
    return { status: 401, message: `Incorrect API key provided: ${KEY}` }
  }
  if (isGemini) {
    const { data, error } = GeminiBody.safeParse(body)
    if (data === undefined) return { status: 400, message: String(error) }
    const texts = data.requests.map(({ content }) => content.parts[0].text)
    return { api: 'gemini', texts, dimensions: data.requests[0]?.outputDimensionality ?? 0, body }
  }
  if (url === '/jina/v1/embeddings') {
    const { data, error } = JinaBody.safeParse(body)
    if (data === undefined) return { status: 422, message: String(error) }
    return { api: 'jina', texts: data.input.map(({ text }) => text), dimensions: data.dimensions, body }
  }
  if (url === '/v1/embeddings') {
    const { data, error } = OpenAiBody.safeParse(body)
    if (data === undefined) return { status: 400, message: String(error) }
    return { api: 'openai', texts: data.input, dimensions: data.dimensions ?? own, body }
  }
  return { status: 404, message: 'no such path' }
}
