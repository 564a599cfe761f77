/**
 * The outbound service of `npm run dev:edge`: sends the requests of the Worker to URLs that callers named, under the rules of the Fetcher on
 * Node. workerd's own fetch reaches this machine and its network under any name that resolves there.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { NodeFetcherOptions } from '../src/drivers/fetch-connect.ts'
import { createNodeRequester } from '../src/drivers/fetch-node.ts'
import { isPassed, OUTCOME_HEADER, OutboundFailure, OutboundRequest } from '../src/drivers/fetch-outbound.ts'
import { MillraceError } from '../src/errors.ts'

type Requester = ReturnType<typeof createNodeRequester>

/**
 * Starts the service on a free port of loopback. It does not keep the process running.
 * @returns its address
 */
export async function startOutbound(options: Omit<NodeFetcherOptions, 'perOwner' | 'clock'>): Promise<string> {
  // The Worker counts what an owner has under way.
  const send = createNodeRequester({ ...options, perOwner: Number.MAX_SAFE_INTEGER })
  const server = createServer((request, response) => {
    forward(send, request, response).catch((error: unknown) => fail(response, error))
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The outbound service has no port.')
  return `http://127.0.0.1:${address.port}/`
}

async function forward(send: Requester, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A connection that is kept could be closed just when the Worker uses it again.
  response.shouldKeepAlive = false
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  // Web pages cannot send JSON without a CORS preflight, so this refuses their requests.
  if (request.headers['content-type'] !== 'application/json') throw new Error('This is not a request of the Worker.')
  const { bytes, ...asked } = OutboundRequest.parse(JSON.parse(await text(request)))
  const body = bytes === undefined ? asked.body : Buffer.from(bytes, 'base64')
  const answer = await send({ ...asked, body }, gone.signal)
  // Errors that come before a pipeline listens have been reported already.
  answer.body.on('error', () => {})
  for (const name of Object.keys(answer.headers).filter(isPassed)) {
    const value = [answer.headers[name]].flat()[0]
    if (value !== undefined) response.setHeader(name, name === 'content-disposition' ? value : bytesOf(value))
  }
  response.setHeader(OUTCOME_HEADER, 'answered')
  response.writeHead(answer.statusCode)
  response.flushHeaders()
  await pipeline(answer.body, response)
}

/** Puts a header value back as it came: undici reads all but `Content-Disposition` as UTF-8, and Node writes one byte a character. */
function bytesOf(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1')
}

/** Says why there is no answer, or breaks off one that had begun. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.writeHead(502, { 'content-type': 'application/json', [OUTCOME_HEADER]: 'failed' })
  response.end(JSON.stringify(failureOf(error)))
}

function failureOf(error: unknown): OutboundFailure {
  const told =
    error instanceof MillraceError
      ? OutboundFailure.safeParse({ code: error.code, message: error.message, ...error.details })
      : null
  if (told?.success === true) return told.data
  return {
    code: 'NETWORK_ERROR',
    message: 'The website could not be reached. Try again later, or send the file itself.',
  }
}
