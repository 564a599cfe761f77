/** What runs on Node beside the suites inside workerd. */
import type { TestProject } from 'vitest/node'
import { startFetchServer } from '../contracts/fetch-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the server in test/contracts/fetch-server.ts. */
    fetchOrigin: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { origin, close } = await startFetchServer()
  project.provide('fetchOrigin', origin)
  return close
}
