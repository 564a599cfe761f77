/** Checks the models, stores, platforms and methods that a request chooses. The error of an unsupported one names the supported ones. */

import { invalidRequest, type MillraceError } from '../../errors.ts'
import type { MediaLister } from '../../media-ports.ts'
import type { VectorServices } from '../../ports.ts'
import { NO_LISTER } from './channels/list-channel.ts'
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
 * @param deps services that this server has; `media` null where it lists no platforms
 * @returns the model
 * @throws MillraceError INVALID_REQUEST
 */
export function checkChoices(
  request: ProcessRequest,
  { vectors = null, media = null }: { readonly vectors?: VectorServices | null; readonly media?: MediaLister | null },
): ChosenModel {
  const { platform, input_method: method, embedding_model: model, vector_db: store } = request
  if (platform !== 'documents' && method !== 'upload' && media === null) throw wrong('platform', NO_LISTER)
  if (method === 'channel' && request.channel_url === undefined) {
    throw wrong('channel_url', 'Must name the channel for input_method "channel"')
  }
  if (method !== 'channel' && request.sync !== undefined) {
    throw wrong('sync', 'Takes a channel: input_method "channel" with channel_url')
  }
  checkStore(store)
  return chooseModel(model, request.settings, vectors)
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
