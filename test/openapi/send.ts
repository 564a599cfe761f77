/** How the suites of every route send what a caller would. */
import type { Send } from './world.ts'

/**
 * Sends to a server with a key or a token. Forms and text go as they are, other bodies as JSON; of what is no form the type is JSON
 * unless the headers say otherwise.
 */
export function senderTo(server: { fetch(path: string, init: RequestInit): Promise<Response> }, token: string): Send {
  return (method, path, body, headers = {}) => {
    const isForm = body instanceof FormData
    return server.fetch(path, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined || isForm ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isForm || typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  }
}
