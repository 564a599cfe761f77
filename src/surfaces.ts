/** The surfaces of this server, in the order in which its OpenAPI document lists them. A new surface is one line here. */
import { batchSurface } from './features/batches/surface.ts'
import { cardPages, cards } from './features/cards/surface.ts'
import { chunks } from './features/chunks/surface.ts'
import { exports } from './features/exports/surface.ts'
import { extraction, resultPages, sharedResults } from './features/heat-sheets/surface.ts'
import { callbacks } from './features/http-calls/surface.ts'
import { rag } from './features/rag/surface.ts'
import { resourceSurface } from './features/resources/surface.ts'
import { scheduleSurface } from './features/schedules/surface.ts'
import { secrets } from './features/secrets/surface.ts'
import { serverSurface } from './features/server/surface.ts'
import { webhooks } from './features/webhooks/surface.ts'
import { operationSurface, workers } from './features/workers/surface.ts'
import type { AppDeps } from './http/context.ts'
import { Surfaces } from './http/surface.ts'
import type { Operations } from './operation.ts'

const batches = batchSurface(async () => [(await import('./features/heat-sheets/schemas.ts')).MergedResults])

/** Every surface. Where two have a route for the same path, the earlier one answers. */
export const surfaces = new Surfaces([
  extraction,
  batches,
  sharedResults,
  scheduleSurface(loadBatchStarter),
  cards,
  cardPages,
  resultPages,
  exports,
  resourceSurface(loadReadable),
  chunks,
  rag,
  webhooks,
  secrets,
  callbacks,
  workers,
  operationSurface(loadDocument),
  serverSurface(loadDocument),
])

/** Loads the OpenAPI document. */
async function loadDocument(operations: Operations): Promise<object> {
  const { default: examples } = await import('./http/openapi/examples.json', { with: { type: 'json' } })
  return loadOpenApiDocument(examples, operations)
}

/** Loads what makes batches, for those who begin some at their times. */
export function loadBatchStarter() {
  return import('./features/batches/submit-batch.ts')
}

/** Loads what batch reads can look up beside resources of their own. */
async function loadReadable() {
  const [{ readableBatches }, { readableCards }, { readableChunks }] = await Promise.all([
    import('./features/batches/readable.ts'),
    import('./features/cards/readable.ts'),
    import('./features/chunks/readable.ts'),
  ])
  return (deps: AppDeps) => [readableBatches(deps.db), readableCards(deps), readableChunks(deps.chunks)]
}

/**
 * Makes the document at `/openapi.json`.
 * @param operations those of the server, of which some say what their items are
 * @param examples real answers, by operation and status (`createBatch 202`), and errors by surface and status (`Batch 404`)
 */
export async function loadOpenApiDocument(
  examples: Readonly<Record<string, unknown>>,
  operations: Operations = {},
): Promise<object> {
  const [{ describeSurfaces, makeDocument }, { withOperations }] = await Promise.all([
    import('./http/openapi/document.ts'),
    import('./http/openapi/operations.ts'),
  ])
  return withOperations(makeDocument(await describeSurfaces(surfaces), examples), operations)
}
