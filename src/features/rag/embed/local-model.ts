/** The embedding model `local`: USE-lite, run in Compute, its vectors centred. */
import { MillraceError } from '../../../errors.ts'
import type { Compute } from '../../../ports.ts'
import type { EmbeddingModel } from '../types.ts'
import { centre, normalisedMean } from './centre.ts'
import { PASSAGE_MEAN, QUESTION_MEAN } from './local-model-means.ts'
import { questionForms } from './question-forms.ts'

export const LOCAL_MODEL = { id: 'local', dimensions: 512, maxTokens: 256 } as const

/** Version of the model's vectors: documents with vectors of an earlier version are embedded anew when they are sent again. */
export const LOCAL_MODEL_REVISION = 2

/** Texts that a task embeds: some two seconds of work, after which the slot of Compute is free for others. */
const MAX_TASK_TEXTS = 64

type Options = Parameters<EmbeddingModel['embed']>[1]

/** Makes the model over a server's Compute; the first task loads its weights. */
export function createLocalModel(compute: Compute): EmbeddingModel {
  return {
    ...LOCAL_MODEL,
    async embed(texts, options) {
      const vectors = await embedInTasks(compute, texts, options)
      for (const vector of vectors) centre(vector, PASSAGE_MEAN)
      return vectors
    },
    async embedQuery(query, options) {
      const forms = questionForms(query)
      const vectors = await embedInTasks(compute, forms ?? [query], options)
      const vector = normalisedMean(vectors, LOCAL_MODEL.dimensions)
      centre(vector, forms === null ? PASSAGE_MEAN : QUESTION_MEAN)
      return vector
    },
  }
}

/** Embeds texts without centring, in tasks of similar length. */
async function embedInTasks(compute: Compute, texts: readonly string[], { signal, owner }: Options) {
  const order = texts.map((text, index) => ({ text, index })).sort((a, b) => a.text.length - b.text.length)
  const vectors = new Array<Float32Array>(texts.length)
  for (let first = 0; first < order.length; first += MAX_TASK_TEXTS) {
    const part = order.slice(first, first + MAX_TASK_TEXTS)
    const found = await compute.run(
      'rag.embed',
      { texts: part.map(({ text }) => text) },
      { owner, isPart: true, ...(signal === undefined ? {} : { signal }) },
    )
    if (!(found instanceof Float32Array) || found.length !== part.length * LOCAL_MODEL.dimensions)
      throw new MillraceError('UNKNOWN', 'The embedding model gave no vectors.')
    for (const [row, { index }] of part.entries()) {
      const at = row * LOCAL_MODEL.dimensions
      vectors[index] = found.slice(at, at + LOCAL_MODEL.dimensions)
    }
  }
  return vectors
}
