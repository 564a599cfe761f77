/** Fetches a link into the blob store, and reports progress meanwhile, so that a link that hangs is seen to hang. */
import { readableSize } from '../../formats/readable-size.ts'
import { streamOf } from '../../formats/streams.ts'
import type { RunContext } from '../../operation.ts'
import type { BlobInfo, Fetched } from '../../ports.ts'

/** Interval of reports, in milliseconds. */
const REPORT_MS = 1_000
/** Time without a byte after which a download is reported as stuck, in milliseconds. */
const STUCK_MS = 3_000
/** Share of the whole that a link has reached at most before it answers. */
const MOST_WAITING = 0.5

/** A link to be fetched. */
export interface Download {
  readonly url: string
  /** Key of its blob. */
  readonly key: string
  readonly maxBytes: number
  /** Bounds the whole exchange. */
  readonly timeoutMs: number
  /**
   * True where the job keeps the name that it has.
   * @default false
   */
  readonly isNamed?: boolean
}

/**
 * Fetches a link into the blob store, and gives the job the name of the file unless it keeps its own.
 * @param report called with a sentence and the share of the download that is done, from 0 to 1; at once, and every second
 * @returns what was stored, and the head of the answer
 * @throws MillraceError as the Fetcher does
 */
export async function download(
  ctx: RunContext,
  { url, key, maxBytes, timeoutMs, isNamed = false }: Download,
  report: (message: string, share: number) => void,
): Promise<BlobInfo & Pick<Fetched, 'filename' | 'contentType'>> {
  const progress = new DownloadProgress(timeoutMs)
  const reportNow = () => report(progress.message, progress.share)
  const timer = setInterval(reportNow, REPORT_MS)
  reportNow()
  try {
    const limits = { maxBytes, timeoutMs, signal: ctx.signal }
    const { body, size, filename, contentType } = await ctx.fetcher.fetch(url, limits)
    if (filename !== null && !isNamed) ctx.rename(filename)
    progress.answered(size)
    return { ...(await ctx.blobs.put(key, streamOf(progress.count(body)))), filename, contentType }
  } finally {
    clearInterval(timer)
  }
}

/** Progress of a download. Its share grows with each byte, and with time while there is none, so that it never stands still and never goes back. */
class DownloadProgress {
  readonly #timeoutMs: number
  readonly #beganAt = performance.now()
  #answer: { readonly share: number; readonly size: number | null } | null = null
  #bytes = 0
  #movedAt = this.#beganAt

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Notes that the link has answered. @param size bytes to come; null where that is not known */
  answered(size: number | null): void {
    this.#answer = { share: this.#waited * MOST_WAITING, size }
    this.#movedAt = performance.now()
  }

  /** Passes a body on, and counts it. */
  async *count(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#bytes += chunk.byteLength
      this.#movedAt = performance.now()
      yield chunk
    }
  }

  get share(): number {
    if (this.#answer === null) return this.#waited * MOST_WAITING
    const { share, size } = this.#answer
    const done = size === null || size === 0 ? this.#waited : Math.min(1, this.#bytes / size)
    return share + (1 - share) * Math.max(done, this.#waited * MOST_WAITING)
  }

  get message(): string {
    const now = performance.now()
    const limit = Math.round(this.#timeoutMs / 1_000)
    if (this.#answer === null) {
      const seconds = Math.floor((now - this.#beganAt) / 1_000)
      return seconds === 0 ? 'Downloading' : `Downloading: no answer yet (${seconds} of ${limit} seconds)`
    }
    const { size } = this.#answer
    const of = size === null ? '' : ` of ${readableSize(size)}`
    const stuck = now - this.#movedAt
    const since = stuck < STUCK_MS ? '' : `; nothing has come for ${Math.floor(stuck / 1_000)} seconds`
    return `Downloading: ${readableSize(this.#bytes)}${of}${since}`
  }

  /** Share of the time limit that has gone by. */
  get #waited(): number {
    return Math.min(1, (performance.now() - this.#beganAt) / this.#timeoutMs)
  }
}
