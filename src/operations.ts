/** The operations of this server. */

import { chain } from './features/batches/chain/operation.ts'
import { deleteCards, restoreCards } from './features/cards/operations/delete.ts'
import { exportCards } from './features/cards/operations/export.ts'
import { importCards } from './features/cards/operations/import.ts'
import { echo } from './features/echo/operation.ts'
import { heatSheet } from './features/heat-sheets/operation.ts'
import { type HttpServices, httpCalls } from './features/http-calls/operation.ts'
import { exportEmbeddings } from './features/rag/operations/export.ts'
import { processDocuments } from './features/rag/operations/process.ts'
import { resourceWrite } from './features/resources/operation.ts'
import { webhook } from './features/webhooks/operation.ts'
import { DeclaredStore } from './features/workers/declared-store.ts'
import type { Operation, Operations } from './operation.ts'
import { CHAIN_OPERATION } from './schema/chain.ts'
import { WEBHOOK_OPERATION } from './schema/webhooks.ts'

const byName = (all: readonly Operation[]): Operations =>
  Object.fromEntries(all.map((operation) => [operation.name, operation]))

const builtIn: readonly Operation[] = [
  echo,
  heatSheet,
  resourceWrite,
  importCards,
  exportCards,
  deleteCards,
  restoreCards,
  processDocuments,
  exportEmbeddings,
]

const NO_SERVICES: HttpServices = {
  signingKey: () => Promise.reject(new Error('These operations know no signing key.')),
  publicUrl: null,
}

/**
 * Makes every registered operation, by name.
 * @param basePath path prefix of the addresses in webhook deliveries
 * @param own operations beside those that are built in
 * @param services parts of the server that calls of URLs need; default: none, so that calls with secrets fail
 * @throws TypeError where two have the same name
 */
export function createOperations(
  basePath = '',
  own: readonly Operation[] = [],
  services: HttpServices = NO_SERVICES,
): Operations {
  const all = [...builtIn, httpCalls(services), ...own]
  const names = new Set([WEBHOOK_OPERATION, CHAIN_OPERATION])
  for (const { name } of all) {
    if (names.has(name))
      throw new TypeError(`operations: there is already an operation "${name}". Name yours otherwise.`)
    names.add(name)
  }
  const notifying = byName(all)
  const internal = [webhook(notifying, { basePath }), chain(notifying, (ctx) => new DeclaredStore(ctx))]
  return { ...notifying, ...byName(internal) }
}
