/** The operations of this server. */
import type { Operation, Operations } from '../ports.ts'
import { deleteCards, restoreCards } from './cards/delete.ts'
import { exportCards } from './cards/export.ts'
import { importCards } from './cards/import.ts'
import { echo } from './echo.ts'
import { heatSheet } from './heat-sheet/index.ts'
import { resourceWrite } from './resource-write/index.ts'
import { webhook } from './webhook.ts'

const byName = (all: readonly Operation[]): Operations =>
  Object.fromEntries(all.map((operation) => [operation.name, operation]))

const told: Operations = byName([echo, heatSheet, resourceWrite, importCards, exportCards, deleteCards, restoreCards])

/** Every registered operation by name. */
export const operations: Operations = { ...told, ...byName([webhook(told)]) }
