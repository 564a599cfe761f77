/** Sends bodies while they are read: when one fails midway, the client must see that it is incomplete. */
import type { Context } from 'hono'
import type { AppDeps, Env } from '../context.ts'

/** Facts about a body that are known before it is read. */
export interface Sending {
  /** Default 200. */
  readonly status?: 200 | 206
  /** Bytes, where known; sent as `Content-Length`. */
  readonly length?: number
}

/**
 * Sends a body as it is read, with the headers set so far. A body that fails, or ends before its announced length, is logged under the
 * request's id, and its connection is aborted: without a clean end HTTP/1.1 and HTTP/2 clients know that something is missing.
 */
export function sendStream(
  c: Context<Env>,
  deps: Pick<AppDeps, 'log' | 'abortResponse'>,
  body: ReadableStream<Uint8Array>,
  { status = 200, length }: Sending = {},
): Response {
  if (length !== undefined) c.header('Content-Length', String(length))
  // Leaves the body unwrapped where the platform itself breaks connections off: it keeps a length only for bodies of its own making.
  if (deps.abortResponse === undefined && length !== undefined) return c.body(body, status)
  return c.body(guarded(c, deps, body, length), status)
}

function guarded(
  c: Context<Env>,
  deps: Pick<AppDeps, 'log' | 'abortResponse'>,
  body: ReadableStream<Uint8Array>,
  length: number | undefined,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  // A client may go away before anything listens to the stream that is returned here: what it holds open is closed all the same.
  const { signal } = c.req.raw
  const close = () => void reader.cancel(signal.reason).catch(() => {})
  if (signal.aborted) close()
  else signal.addEventListener('abort', close)
  let sent = 0
  // Cancelled while a part was being read: the stream is closed already, and the part is dropped.
  let isCancelled = false
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (isCancelled) return
          if (signal.aborted) return controller.close()
          if (done && length !== undefined && sent < length)
            throw new Error(`A body of ${length} bytes ended at ${sent}`)
          if (done) return controller.close()
          sent += value.byteLength
          controller.enqueue(value)
        } catch (error) {
          if (isCancelled) return
          const fields = { err: error, requestId: c.get('requestId'), path: c.req.path }
          deps.log.error(fields, 'an answer broke off in the middle')
          if (deps.abortResponse === undefined) throw error
          deps.abortResponse(c.env)
          controller.close()
        }
      },
      cancel(reason) {
        isCancelled = true
        return reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
