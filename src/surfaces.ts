/** The surfaces of this server, in the order in which its OpenAPI document lists them. A new surface is one line here. */
import { batchSurface } from './features/batches/surface.ts'
import { cardPages, cards } from './features/cards/surface.ts'
import { chunks } from './features/chunks/surface.ts'
import { exports } from './features/exports/surface.ts'
import { extraction, resultPages } from './features/heat-sheets/surface.ts'
import { resourceSurface } from './features/resources/surface.ts'
import { serverSurface } from './features/server/surface.ts'
import { webhooks } from './features/webhooks/surface.ts'
import type { AppDeps } from './http/context.ts'
import { Surfaces } from './http/surface.ts'

const batches = batchSurface(async () => [(await import('./features/heat-sheets/schemas.ts')).MergedResults])
const server = serverSurface(async () => {
  const { default: examples } = await import('./http/openapi/examples.json', { with: { type: 'json' } })
  return loadOpenApiDocument(examples)
})

/** Every surface. Where two have a route for the same path, the earlier one answers. */
export const surfaces = new Surfaces([
  extraction,
  batches,
  cards,
  cardPages,
  resultPages,
  exports,
  resourceSurface(loadReadable),
  chunks,
  webhooks,
  server,
])

/** Loads what batch reads can look up beside resources of their own. */
async function loadReadable() {
  const [{ readableBatches }, { readableCards }, { readableChunks }] = await Promise.all([
    import('./features/batches/readable.ts'),
    import('./features/cards/readable.ts'),
    import('./features/chunks/readable.ts'),
  ])
  return ({ db, chunks: source }: AppDeps) => [readableBatches(db), readableCards(db), readableChunks(source)]
}

/**
 * Makes the document at `/openapi.json`.
 * @param examples real answers, by operation and status (`createBatch 202`), and errors by surface and status (`Batch 404`)
 */
export async function loadOpenApiDocument(examples: Readonly<Record<string, unknown>>): Promise<object> {
  const { describeSurfaces, makeDocument } = await import('./http/openapi/document.ts')
  return makeDocument(await describeSurfaces(surfaces), examples)
}
