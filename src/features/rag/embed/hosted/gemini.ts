/** gemini-embedding-001, `models/…:batchEmbedContents` (https://ai.google.dev/api/embeddings). */
import * as z from 'zod'
import type { HostedService } from '../../../../vector-settings.ts'
import type { ChosenModel } from '../chosen-model.ts'
import type { HttpService } from './driver.ts'

const MODEL = 'models/gemini-embedding-001'
const Answer = z.object({ embeddings: z.array(z.object({ values: z.array(z.number()) })) })

/** The API takes 100 texts a request. */
const LIMITS = { texts: 100, tokens: 100 * 2_048 }

export function geminiService({ baseUrl, apiKey }: HostedService, chosen: ChosenModel): HttpService {
  return {
    service: 'Gemini',
    variables: { key: 'GEMINI_API_KEY', address: 'GEMINI_BASE_URL' },
    limits: LIMITS,
    dimensions: chosen.dimensions,
    secret: apiKey,
    request: (texts, side) => ({
      url: `${baseUrl}/${MODEL}:batchEmbedContents`,
      headers: { 'x-goog-api-key': apiKey },
      body: {
        requests: texts.map((text) => ({
          model: MODEL,
          content: { parts: [{ text }] },
          taskType: side === 'question' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT',
          outputDimensionality: chosen.dimensions,
        })),
      },
    }),
    // Vectors below 3,072 numbers are not normalized; all are, by the caller.
    vectors: (answer) => Answer.safeParse(answer).data?.embeddings.map(({ values }) => values) ?? null,
  }
}
