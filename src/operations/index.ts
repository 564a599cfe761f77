/** The operations of this server. */
import type { Operations } from '../ports.ts'
import { echo } from './echo.ts'
import { heatSheet } from './heat-sheet/index.ts'
import { resourceWrite } from './resource-write/index.ts'

/** Every registered operation by name. */
export const operations: Operations = Object.fromEntries(
  [echo, heatSheet, resourceWrite].map((operation) => [operation.name, operation]),
)
