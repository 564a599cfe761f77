/** Embeds the texts of a document over one or several runs. What a service answered is kept before the next request, so that it is never paid twice. */
import type { Attempt, ContinueAt, RunContext } from '../../../operation.ts'
import type { ChosenModel } from '../embed/chosen-model.ts'
import { openEmbedder } from '../embed/embedder.ts'
import type { CountedText } from '../embed/hosted/embed-texts.ts'
import { Paused } from '../embed/hosted/pacer.ts'
import { keepVectors, readVectors } from './scratch.ts'

/** Vectors that earlier runs kept. */
export interface KeptVectors {
  /** Keys of their files, in order. */
  readonly vectors: string[]
  /** Number of texts that they cover. */
  readonly embedded: number
  /** Notes for the result of the job. */
  readonly warnings: string[]
}

export interface EmbedTask {
  readonly model: ChosenModel & { readonly dimensions: number }
  readonly texts: readonly CountedText[]
  readonly kept: KeptVectors
  /** Stores what is kept under the lease of the job. */
  keep(kept: KeptVectors): Promise<void>
  /** Reports the share that is done, from 0 to 1. */
  progress(share: number, message: string): void
  /** Returns true once the rest is to be left to the next run. */
  isOverdue(): boolean
}

/** Vectors of all texts, in order; null of one that the model refused. */
export interface EmbeddedTexts {
  readonly vectors: readonly (Float32Array | null)[]
  readonly kept: KeptVectors
}

/** Returns true where the next run continues. */
export const isContinued = (embedded: EmbeddedTexts | ContinueAt | 'continue'): embedded is ContinueAt | 'continue' =>
  embedded === 'continue' || 'continueAt' in embedded

/**
 * Embeds what earlier runs left.
 * @throws MillraceError as the model does
 */
export async function embedTexts(
  job: Pick<Attempt, 'owner'>,
  ctx: Pick<RunContext, 'blobs' | 'signal' | 'compute' | 'vectors'>,
  { model, texts, keep, ...task }: EmbedTask,
): Promise<EmbeddedTexts | ContinueAt | 'continue'> {
  const embedder = await openEmbedder(model, ctx)
  const found = await readKept(ctx, task.kept, model.dimensions)
  let kept: KeptVectors = found === null ? { ...task.kept, vectors: [], embedded: 0 } : task.kept
  const vectors = [...(found ?? [])]
  const options = {
    owner: job.owner,
    signal: ctx.signal,
    accepted: vectors.filter((vector) => vector !== null).length,
  }
  try {
    for await (const { vectors: made, refusal } of embedder.embed(texts.slice(vectors.length), options)) {
      const warnings = refusal === null ? kept.warnings : [...kept.warnings, refused(vectors.length, refusal)]
      vectors.push(...made)
      task.progress(vectors.length / texts.length, `${vectors.length} of ${texts.length} passages`)
      const isLast = vectors.length === texts.length
      // Of the local model a short document is done before a checkpoint is worth its cost.
      if (isLast && !embedder.isPaid) {
        kept = { ...kept, warnings }
        break
      }
      const key = await keepVectors(ctx.blobs, made, model.dimensions)
      kept = { vectors: [...kept.vectors, key], embedded: vectors.length, warnings }
      await keep(kept)
      if (!isLast && task.isOverdue()) return 'continue'
    }
  } catch (error) {
    if (error instanceof Paused) return { continueAt: error.until }
    throw error
  }
  return { vectors, kept }
}

const refused = (index: number, reason: string) =>
  `The model refused the text of chunk ${index}, which is found by its words alone: ${reason}`

/** Reads the vectors of earlier runs; null when some are gone. */
async function readKept(
  { blobs }: Pick<RunContext, 'blobs'>,
  { vectors: keys, embedded }: KeptVectors,
  dimensions: number,
): Promise<readonly (Float32Array | null)[] | null> {
  const vectors: (Float32Array | null)[] = []
  for (const key of keys) {
    const part = await readVectors(blobs, key, dimensions)
    if (part === null) return null
    vectors.push(...part)
  }
  return vectors.length === embedded ? vectors : null
}
