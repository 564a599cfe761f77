/**
 * Models of servers with OpenAI's API, `POST {base}/embeddings` (https://platform.openai.com/docs/api-reference/embeddings): OpenAI, Ollama,
 * llama.cpp, text-embeddings-inference, LM Studio and others.
 */
import * as z from 'zod'
import type { OpenAiService } from '../../../../vector-settings.ts'
import type { ChosenModel } from '../chosen-model.ts'
import type { HttpService } from './driver.ts'

const Answer = z.object({ data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()) })) })

/** OpenAI takes 2,048 texts of 300,000 tokens together; other servers less, which is learned from their 413. */
const LIMITS = { texts: 128, tokens: 100_000 }

export function openAiService(service: OpenAiService, chosen: ChosenModel): HttpService {
  const { baseUrl, apiKey, model } = service
  return {
    service: 'The embedding service',
    variables: { key: 'EMBED_API_KEY', address: 'EMBED_BASE_URL, EMBED_MODEL' },
    limits: LIMITS,
    dimensions: chosen.dimensions,
    secret: apiKey,
    request: (texts) => ({
      url: `${baseUrl}/embeddings`,
      headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
      body: {
        model,
        input: texts,
        encoding_format: 'float',
        ...(chosen.isReduced ? { dimensions: chosen.dimensions } : {}),
      },
    }),
    vectors: (answer) => byIndex(Answer.safeParse(answer).data?.data ?? null),
  }
}

/** Orders vectors by their index; null where one is missing or comes twice. */
export function byIndex(
  data: readonly { readonly index: number; readonly embedding: readonly number[] }[] | null,
): readonly (readonly number[])[] | null {
  if (data === null) return null
  const ordered = [...data].sort((a, b) => a.index - b.index)
  return ordered.every(({ index }, at) => index === at) ? ordered.map(({ embedding }) => embedding) : null
}
