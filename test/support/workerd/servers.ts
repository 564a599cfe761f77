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
    /** Of the two services in test/contracts/outbound-process.ts. */
    outbounds: string
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const started = await Promise.all([start('fetch-server'), start('hrana-server'), start('outbound')])
  const [fetched, libsql, outbound] = started
  project.provide('fetchOrigin', fetched.origin)
  project.provide('libsqlOrigin', libsql.origin)
  project.provide('outbounds', outbound.origin)
  return () => {
    // They end with us.
    for (const { child } of started) child.disconnect()
  }
}

async function start(name: string) {
  const child = fork(resolve(`test/contracts/${name}-process.ts`), { execArgv: [] })
  const [origin] = await once(child, 'message')
  if (typeof origin !== 'string') throw new Error(`The process ${name} did not start.`)
  return { child, origin }
}
