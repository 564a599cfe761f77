/** The operations of this server. */

import { deleteCards, restoreCards } from './features/cards/operations/delete.ts'
import { exportCards } from './features/cards/operations/export.ts'
import { importCards } from './features/cards/operations/import.ts'
import { echo } from './features/echo/operation.ts'
import { heatSheet } from './features/heat-sheets/operation.ts'
import { resourceWrite } from './features/resources/operation.ts'
import { webhook } from './features/webhooks/operation.ts'
import type { Operation, Operations } from './ports.ts'

const byName = (all: readonly Operation[]): Operations =>
  Object.fromEntries(all.map((operation) => [operation.name, operation]))

const told: Operations = byName([echo, heatSheet, resourceWrite, importCards, exportCards, deleteCards, restoreCards])

/** Every registered operation by name. */
export const operations: Operations = { ...told, ...byName([webhook(told)]) }
