/** The Worker in the platform's own runtime, with an eye on the memory of its isolate; its bindings are paced, so that the eye sees. */
import { buildEdge } from '../../../scripts/build-edge.ts'
import { IsolateMemory } from './isolate-memory.ts'
import { openCloudflareServer } from './server.ts'

export interface WatchedWorker {
  readonly url: string
  readonly memory: IsolateMemory
  close(): Promise<void>
}

/** Builds what {@link openWatchedWorker} runs, into a folder. */
export const buildWatchedWorker = (folder: string) => buildEdge(folder, 'test/support/cloudflare/paced-worker.ts')

/** Starts it; answers when it has answered a request. Calls are taken without a key. */
export async function openWatchedWorker(build: string, dataDir: string): Promise<WatchedWorker> {
  const variables = { LOG_LEVEL: 'error' }
  const { server, url } = await openCloudflareServer({ build, dataDir, port: 0, variables, inspect: true })
  await (await fetch(new URL('/healthz', url))).text()
  const memory = await IsolateMemory.attach(await server.getInspectorURL())
  return {
    url: url.origin,
    memory,
    async close() {
      memory.close()
      await server.dispose()
    },
  }
}
