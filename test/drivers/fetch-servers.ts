/** Real servers for the Fetcher's tests, and a count of the TCP connections this process tries to open. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { LookupAddress } from 'node:dns'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Server } from 'node:net'
import type { Lookup } from '../../src/drivers/dns-lookup.ts'
import { MillraceError } from '../../src/errors.ts'

/** A listening server and the number of requests it has had. */
export interface TestServer extends AsyncDisposable {
  readonly port: number
  readonly requests: () => number
}

/** Serves until disposed; on a free port of 127.0.0.1 unless told otherwise, over TLS when given a key. */
export async function serve(
  listener: RequestListener,
  options: { host?: string; port?: number; tls?: { key: string; cert: string } } = {},
): Promise<TestServer> {
  let requests = 0
  const counted: RequestListener = (request, response) => {
    requests += 1
    listener(request, response)
  }
  const server = options.tls ? createSecureServer(options.tls, counted) : createServer(counted)
  await listening(server, options.port ?? 0, options.host ?? '127.0.0.1')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
}

/** A look-up that gives its answers one after the other, the last one for ever, and counts the questions. */
export function answering(...answers: string[][]): Lookup & { asked: () => number } {
  let asked = 0
  const lookup = async (): Promise<LookupAddress[]> => {
    const answer = answers[Math.min(asked, answers.length - 1)] ?? []
    asked += 1
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return Object.assign(lookup, { asked: () => asked })
}

/** Runs something and counts the TCP sockets that this process began to connect meanwhile, to anywhere. */
export async function countingSockets(run: () => Promise<unknown>): Promise<number> {
  let sockets = 0
  const count = () => {
    sockets += 1
  }
  subscribe('net.client.socket', count)
  try {
    await run()
  } finally {
    unsubscribe('net.client.socket', count)
  }
  return sockets
}

/** What a promise fails with, which must be an error of ours. */
export async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (error instanceof MillraceError) return error
  throw error
}

/** A throwaway certificate for secure.example.org, good from 2020 to 2120, trusted nowhere but where a test says so. */
export const TLS = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgK1lzzE9vYOAX/gI2
QltYlyJ3SwmXNTgJBnmqqa7sdUmhRANCAARsHWMDVy7t7A6FRlEcjO9zx8vB7kzC
9zpF3RzQCyB6Oh6GQoF9b1sgewnx7zQjoOzxX33qSZxN4H0q4Fwm1EmK
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBfDCCASKgAwIBAgIBATAKBggqhkjOPQQDAjAdMRswGQYDVQQDDBJzZWN1cmUu
ZXhhbXBsZS5vcmcwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMB0x
GzAZBgNVBAMMEnNlY3VyZS5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABGwdYwNXLu3sDoVGURyM73PHy8HuTML3OkXdHNALIHo6HoZCgX1vWyB7
CfHvNCOg7PFffepJnE3gfSrgXCbUSYqjUTBPMB0GA1UdEQQWMBSCEnNlY3VyZS5l
eGFtcGxlLm9yZzAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQAqJNItjzpVKOJ
kHkPhj3zhdtALTAKBggqhkjOPQQDAgNIADBFAiA7Gf6nLv+oFh8vfzChWnXK+P+Z
YoP72ZK5M1g6LXc6eAIhALqnzOgjd0aPT1kjciZx9k4KMa6GPhuCCi52NWdLCODl
-----END CERTIFICATE-----`,
}
