/** How the suites of every route send what a caller would. */
import type { Send } from './world.ts'

/**
 * Sends to a server with a key or a token. Forms, files and text go as they are, other bodies as JSON; of what is no form the type is JSON
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
      ...(body === undefined ? {} : { body: isAsItGoes(body) ? body : JSON.stringify(body) }),
    })
  }
}

const isAsItGoes = (body: unknown): body is FormData | string | Uint8Array<ArrayBuffer> =>
  body instanceof FormData || typeof body === 'string' || body instanceof Uint8Array

/** A form of the fields of an example: texts as they are, each element of a list as a file. */
export function formOf(example: unknown): FormData {
  const form = new FormData()
  for (const [name, field] of Object.entries(example ?? {})) {
    if (!Array.isArray(field)) form.append(name, String(field))
    else for (const text of field) form.append(name, new Blob([String(text)], { type: 'text/plain' }), 'note.txt')
  }
  return form
}
