/** Fingerprint of the settings for chunking and embedding: what was stored under another one is processed again. */
import { sha256 } from '../../../formats/sha256.ts'
import { ChosenModel } from '../embed/chosen-model.ts'
import { LOCAL_MODEL_REVISION } from '../embed/local-model.ts'

/** Makes the fingerprint. */
export function hashSettings({
  model,
  settings,
  language,
}: {
  readonly model: ChosenModel
  readonly settings: { readonly chunkSize: number; readonly chunkOverlap: number; readonly maxTokens: number }
  readonly language?: string | undefined
}): Promise<string> {
  const revision = LOCAL_MODEL_REVISION
  // Parsed, so that the order of its fields is always the same.
  const chosen = model.id === 'local' ? model.id : ChosenModel.parse(model)
  // A language that was not declared is left out, so that documents stored before stay unchanged.
  return sha256(JSON.stringify({ model: chosen, revision, ...settings, language }))
}
