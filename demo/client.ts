/** The demo's side of the heat-sheet surface: hands documents over, follows them, fetches what came of them. */
import { EventSource } from 'eventsource'
import { ZodError, type z } from 'zod'
import { BatchEvent, BatchStatus } from '../src/features/batches/follow-schemas.ts'
import { ExtractAccepted, MergedResults } from '../src/features/heat-sheets/schemas.ts'
import { ErrorBody } from '../src/http/response/error-bodies.ts'
import type { DemoDocument } from './meet.ts'

/** What went wrong, in a sentence that says what to do. */
export class DemoError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DemoError'
  }
}

const EVENTS = ['batch_started', 'job_progress', 'job_completed', 'job_failed', 'batch_completed'] as const

async function call<T extends z.ZodType>(schema: T, url: URL, init?: RequestInit): Promise<z.infer<T>> {
  const response = await fetch(url, init).catch((cause: unknown) => {
    throw new DemoError(
      `The server at ${url.origin} does not answer. See what it says above, and start the demo again.`,
      { cause },
    )
  })
  const text = await response.text()
  if (!response.ok) throw new DemoError(whatFailed(response.status, text, url))
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    if (!(cause instanceof ZodError || cause instanceof SyntaxError)) throw cause
    const message = `${url.pathname} answered in a shape that this demo does not know. Is another program on ${url.origin}? Set PORT to a free port.`
    throw new DemoError(message, { cause })
  }
}

function whatFailed(status: number, text: string, url: URL): string {
  try {
    const { message, error } = ErrorBody.parse(JSON.parse(text))
    return `The server refused ${url.pathname} (${status} ${error}). ${message}`
  } catch {
    return `The server answered ${url.pathname} with ${status} and no reason. Its log, LOG_LEVEL=debug npm run demo, says more.`
  }
}

/** A client of one server. */
export class DemoClient {
  readonly #base: string

  /** @param base where the server is: `http://127.0.0.1:8000` */
  constructor(base: string) {
    this.#base = base
  }

  /** Hands over documents to be searched for a swimmer. */
  async submit(swimmer: string, documents: readonly DemoDocument[]): Promise<ExtractAccepted> {
    const form = new FormData()
    form.set('swimmer', swimmer)
    for (const { filename, bytes } of documents) {
      form.append('pdfs', new Blob([new Uint8Array(bytes)], { type: 'application/pdf' }), filename)
    }
    return call(ExtractAccepted, this.url('/api/batch/extract'), { method: 'POST', body: form })
  }

  /** How a batch stands. */
  status(batchId: string): Promise<BatchStatus> {
    return call(BatchStatus, this.url(`/api/batch/${batchId}`))
  }

  /** The schedule merged from all documents. */
  results(batchId: string): Promise<MergedResults> {
    return call(MergedResults, this.url(`/api/batch/${batchId}/results`))
  }

  /** Tells of each event until the batch has ended. */
  follow(streamUrl: string, tell: (event: BatchEvent) => void): Promise<void> {
    const source = new EventSource(this.url(streamUrl))
    return new Promise<void>((resolve, reject) => {
      const take = ({ data }: MessageEvent<string>) => {
        try {
          const event = BatchEvent.parse(JSON.parse(data))
          tell(event)
          if (event.type === 'batch_completed') resolve()
        } catch (cause) {
          reject(
            new DemoError(
              'The stream sent an event that this demo does not know. Are server and demo of one version?',
              { cause },
            ),
          )
        }
      }
      for (const type of EVENTS) source.addEventListener(type, take)
      // The state as a whole, sent instead of events that are no longer kept: the caller asks for it anyway.
      source.addEventListener('resync', () => resolve())
      source.addEventListener('error', ({ code }) => {
        if (source.readyState !== EventSource.CLOSED) return
        // 204: the batch has ended and everything was told.
        if (code === 204) resolve()
        else
          reject(
            new DemoError(
              `The stream was refused${code === undefined ? '' : ` with ${code}`}. Poll GET /api/batch/{id} instead, or start the demo again.`,
            ),
          )
      })
    }).finally(() => source.close())
  }

  /** An address on the server. */
  url(path: string): URL {
    return new URL(path, this.#base)
  }
}
