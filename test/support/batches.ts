import { BatchStatus } from '../../src/features/batches/follow-schemas.ts'
import { ExtractAccepted, MergedResults } from '../../src/features/heat-sheets/schemas.ts'
import { ErrorBody } from '../../src/http/response/error-bodies.ts'
import { Follower } from './follow.ts'
import type { TestServer } from './server.ts'

/** A document as a client sends it. */
export interface Document {
  readonly name: string
  readonly bytes: Uint8Array | string
}

/** A form as a client sends it; fields go in the order given here. */
export function formOf(parts: {
  swimmer?: string | readonly string[]
  team?: string
  pdfs?: readonly Document[]
  urls?: readonly string[]
}): FormData {
  const form = new FormData()
  for (const swimmer of [parts.swimmer ?? []].flat()) form.append('swimmer', swimmer)
  if (parts.team !== undefined) form.append('team', parts.team)
  for (const { name, bytes } of parts.pdfs ?? []) {
    form.append(
      'pdfs',
      new Blob([typeof bytes === 'string' ? bytes : bytes.slice()], { type: 'application/pdf' }),
      name,
    )
  }
  if (parts.urls !== undefined) form.append('urls', JSON.stringify(parts.urls))
  return form
}

/** Sends a form, as it is. */
export function post(server: TestServer, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return server.fetch('/api/batch/extract', { method: 'POST', body, headers })
}

/** Sends a form that must be accepted. */
export async function extract(
  server: TestServer,
  parts: Parameters<typeof formOf>[0],
  headers: Record<string, string> = {},
): Promise<ExtractAccepted> {
  const response = await post(server, formOf(parts), headers)
  const text = await response.text()
  if (response.status !== 202) throw new Error(`${response.status} ${text}`)
  return ExtractAccepted.parse(JSON.parse(text))
}

/** Follows a batch to its end and gives everything that was seen. */
export async function toTheEnd(server: TestServer, accepted: { streamUrl: string }): Promise<Follower> {
  const follower = new Follower(new URL(accepted.streamUrl, server.url).href)
  await follower.completed()
  follower.close()
  return follower
}

export async function statusOf(server: TestServer, batchId: string, init?: RequestInit): Promise<BatchStatus> {
  const response = await server.fetch(`/api/batch/${batchId}`, init)
  return BatchStatus.parse(await response.json())
}

export async function resultsOf(server: TestServer, batchId: string, init?: RequestInit): Promise<MergedResults> {
  const response = await server.fetch(`/api/batch/${batchId}/results`, init)
  return MergedResults.parse(await response.json())
}

/** What an error says, apart from the id of the request, which must be that of the header. */
export async function errorOf(response: Response): Promise<Omit<ErrorBody, 'requestId'> & { status: number }> {
  const { requestId, ...body } = ErrorBody.parse(await response.json())
  if (requestId === undefined || requestId !== response.headers.get('X-Request-Id')) {
    throw new Error(`The error names the request ${requestId}, its header ${response.headers.get('X-Request-Id')}.`)
  }
  return { status: response.status, ...body }
}
