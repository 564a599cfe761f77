/** Checks the models, stores, platforms and methods that a request chooses. The error of an unsupported one names the supported ones. */
import { invalidRequest, type MillraceError } from '../../errors.ts'
import type { VectorServices } from '../../ports.ts'
import { chooseModel } from './embed/choose-model.ts'
import type { ChosenModel } from './embed/chosen-model.ts'
import type { ProcessRequest } from './schemas.ts'

/** Stores of the original API beside the built-in one. */
const OTHER_STORES: ReadonlySet<string> = new Set(['pinecone', 'chromadb', 'weaviate'])
const BUILTIN = 'builtin'
/** Members of a store that are no connection parameters. */
const NO_CONNECTION: ReadonlySet<string> = new Set(['id', 'label'])

const wrong = (field: string, issue: string): MillraceError => invalidRequest(field, `${field}: ${issue}`)

/**
 * Refuses unsupported choices; the error names the field and the supported values.
 * @returns the model
 * @throws MillraceError INVALID_REQUEST
 */
export function checkChoices(request: ProcessRequest, services: VectorServices | null): ChosenModel {
  const { platform, input_method, embedding_model: model, vector_db: store } = request
  if (platform !== 'documents') {
    const issue = `This server lists no content of "${platform}" yet. Send recordings or captions with platform "documents" and input_method "urls" or "upload"`
    throw wrong('platform', issue)
  }
  if (input_method === 'channel') {
    throw wrong(
      'input_method',
      'Channels cannot be listed yet. Use "urls" with pasted_urls, or "upload" with uploaded_documents',
    )
  }
  checkStore(store)
  return chooseModel(model, request.settings, services)
}

function checkStore(store: ProcessRequest['vector_db']): void {
  const { id } = store
  if (id === BUILTIN) return
  if (!OTHER_STORES.has(id)) {
    throw wrong('vector_db.id', `There is no store "${id}". This server has: ${BUILTIN}`)
  }
  const connection = Object.entries(store).find(([name, value]) => !NO_CONNECTION.has(name) && value !== null)
  if (connection !== undefined) {
    throw wrong(
      'vector_db.id',
      `This server cannot write to "${id}" yet. It has: ${BUILTIN}, which also takes the place of a store that is named without a connection (here: ${connection[0]})`,
    )
  }
}
