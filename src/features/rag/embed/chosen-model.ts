/** The model that a job embeds with, as stored with the job. */
import * as z from 'zod'
import type { Collection } from '../types.ts'
import { LOCAL_MODEL } from './local-model.ts'

/** Tasks of jina-v4 (https://jina.ai/embeddings). */
export const JINA_TASKS = [
  'retrieval.passage',
  'retrieval.query',
  'text-matching',
  'code.passage',
  'code.query',
] as const

export const MODEL_IDS = ['local', 'jina-v4', 'gemini-exp', 'openai', 'workers-ai'] as const
export type ModelId = (typeof MODEL_IDS)[number]

/** Options of jina-v4; each is described in docs/documents.md. */
const JinaOptions = z.object({
  task: z.enum(JINA_TASKS),
  /** True to embed a question by the task's other side. */
  taskBySide: z.boolean(),
  lateChunking: z.boolean(),
  truncate: z.boolean(),
})
export type JinaOptions = z.infer<typeof JinaOptions>

const Choice = z.object({
  id: z.enum(MODEL_IDS),
  /** Name by which a collection knows it: only vectors of equal names are comparable. */
  name: z.string(),
  /** Null for what the model itself makes, known with its first vector. */
  dimensions: z.int().nullable(),
  /** True where the request asked for these dimensions, so that the service is asked for them. */
  isReduced: z.boolean(),
  /** Most tokens of one text. */
  maxTokens: z.int(),
  jina: JinaOptions.nullable(),
})

/** A model with the options of a request. */
export type ChosenModel = z.infer<typeof Choice>

export const LOCAL_CHOICE: ChosenModel = {
  id: 'local',
  name: LOCAL_MODEL.id,
  dimensions: LOCAL_MODEL.dimensions,
  isReduced: false,
  maxTokens: LOCAL_MODEL.maxTokens,
  jina: null,
}

/** Also reads the bare id `local`, as jobs of earlier releases have it. */
export const ChosenModel = z.union([Choice, z.literal('local').transform(() => LOCAL_CHOICE)])

const Space = z.object({
  task: z.enum(JINA_TASKS).optional(),
  taskBySide: z.boolean().optional(),
  isReduced: z.boolean().optional(),
})

/** Options that vectors of documents and of questions must share, as a collection keeps them; empty where there are none. */
export function spaceOf({ id, isReduced, jina }: ChosenModel): string {
  if (jina !== null) return JSON.stringify({ task: jina.task, taskBySide: jina.taskBySide })
  return id === 'openai' && isReduced ? JSON.stringify({ isReduced }) : ''
}

const IDS: Readonly<Record<string, ModelId>> = {
  local: 'local',
  'jina-v4': 'jina-v4',
  'gemini-embedding-001': 'gemini-exp',
  '@cf/baai/bge-m3': 'workers-ai',
}

/** Makes the choice for questions to a collection. */
export function modelOfCollection({ model, dimensions, space }: Collection): ChosenModel {
  const id = IDS[model] ?? 'openai'
  const { task = 'retrieval.passage', taskBySide = true, isReduced = false } = Space.parse(JSON.parse(space || '{}'))
  const jina = id === 'jina-v4' ? { task, taskBySide, lateChunking: false, truncate: true } : null
  return { id, name: model, dimensions, isReduced, maxTokens: 0, jina }
}
