/** What runs on Node beside the suites inside workerd. In a process of its own: here, modules are resolved as workerd needs them. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the server in test/contracts/fetch-server.ts. */
    fetchOrigin: string
    /** Of the server in test/contracts/hrana-server.ts, whose token is `a-token`. */
    libsqlOrigin: string
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const [fetched, libsql] = await Promise.all([start('fetch-server'), start('hrana-server')])
  project.provide('fetchOrigin', fetched.origin)
  project.provide('libsqlOrigin', libsql.origin)
  return () => {
    // They end with us.
    for (const { child } of [fetched, libsql]) child.disconnect()
  }
}

async function start(name: string) {
  const child = fork(resolve(`test/contracts/${name}-process.ts`), { execArgv: [] })
  const [origin] = await once(child, 'message')
  if (typeof origin !== 'string') throw new Error(`The process ${name} did not start.`)
  return { child, origin }
}
