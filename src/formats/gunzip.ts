/** Unpacks gzip while it streams by, within bounds: a megabyte of it may otherwise become a gigabyte. */
import { MillraceError } from '../errors.ts'
import { transcode } from './streams.ts'

const MB = 1024 * 1024

/** Bytes that a body may unpack to. */
export const MAX_UNPACKED_BYTES = 1_024 * MB
/** Times that a body may grow when it is unpacked. Text that people write packs to a tenth, lists of numbers to a fiftieth. */
export const MAX_GZIP_RATIO = 100
/** Bytes that a body may unpack to whatever its ratio: small bodies of equal lines are harmless. */
const RATIO_FREE_BYTES = 16 * MB
/** Bytes that are handed to the decompressor at once, which may make a thousand times as many of them before it can be stopped. */
const PIECE_BYTES = 4 * 1024

/**
 * Unpacks a body.
 * @throws what DecompressionStream throws (a TypeError) when it is no gzip; MillraceError TOO_LARGE beyond `MAX_UNPACKED_BYTES`, or beyond
 * `MAX_GZIP_RATIO` times what was read of it and 16 MB
 */
export async function* gunzip(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  let packed = 0
  let unpacked = 0
  async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
        const piece = chunk.slice(at, at + PIECE_BYTES)
        packed += piece.byteLength
        yield piece
      }
    }
  }
  for await (const chunk of transcode(pieces(), new DecompressionStream('gzip'))) {
    unpacked += chunk.byteLength
    if (unpacked > MAX_UNPACKED_BYTES) throw tooLarge(`1,024 MB, and this one unpacks to more`)
    if (unpacked > RATIO_FREE_BYTES && unpacked > packed * MAX_GZIP_RATIO) {
      throw tooLarge(`${MAX_GZIP_RATIO} times of its size beyond 16 MB, and this one unpacks to more`)
    }
    yield chunk
  }
}

function tooLarge(bound: string): MillraceError {
  return new MillraceError(
    'TOO_LARGE',
    `A body that is packed with gzip may unpack to ${bound}. Nothing of it was kept.`,
  )
}
