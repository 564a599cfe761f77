/** A service that is called: a real server that keeps the calls it got and answers as it is told. */
import { createServer, type ServerResponse } from 'node:http'

/** A call as it arrived. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Listens on a free port of this machine. @param reply answers a call */
export async function openEndpoint(reply: (response: ServerResponse, received: Received, count: number) => void) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const at = Date.now()
    let body = ''
    for await (const part of request.setEncoding('utf8')) body += part
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const one = { method: request.method ?? '', path: request.url ?? '', headers, body, at }
    received.push(one)
    reply(response, one, received.filter(({ path }) => path === one.path).length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
