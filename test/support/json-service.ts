/** A service that speaks JSON over HTTP, in place of a paid one. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'

/** An answer to a request; `headers` beside its type. */
export interface ServiceAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/**
 * Starts a service on a free port of loopback.
 * @param answer makes the answer to a request; null for one that is never answered
 * @returns its address up to and including `/v1`
 */
export async function startJsonService(answer: (request: IncomingMessage) => Promise<ServiceAnswer | null>) {
  const server = createServer(async (request, response) => {
    const answered = await answer(request)
    if (answered === null) return
    const { status = 200, headers, body } = answered
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
