/** Where the server of test/contracts/fetch-server.ts is: on Node beside workerd, one for all suites. Takes the place of test/support/fetch-origin.ts. */
import { inject } from 'vitest'

export async function openFetchServer(): Promise<{ origin: string; close(): Promise<void> }> {
  return { origin: inject('fetchOrigin'), close: async () => {} }
}
