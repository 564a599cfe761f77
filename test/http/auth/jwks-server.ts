/** An identity provider for tests: signs tokens, and serves the keys that verify them over real HTTP. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

/** A key pair of the provider. */
export interface SigningKey {
  /** As the provider serves it. */
  readonly jwk: JWK
  sign(claims: JWTPayload, header?: { kid?: string | undefined; alg?: string }): Promise<string>
}

/** Makes a key pair. */
export async function makeKey(alg: string, kid: string): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    sign: (claims, header = {}) => {
      const named = Object.entries({ alg, kid, ...header }).filter(([, value]) => value !== undefined)
      return new SignJWT(claims).setProtectedHeader({ alg, ...Object.fromEntries(named) }).sign(privateKey)
    },
  }
}

/** What the provider answers. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

/** Starts a provider. `answer` may be changed while it runs; a `down` one closes connections. */
export async function startProvider(keys: readonly SigningKey[]) {
  const provider = {
    url: '',
    fetches: 0,
    answer: { body: setOf(keys) } as Answer | 'down',
    serve(now: readonly SigningKey[]) {
      provider.answer = { body: setOf(now) }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  const server = createServer((_, response) => {
    provider.fetches++
    if (provider.answer === 'down') {
      response.destroy()
      return
    }
    const { status = 200, headers = { 'Content-Type': 'application/json' }, body } = provider.answer
    response.writeHead(status, headers).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address === 'object' && address !== null) provider.url = `http://127.0.0.1:${address.port}/jwks.json`
  return provider
}

const setOf = (keys: readonly SigningKey[]) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
