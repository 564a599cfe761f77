/**
 * Bodies of requests on Workers, read on after an early refusal. The platform hangs up on a client whose body was left unread when the answer
 * is there, and many clients then report a broken pipe in place of that answer.
 */

/** A body up to this size is read by the platform itself, in bytes. */
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
  if (body === null || isSmall(request)) return respond(request)
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

function isSmall({ headers }: Request): boolean {
  const length = headers.get('Content-Length')
  return length !== null && !headers.has('Transfer-Encoding') && Number(length) <= MAX_PLATFORM_BYTES
}

/** A body that is handed out as a stream, of which the rest can be read by another. */
class Rest {
  /** Reads when it is asked; cancelling it leaves the body as it is. */
  readonly stream: ReadableStream<Uint8Array>
  readonly #reader: Reader
  /** A read under way; the platform allows one. */
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

  /** Reads what is left, for nothing. Never throws: whoever sent may be gone. */
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
      // It broke off, which whoever read it has heard.
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
