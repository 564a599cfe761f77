/** Streams from generators, and what may stand at the beginning of a text. */
import { yieldToEventLoop } from './event-loop.ts'

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
 * Packs or unpacks chunks. A chunk goes in only when nothing comes out any more: the DecompressionStream of workerd knows no backpressure, and
 * would unpack all it is given into memory before the first read. So each chunk that goes in also takes an iteration of the event loop.
 *
 * A reader that stops early ends the input, and the rest of the output is dropped: a CompressionStream or DecompressionStream of Node that
 * is cancelled while it has more output throws where the error cannot be caught, which ends the process
 * (https://github.com/nodejs/node/issues/64529; may be cancelled once that is fixed).
 * @throws what `chunks` throws; a TypeError for what can't be unpacked
 */
export async function* transcode(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  codec: CompressionStream | DecompressionStream,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const source = chunks[Symbol.asyncIterator]()
  const writer = codec.writable.getWriter()
  const reader = codec.readable.getReader()
  // A write that fails makes the read fail as well.
  const quietly = (writing: Promise<unknown>) => writing.catch(() => {})
  const turn = sharedTurn()
  let isFed = false
  let isWriting = false
  let written = Promise.resolve()
  try {
    for (;;) {
      const read = settling(reader.read())
      while (!isFed && !(await read.settlesSoon(turn))) {
        // A write may wait until more was read.
        if (!isWriting) {
          const { done, value } = await source.next()
          isFed = done === true
          isWriting = true
          written = quietly(isFed ? writer.close() : writer.write(value)).then(() => {
            isWriting = false
          })
        }
        await Promise.race([written, read.ended])
      }
      const { done, value } = await read.promise
      if (done) return
      yield value
    }
  } finally {
    if (!isFed) {
      void quietly(writer.close())
      await source.return?.()
    }
    // At once over where the end was read, or a fault.
    void drop(reader)
  }
}

/** Wraps a promise to find out if it is settled, or will be within an iteration of the event loop. */
function settling<T>(promise: Promise<T>) {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  const ended = promise.then(settle, settle)
  return {
    promise,
    ended,
    /** @param turn waits for an iteration of the event loop, which may have begun before the promise */
    async settlesSoon(turn: () => Promise<void>): Promise<boolean> {
      for (let turns = 0; turns < 2 && !isSettled; turns++) await Promise.race([ended, turn()])
      return isSettled
    },
  }
}

/** Waits for the current iteration of the event loop, with one timer for all callers. */
function sharedTurn(): () => Promise<void> {
  let turn: Promise<void> | null = null
  return () => {
    turn ??= yieldToEventLoop().finally(() => {
      turn = null
    })
    return turn
  }
}

async function drop(reader: ReadableStreamDefaultReader<unknown>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // Reading fails where a gzip stream was cut off, since it is incomplete.
  }
}

/** Passes a stream on and calls `onBytes` before each chunk; an error of that ends the stream and cancels its source. */
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
