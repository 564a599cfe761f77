/** Learns the dimensions of a model whose service decides on them: by the vector of a word. */
import { MillraceError } from '../../../errors.ts'
import type { ChosenModel } from '../embed/chosen-model.ts'
import { type EmbedderDeps, embedQuestion } from '../embed/embedder.ts'

/** @throws MillraceError as `embedQuestion` does */
export async function modelDimensions(model: ChosenModel, deps: EmbedderDeps, owner: string): Promise<number> {
  const { length } = await embedQuestion(model, 'dimensions', deps, owner)
  if (length > 0) return length
  throw new MillraceError('SERVICE_UNAVAILABLE', `The model "${model.name}" gave an empty vector.`)
}
