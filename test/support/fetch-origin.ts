/** Where the server of test/contracts/fetch-server.ts is: here, one for each suite that asks. Suites inside workerd take test/support/workerd/fetch-origin.ts. */
import { startFetchServer } from '../contracts/fetch-server.ts'

/** @returns its origin, and how to end it */
export function openFetchServer(): Promise<{ origin: string; close(): Promise<void> }> {
  return startFetchServer()
}
