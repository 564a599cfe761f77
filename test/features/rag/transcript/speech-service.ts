/** Serves OpenAI's audio API in place of a paid service: the documented form in, `verbose_json` or an error out. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'

/** A request as the service got it. */
export interface TranscriptionRequest {
  readonly authorization: string | undefined
  readonly fields: Readonly<Record<string, string>>
  readonly filename: string
  readonly bytes: Uint8Array
}

/** An answer to a request; `headers` beside its type. */
export interface ServiceAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/**
 * Starts the service on a free port.
 * @param answer is asked for each request, with how many of that file came before
 */
export async function startSpeechService(
  answer: (request: TranscriptionRequest, earlier: number) => ServiceAnswer | Promise<ServiceAnswer>,
) {
  const requests: TranscriptionRequest[] = []
  const server = createServer(async (request, response) => {
    const read = await readRequest(request)
    const earlier = requests.filter(({ filename }) => filename === read.filename).length
    requests.push(read)
    const {
      status = 200,
      headers,
      body,
    } = request.url === '/v1/audio/transcriptions' ? await answer(read, earlier) : NOT_HERE
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    [Symbol.dispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

const NOT_HERE: ServiceAnswer = { status: 404, body: { error: { message: 'Unknown request URL' } } }

async function readRequest(request: IncomingMessage): Promise<TranscriptionRequest> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const headers = { 'Content-Type': request.headers['content-type'] ?? '' }
  const form = await new Response(new Uint8Array(Buffer.concat(parts)), { headers }).formData()
  const fields = Object.fromEntries(
    [...form].filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
  const file = form.get('file')
  if (!(file instanceof File)) throw new Error('The form has no file.')
  return {
    authorization: request.headers.authorization,
    fields,
    filename: file.name,
    bytes: new Uint8Array(await file.arrayBuffer()),
  }
}
