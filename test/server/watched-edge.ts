/** The Worker in the platform's own runtime, with an eye on the memory of its isolate; its bindings are paced, so that the eye sees. */
import { buildEdge } from '../../scripts/build-edge.ts'
import { openEdgeServer } from './edge-server.ts'
import { IsolateMemory } from './isolate-memory.ts'

export interface WatchedEdge {
  readonly url: string
  readonly memory: IsolateMemory
  close(): Promise<void>
}

/** Builds what {@link openWatchedEdge} runs, into a folder. */
export const buildWatchedEdge = (folder: string) => buildEdge(folder, 'test/server/edge-paced.ts')

/** Starts it; answers when it has answered a request. Calls are taken without a key. */
export async function openWatchedEdge(build: string, dataDir: string): Promise<WatchedEdge> {
  const variables = { LOG_LEVEL: 'error' }
  const { server, url } = await openEdgeServer({ build, dataDir, port: 0, variables, inspect: true })
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
