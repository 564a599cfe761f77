/** Checks the model that a request names against what this server can use. The error of another one lists those that it can. */
import { invalidRequest, type MillraceError } from '../../../errors.ts'
import type { VectorServices } from '../../../ports.ts'
import { NO_VECTOR_SERVICES, type VectorSettings } from '../../../vector-settings.ts'
import type { ProcessRequest } from '../schemas.ts'
import { type ChosenModel, JINA_TASKS, LOCAL_CHOICE, type ModelId } from './chosen-model.ts'

type ModelRequest = ProcessRequest['embedding_model']
type Services = Pick<VectorServices, 'settings' | 'ai'> | null

const wrong = (field: string, issue: string): MillraceError => invalidRequest(field, `${field}: ${issue}`)

/** Other names of models. */
const ALIASES: Readonly<Record<string, ModelId>> = {
  'jina-embeddings-v4': 'jina-v4',
  'gemini-embedding-001': 'gemini-exp',
  'bge-m3': 'workers-ai',
}

/** Dimensions and longest text, in tokens, of the hosted models, as their documentation has them. */
const JINA = { min: 128, max: 2_048, fallback: 1_024, maxTokens: 8_192 }
const GEMINI = { min: 128, max: 3_072, fallback: 1_536, maxTokens: 2_048 }
const BGE_M3 = { dimensions: 1_024, maxTokens: 8_192 }
const OPENAI_TOKENS = 8_191
const BETWEEN = `Must be between ${JINA.min} and ${JINA.max}`

/** Lists the ids of the models that a server can use. */
export function usableModels(services: Services): readonly ModelId[] {
  const { jina, gemini, openai } = services?.settings ?? NO_VECTOR_SERVICES
  return [
    'local',
    ...(jina === null ? [] : (['jina-v4'] as const)),
    ...(gemini === null ? [] : (['gemini-exp'] as const)),
    ...(openai === null ? [] : (['openai'] as const)),
    ...((services?.ai ?? null) === null ? [] : (['workers-ai'] as const)),
  ]
}

/**
 * Makes the choice of a request.
 * @param chunkSize tokens of a chunk, which the model has to take whole
 * @throws MillraceError INVALID_REQUEST naming the field, and what this server can use
 */
export function chooseModel(
  asked: ModelRequest,
  { chunkSize, maxTokens }: Pick<ProcessRequest['settings'], 'chunkSize' | 'maxTokens'>,
  services: Services,
): ChosenModel {
  const id = modelId(asked.id, services?.settings ?? NO_VECTOR_SERVICES)
  const usable = usableModels(services)
  if (!usable.some((known) => known === id))
    throw wrong('embedding_model.id', `${missing(id, asked.id)}. It can use: ${usable.join(', ')}`)
  if (asked.jina_v4_multi_vector && id === 'jina-v4') {
    const issue =
      'The stores of this server hold one vector of a chunk, not one of each token. Send false, or leave it out'
    throw wrong('embedding_model.jina_v4_multi_vector', issue)
  }
  const chosen = choose(id, asked, services?.settings ?? NO_VECTOR_SERVICES)
  const longest = Math.min(chosen.maxTokens, maxTokens, asked.max_tokens)
  if (id !== 'local' && chunkSize > longest) {
    throw wrong(
      'settings.chunkSize',
      `Must be at most ${longest}, the most tokens of one text for the model "${asked.id}"`,
    )
  }
  return chosen
}

function modelId(id: string, { openai }: VectorSettings): ModelId | string {
  if (Object.hasOwn(ALIASES, id)) return ALIASES[id] ?? id
  return openai?.model === id ? 'openai' : id
}

function missing(id: string, asked: string): string {
  switch (id) {
    case 'jina-v4':
      return `"${asked}" is a hosted model, and this server has no key for it (JINA_API_KEY)`
    case 'gemini-exp':
      return `"${asked}" is a hosted model, and this server has no key for it (GEMINI_API_KEY)`
    case 'openai':
      return `"${asked}" is a model of a service that this server knows no address of (EMBED_BASE_URL) and no key for (EMBED_API_KEY)`
    case 'workers-ai':
      return `"${asked}" runs on Cloudflare alone, by the binding AI, which this server does not have`
    default:
      return `This server has no model "${asked}"`
  }
}

function choose(id: string, asked: ModelRequest, { openai }: VectorSettings): ChosenModel {
  switch (id) {
    case 'jina-v4':
      return chooseJina(asked)
    case 'gemini-exp': {
      const dimensions = within(asked, GEMINI)
      return { ...BARE, id, name: 'gemini-embedding-001', dimensions, isReduced: true, maxTokens: GEMINI.maxTokens }
    }
    case 'openai': {
      const dimensions = asked.dimensions ?? openai?.dimensions ?? null
      const isReduced = asked.dimensions !== undefined && asked.dimensions !== openai?.dimensions
      return { ...BARE, id, name: `openai:${openai?.model}`, dimensions, isReduced, maxTokens: OPENAI_TOKENS }
    }
    case 'workers-ai':
      fixed(asked, BGE_M3.dimensions)
      return { ...BARE, id, name: '@cf/baai/bge-m3', ...BGE_M3 }
    default:
      fixed(asked, LOCAL_CHOICE.dimensions ?? 0)
      return LOCAL_CHOICE
  }
}

const BARE = { isReduced: false, jina: null } as const

function chooseJina(asked: ModelRequest): ChosenModel {
  const { dimensions, jina_v4_dimensions: own } = asked
  if (own !== undefined && dimensions !== undefined && own !== dimensions) {
    throw wrong('embedding_model.jina_v4_dimensions', `Must be ${dimensions} as dimensions is, or left out`)
  }
  const task = JINA_TASKS.find((known) => known === asked.jina_v4_task)
  if (task === undefined) {
    throw wrong('embedding_model.jina_v4_task', `Must be one of: ${JINA_TASKS.join(', ')}`)
  }
  return {
    id: 'jina-v4',
    name: 'jina-v4',
    dimensions: own ?? within(asked, JINA),
    isReduced: true,
    maxTokens: JINA.maxTokens,
    jina: {
      task,
      taskBySide: asked.jina_v4_optimize_for_rag,
      lateChunking: asked.jina_v4_late_chunking,
      truncate: asked.jina_v4_truncate_at_max,
    },
  }
}

function within({ dimensions }: ModelRequest, { min, max, fallback }: typeof JINA): number {
  if (dimensions === undefined) return fallback
  if (dimensions >= min && dimensions <= max) return dimensions
  throw wrong('embedding_model.dimensions', `Must be between ${min} and ${max}`)
}

function fixed({ id, dimensions }: ModelRequest, only: number): void {
  if (dimensions === undefined || dimensions === only) return
  // The words of the original API for numbers that none of its models has.
  if (dimensions < JINA.min || dimensions > JINA.max) throw wrong('embedding_model.dimensions', BETWEEN)
  throw wrong('embedding_model.dimensions', `Must be ${only} for the model "${id}", or left out`)
}
