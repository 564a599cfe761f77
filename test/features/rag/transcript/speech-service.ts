/** Serves OpenAI's audio API in place of a paid service: the documented form in, `verbose_json` or an error out. */
import type { IncomingMessage } from 'node:http'
import { type ServiceAnswer, startJsonService } from '../../../support/json-service.ts'

/** A request as the service got it. */
export interface TranscriptionRequest {
  readonly authorization: string | undefined
  readonly fields: Readonly<Record<string, string>>
  readonly filename: string
  readonly bytes: Uint8Array
}

/**
 * Starts the service on a free port.
 * @param answer is asked for each request, with how many of that file came before
 */
export async function startSpeechService(
  answer: (request: TranscriptionRequest, earlier: number) => ServiceAnswer | Promise<ServiceAnswer>,
) {
  const requests: TranscriptionRequest[] = []
  const service = await startJsonService(async (request) => {
    const read = await readRequest(request)
    const earlier = requests.filter(({ filename }) => filename === read.filename).length
    requests.push(read)
    return request.url === '/v1/audio/transcriptions' ? answer(read, earlier) : NOT_HERE
  })
  return { ...service, requests }
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
