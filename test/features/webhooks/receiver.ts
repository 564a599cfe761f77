/** A receiver of webhooks: a real server that keeps what it was sent and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { WebhookPayload } from '../../../src/features/webhooks/schemas.ts'

/** What came in. */
export interface Received {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The `webhook-id`. */
  readonly id: string
}

/** How a receiver answers: with a status, or as a function does. */
export type Reply = number | ((response: ServerResponse, received: Received) => void)

/** Listens on a free port of this machine. Answers by `replies`, one a request, the last one for ever; 204 by default. */
export async function openReceiver(...replies: Reply[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request.setEncoding('utf8')) body += part
    const id = String(request.headers['webhook-id'])
    const reply = replies[Math.min(received.length, replies.length - 1)] ?? 204
    const one = { method: request.method ?? '', headers: request.headers, body, id }
    received.push(one)
    if (typeof reply === 'function') reply(response, one)
    else response.writeHead(reply).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/**
 * What a message says, its signature checked by the library that receivers use.
 * @throws when it was not signed with this secret, or not now
 */
export function opened(message: Received | undefined, secret: string): WebhookPayload {
  if (message === undefined) throw new Error('nothing came')
  const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, String(value)]))
  return WebhookPayload.parse(new Webhook(secret).verify(message.body, headers))
}
