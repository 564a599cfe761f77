/**
 * Request bodies on Workers, drained after an early refusal. The platform closes the connection when an answer leaves the body unread, and
 * many clients then report a broken pipe instead of that answer.
 */

/** A body of JSON up to this size, in bytes, is read by the platform itself, at once or not at all. */
const MAX_PLATFORM_BYTES = 64 * 1024
/** Bytes of a refused request that are read and dropped; more than the platform lets through by default. */
const MAX_DROPPED_BYTES = 256 * 1024 * 1024
/** Time that a client may go on sending what was refused, in milliseconds. */
const MAX_DROPPING_MS = 30_000

type Reader = ReadableStreamDefaultReader<Uint8Array>
type Read = ReturnType<Reader['read']>

/**
 * Answers a request, and reads what the answer left of its body before it hands the answer over, for a bounded time and size.
 * @param respond is given the request with a body that it may cancel, or stop reading, at any time
 */
export async function answerReadingOn(
  request: Request,
  respond: (request: Request) => Promise<Response>,
): Promise<Response> {
  const { body } = request
  if (body === null) return respond(request)
  if (isReadAtOnce(request)) {
    const response = await respond(request)
    // It may not have arrived yet, however small it is.
    if (!request.bodyUsed && !body.locked) await new Rest(body).drop()
    return response
  }
  const rest = new Rest(body)
  const response = await respond(withBody(request, rest.stream))
  await rest.drop()
  return response
}

/** Copies a request. One of a method that has no body by the Fetch standard is copied without: no route reads it, and no `Request` holds it. */
function withBody(request: Request, body: ReadableStream<Uint8Array>): Request {
  const { method, headers, signal, url } = request
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal })
  const init: RequestInit & { duplex: 'half' } = { body, duplex: 'half' }
  return new Request(request, init)
}

function isReadAtOnce({ headers }: Request): boolean {
  const length = headers.get('Content-Length')
  if (length === null || Number(length) > MAX_PLATFORM_BYTES) return false
  if (headers.has('Transfer-Encoding') || headers.has('Content-Encoding')) return false
  return /^application\/json\b/i.test(headers.get('Content-Type') ?? 'application/json')
}

/** A body that is handed out as a stream, of which the rest can be read by another. */
class Rest {
  /** Reads on demand; cancelling it leaves the body as it is. */
  readonly stream: ReadableStream<Uint8Array>
  readonly #reader: Reader
  /** Pending read; the platform allows one. */
  #reading: Read | null = null
  #ended = false

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader()
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await this.#read()
          if (done) controller.close()
          else controller.enqueue(value)
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Drains the rest of the body. Never throws, since the client may have disconnected. */
  async drop(): Promise<void> {
    const late = Promise.withResolvers<null>()
    const timer = setTimeout(() => late.resolve(null), MAX_DROPPING_MS)
    try {
      for (let bytes = 0; !this.#ended && bytes <= MAX_DROPPED_BYTES; ) {
        const read = await Promise.race([this.#reading ?? this.#read(), late.promise])
        if (read === null) return
        bytes += read.value?.byteLength ?? 0
      }
    } catch {
      // The body broke off; its reader got the error.
    } finally {
      clearTimeout(timer)
    }
  }

  async #read(): Read {
    this.#reading = this.#reader.read()
    try {
      const read = await this.#reading
      this.#ended = read.done
      return read
    } catch (error) {
      this.#ended = true
      throw error
    } finally {
      this.#reading = null
    }
  }
}
