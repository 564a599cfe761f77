/** The OpenAPI document of this server: its surfaces, in the order in which the document tells of them. */
import { batchSurface } from './features/batches/endpoints.ts'
import { cards } from './features/cards/endpoints.ts'
import { chunks } from './features/chunks/endpoints.ts'
import { exports } from './features/exports/endpoints.ts'
import { heatSheets } from './features/heat-sheets/endpoints.ts'
import { MergedResults } from './features/heat-sheets/schemas.ts'
import { reads } from './features/resources/endpoints.ts'
import { server } from './features/server/endpoints.ts'
import { pages } from './features/server/page-endpoints.ts'
import { webhooks } from './features/webhooks/endpoints.ts'
import { makeDocument } from './http/openapi/document.ts'
import type { Surface } from './http/openapi/endpoint.ts'

const SURFACES: readonly Surface[] = [
  batchSurface({ endpoints: heatSheets, merged: [MergedResults] }),
  cards,
  pages,
  exports,
  reads,
  chunks,
  webhooks,
  server,
]

/**
 * Makes the document at `/openapi.json`.
 * @param examples real answers, by operation and status (`createBatch 202`), and errors by surface and status (`Batch 404`)
 */
export function openApiDocument(examples: Readonly<Record<string, unknown>>) {
  return makeDocument(SURFACES, examples)
}
