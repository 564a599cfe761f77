/** A server that wants keys, and callers that have them. */
import fc from 'fast-check'
import { sign } from 'hono/jwt'
import { runKeys, startServer, type TestServer } from '../../support/server.ts'

export const JWT_SECRET = 'a secret that is long enough for HS256'

/** What a call was answered with. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed where it is JSON, else as text. */
  readonly body: unknown
}

/** Someone who calls a server. */
export class Caller {
  readonly #server: TestServer
  readonly #token: string | null
  constructor(server: TestServer, token: string | null) {
    this.#server = server
    this.#token = token
  }

  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await this.#server.fetch(path, {
      method,
      headers: {
        ...(this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` }),
        'Content-Type': 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('Content-Type')?.startsWith('application/json') ?? false
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, undefined, headers)
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers)
  }
}

/** A JWT needs an end: seconds since 1970. */
export const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600

/** Starts a server in mode `keys` with callers of two owners, one who has no key, and one with a JWT of any claims. */
export async function startWithCallers(env: Record<string, string> = {}) {
  const server = await startServer({ env: { MILLRACE_AUTH: 'keys', JWT_SECRET, ...env } })
  const keyOf = async (owner: string) => {
    const { output } = await runKeys(server, ['create', owner])
    const key = /mr_\S+/.exec(output)?.[0]
    if (key === undefined) throw new Error(`No key was made: ${output}`)
    return new Caller(server, key)
  }
  return {
    server,
    alice: await keyOf('alice'),
    bob: await keyOf('bob'),
    nobody: new Caller(server, null),
    bearer: (token: string) => new Caller(server, token),
    jwt: async (claims: Record<string, unknown>, secret = JWT_SECRET, alg: 'HS256' | 'HS512' = 'HS256') =>
      new Caller(server, await sign({ exp: inAnHour(), ...claims }, secret, alg)),
  }
}

/**
 * Draws a first value: on a busy machine the tables for it take seconds, in which nothing else runs, and a connection that was kept
 * meanwhile has been closed by the server.
 */
export async function drawFirst(values: fc.Arbitrary<unknown>): Promise<void> {
  fc.sample(values, 1)
  await new Promise((resolve) => setTimeout(resolve, 10))
}
