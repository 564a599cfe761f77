/** Streams from generators, and what may stand at the beginning of a text. */

/**
 * A stream of what a generator yields, asked for one by one only as they are read. It fails as the generator does; when it is
 * cancelled the generator returns, its `finally` blocks included.
 */
export function streamOf<T>(values: AsyncGenerator<T>): ReadableStream<T> {
  // `ReadableStream.from` does the same, but the DOM types do not declare it.
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { done, value } = await values.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await values.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

/** U+FEFF in UTF-8, which some programs write before a text. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

/** Passes bytes on, but for a byte order mark that they begin with. */
export async function* withoutByteOrderMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  /** As much of the mark as was seen; null once it is known whether there is one. */
  let seen: number | null = 0
  for await (const chunk of chunks) {
    let at = 0
    while (seen !== null && at < chunk.byteLength) {
      if (chunk[at] === BYTE_ORDER_MARK[seen]) {
        at++
        seen = ++seen === BYTE_ORDER_MARK.length ? null : seen
      } else {
        // A part of it is no mark.
        if (seen > at) yield Uint8Array.from(BYTE_ORDER_MARK.slice(0, seen - at))
        at = 0
        seen = null
      }
    }
    if (at < chunk.byteLength) yield at === 0 ? chunk : chunk.subarray(at)
  }
  if (seen !== null && seen > 0) yield Uint8Array.from(BYTE_ORDER_MARK.slice(0, seen))
}

/**
 * Packs or unpacks chunks. Whoever stops reading ends what goes in, and what still comes out of it is dropped: a CompressionStream or
 * DecompressionStream of Node that is cancelled while it has more to hand on throws where nobody can catch it, and that ends the process
 * (https://github.com/nodejs/node/issues/64529; may be `pipeThrough` alone once that is fixed).
 * @throws what `chunks` throws; a TypeError for what can't be unpacked
 */
export async function* transcode(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  codec: CompressionStream | DecompressionStream,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let stopped = false
  async function* source() {
    try {
      for await (const chunk of chunks) {
        if (stopped) return
        yield chunk
      }
    } catch (error) {
      if (!stopped) throw error
    }
  }
  const reader = streamOf(source()).pipeThrough(codec).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    stopped = true
    // At once over where the end was read, or a fault.
    void drop(reader)
  }
}

async function drop(reader: ReadableStreamDefaultReader<unknown>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // Reading fails where a gzip stream was cut off, since it is incomplete.
  }
}

/** Passes a stream on, and tells `onBytes` of each chunk before it does; what that throws ends the stream, and cancels what it is made of. */
export function countedStream(
  stream: ReadableStream<Uint8Array>,
  onBytes: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  async function* counted() {
    for await (const chunk of stream) {
      onBytes(chunk.byteLength)
      yield chunk
    }
  }
  return streamOf(counted())
}
