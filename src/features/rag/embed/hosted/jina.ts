/** jina-embeddings-v4, `POST {base}/embeddings` (https://api.jina.ai/redoc#tag/embeddings). */
import * as z from 'zod'
import type { HostedService } from '../../../../vector-settings.ts'
import type { ChosenModel, JinaOptions } from '../chosen-model.ts'
import type { HttpService, Side } from './driver.ts'
import { byIndex } from './openai.ts'

const Answer = z.object({ data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()) })) })

const LIMITS = { texts: 256, tokens: 100_000 }
/** With late chunking the texts of a request are read as one, which must not exceed the context; tokens are counted by another vocabulary, so some room is left. */
const LATE_LIMITS = { texts: 256, tokens: 6_500 }

/** The other side of each task that has two. */
const QUESTION_TASKS: Readonly<Partial<Record<JinaOptions['task'], JinaOptions['task']>>> = {
  'retrieval.passage': 'retrieval.query',
  'code.passage': 'code.query',
}

const OPTIONS: JinaOptions = { task: 'retrieval.passage', taskBySide: true, lateChunking: false, truncate: true }

export function jinaService({ baseUrl, apiKey }: HostedService, chosen: ChosenModel): HttpService {
  const options = chosen.jina ?? OPTIONS
  return {
    service: 'Jina',
    variables: { key: 'JINA_API_KEY', address: 'JINA_BASE_URL' },
    limits: options.lateChunking ? LATE_LIMITS : LIMITS,
    dimensions: chosen.dimensions,
    secret: apiKey,
    request: (texts, side) => ({
      url: `${baseUrl}/embeddings`,
      headers: { authorization: `Bearer ${apiKey}` },
      body: {
        model: 'jina-embeddings-v4',
        task: taskOf(options, side),
        dimensions: chosen.dimensions,
        late_chunking: options.lateChunking && side === 'passage',
        truncate: options.truncate,
        return_multivector: false,
        embedding_type: 'float',
        input: texts.map((text) => ({ text })),
      },
    }),
    vectors: (answer) => byIndex(Answer.safeParse(answer).data?.data ?? null),
  }
}

function taskOf({ task, taskBySide }: JinaOptions, side: Side): JinaOptions['task'] {
  return side === 'question' && taskBySide ? (QUESTION_TASKS[task] ?? task) : task
}
