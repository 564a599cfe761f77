/** What runs on Node beside the suites inside workerd. In a process of its own: here, modules are resolved as workerd needs them. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the server in test/contracts/fetch-server.ts. */
    fetchOrigin: string
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const child = fork(resolve('test/contracts/fetch-server-process.ts'), { execArgv: [] })
  const [origin] = await once(child, 'message')
  if (typeof origin !== 'string') throw new Error('The server for the Fetcher did not start.')
  project.provide('fetchOrigin', origin)
  return () => {
    child.kill()
  }
}
