/** The Sink port on a Worker's response: an own ReadableStream. Its `cancel`, or the request's signal, reports that the client disconnected. */
import type { Sink } from '../ports.ts'

/** Approximate number of bytes that wait in memory for one client; the socket holds some more. */
const WAITING_BYTES = 64 * 1024

/**
 * Begins a streamed answer.
 *
 * Where a client goes away the platform may end the whole request, and then nothing more runs, no `finally` either: what a stream uses must
 * be of its request alone, and go with it.
 */
export function openWorkerSink(
  _binding: unknown,
  headers: Readonly<Record<string, string>>,
  request: Request,
): { response: Response; sink: Sink } {
  const sink = new WorkerSink()
  request.signal.addEventListener('abort', () => sink.end())
  return { response: new Response(sink.body, { headers }), sink }
}

class WorkerSink implements Sink {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  #full = false
  #drained: () => void = () => {}
  readonly #closed: (() => void)[] = []

  constructor() {
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => {
          if (!this.#full) return
          this.#full = false
          this.#drained()
        },
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES }),
    )
  }

  write(bytes: Uint8Array): boolean {
    const controller = this.#controller
    if (controller === null) return false
    try {
      if (bytes.byteLength > 0) controller.enqueue(bytes)
    } catch {
      // The stream was cancelled; its `cancel` callback has not run yet.
      this.#close()
      return false
    }
    this.#full = (controller.desiredSize ?? 0) <= 0
    return !this.#full
  }

  onDrain(listener: () => void): void {
    this.#drained = listener
  }

  onClose(listener: () => void): void {
    if (this.#controller === null) listener()
    else this.#closed.push(listener)
  }

  end(): void {
    const controller = this.#controller
    if (controller === null) return
    this.#close()
    try {
      controller.close()
    } catch {
      // Cancelled at the same moment.
    }
  }

  #close(): void {
    if (this.#controller === null) return
    this.#controller = null
    for (const listener of this.#closed.splice(0)) listener()
  }
}
