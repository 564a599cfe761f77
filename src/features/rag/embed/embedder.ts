/** Embeds the texts of a document and of questions by the model of a job or a collection, local or hosted. */
import { MillraceError } from '../../../errors.ts'
import type { Compute, VectorServices } from '../../../ports.ts'
import type { Chunk, EmbeddedChunk } from '../types.ts'
import type { ChosenModel } from './chosen-model.ts'
import type { CountedText, EmbeddedPart } from './hosted/embed-texts.ts'
import { Pacer, Paused } from './hosted/pacer.ts'
import { createLocalModel, LOCAL_MODEL } from './local-model.ts'

/** Texts that the local model embeds between two checkpoints: some ten seconds of work. */
const LOCAL_TEXTS = 256
/** Longest pause that a question waits for, in milliseconds. */
const QUESTION_WAIT_MS = 2_000

/** Pauses that services asked for, of all jobs of this process. */
const PACER = new Pacer({ now: Date.now })

export interface EmbedderDeps {
  readonly compute: Compute
  readonly vectors?: VectorServices | null
}

interface Options {
  readonly owner: string
  readonly signal?: AbortSignal
  /** Texts of the document that were embedded by earlier runs. */
  readonly accepted?: number
}

/** Embeds texts part by part, so that each part can be kept. */
export interface Embedder {
  /** True where a part costs money, so that each is worth a checkpoint. */
  readonly isPaid: boolean
  /** @throws Paused where the service asks for a long pause; MillraceError */
  embed(texts: readonly CountedText[], options: Options): AsyncIterable<EmbeddedPart>
}

/** Opens the embedder of a model. @throws MillraceError where the operator no longer has its service configured */
export async function openEmbedder(chosen: ChosenModel, deps: EmbedderDeps): Promise<Embedder> {
  if (chosen.id === 'local')
    return { isPaid: false, embed: (texts, options) => embedLocally(deps.compute, texts, options) }
  const { driver, embedTexts } = await openHosted(chosen, deps)
  return {
    isPaid: true,
    embed: (texts, options) => embedTexts(texts, 'passage', { driver, pacer: PACER, ...options }),
  }
}

async function openHosted(chosen: ChosenModel, { vectors = null }: EmbedderDeps) {
  // Loaded where a job uses them: a Worker starts without.
  const [{ openDriver }, { embedTexts }] = await Promise.all([
    import('./hosted/open-driver.ts'),
    import('./hosted/embed-texts.ts'),
  ])
  return { driver: openDriver(chosen, vectors), embedTexts }
}

async function* embedLocally(
  compute: Compute,
  texts: readonly CountedText[],
  { owner, signal }: Options,
): AsyncGenerator<EmbeddedPart> {
  const model = createLocalModel(compute)
  for (let first = 0; first < texts.length; first += LOCAL_TEXTS) {
    const part = texts.slice(first, first + LOCAL_TEXTS).map(({ text }) => text)
    const vectors = await model.embed(part, { owner, ...(signal === undefined ? {} : { signal }) })
    yield { vectors, refusal: null }
  }
}

/**
 * Embeds a question by the model of a collection.
 * @throws MillraceError RATE_LIMIT where the service asks for a pause, SERVICE_UNAVAILABLE and others
 */
export async function embedQuestion(
  chosen: ChosenModel,
  question: string,
  deps: EmbedderDeps,
  owner: string,
): Promise<Float32Array> {
  if (chosen.id === 'local') return createLocalModel(deps.compute).embedQuery(question, { owner })
  const { driver, embedTexts } = await openHosted(chosen, deps)
  const options = { driver, pacer: PACER, owner, longestWaitMs: QUESTION_WAIT_MS }
  try {
    for await (const { vectors } of embedTexts([{ text: question, tokens: 1 }], 'question', options)) {
      const [vector] = vectors
      if (vector !== undefined && vector !== null) return vector
    }
  } catch (error) {
    if (!(error instanceof Paused)) throw error
    const seconds = Math.max(1, Math.ceil((error.until - Date.now()) / 1_000))
    throw new MillraceError('RATE_LIMIT', `${driver.service} asks for a pause of ${seconds} s.`, {
      details: { retryAfter: seconds },
    })
  }
  throw new MillraceError('SERVICE_UNAVAILABLE', `${driver.service} gave no vector for the question.`)
}

/** Lists the texts of a document that get a vector: with the local model each run of a chunk, with others each chunk. */
export function textsToEmbed({ id }: ChosenModel, chunks: readonly Chunk[]): readonly CountedText[] {
  if (id !== 'local') return chunks.map(({ text, tokens }) => ({ text, tokens }))
  return chunks.flatMap(({ text, runs }) =>
    runs.map(({ start, end }) => ({ text: text.slice(start, end), tokens: LOCAL_MODEL.maxTokens })),
  )
}

/** Gives chunks their vectors, in the order of `textsToEmbed`; a text that the model refused has none. */
export function withVectors(
  { id }: ChosenModel,
  chunks: readonly Chunk[],
  vectors: readonly (Float32Array | null)[],
): EmbeddedChunk[] {
  let next = 0
  return chunks.map((chunk) => {
    const count = id === 'local' ? chunk.runs.length : 1
    const own = vectors.slice(next, next + count).filter((vector) => vector !== null)
    next += count
    return { ...chunk, vectors: own }
  })
}
