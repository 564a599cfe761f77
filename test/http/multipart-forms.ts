/** Forms made by hand, and what reading them gives: shared by the tests of multipart. */
import { MillraceError } from '../../src/errors.ts'
import { type MultipartLimits, readMultipart } from '../../src/http/request/multipart.ts'

/** Small limits, so that small forms reach them. */
export const LIMITS: MultipartLimits = { maxFieldBytes: 1024, maxFileBytes: 1024 * 1024, maxParts: 10 }
export const MB = 1024 * 1024

/** What a handler was given. */
export type Seen =
  | { field: string; value: string }
  | { file: string; filename: string; contentType: string; text: string }

export const bytesOf = (text: string) => new TextEncoder().encode(text)

/** A request with this body; an iterable is sent chunk by chunk, only as it is read. */
export function requestOf(
  body: BodyInit | Iterable<Uint8Array>,
  boundary = 'XX',
  headers: Record<string, string> = {},
) {
  // Node wants `duplex` for streams; the types of the DOM don't know it.
  const init: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...headers },
    body: isChunks(body) ? streamOf(body) : body,
    duplex: 'half',
  }
  return new Request('http://localhost/', init)
}

function isChunks(body: BodyInit | Iterable<Uint8Array>): body is Iterable<Uint8Array> {
  return (
    typeof body === 'object' && Symbol.iterator in body && !(body instanceof Uint8Array || body instanceof FormData)
  )
}

function streamOf(chunks: Iterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = chunks[Symbol.iterator]()
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const next = iterator.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value.slice())
      },
      cancel: () => void iterator.return?.(),
    },
    { highWaterMark: 0 },
  )
}

/** Reads a form whole and gives its parts in order. */
export async function seenIn(request: Request, limits = LIMITS): Promise<Seen[]> {
  const seen: Seen[] = []
  await readMultipart(request, limits, {
    onField: (field, value) => void seen.push({ field, value }),
    onFile: async ({ name, filename, contentType, body }) => {
      seen.push({ file: name, filename, contentType, text: await new Response(body).text() })
    },
  })
  return seen
}

/** The MillraceError that a promise fails with; throws when it does anything else. */
export async function errorOf(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => new Error('did not fail'),
    (thrown: unknown) => thrown,
  )
  if (error instanceof MillraceError) return error
  throw error
}

/** One part, of the boundary XX. */
export const part = (disposition: string, content: string, more = '') =>
  `--XX\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${content}\r\n`
/** A form of one file. */
export const fileForm = (content: string, end = '--XX--\r\n') =>
  `${part('form-data; name="f"; filename="a.bin"', content)}${end}`
