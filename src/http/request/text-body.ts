/** Bodies that are text: unpacked, and in UTF-8, whatever they were sent as. JSON, NDJSON and imports are read from here. */
import type { Context } from 'hono'
import { invalidRequest, MillraceError } from '../../errors.ts'
import {
  type Charset,
  charsetOfMark,
  findCharset,
  parseCharset,
  toUtf8,
  unknownCharset,
} from '../../formats/charsets.ts'
import { gunzip } from '../../formats/gunzip.ts'
import { InvalidTextError } from '../../formats/text-decoder.ts'
import type { Env } from '../context.ts'

const MB = 1024 * 1024

/** Files that are sent for text by mistake, by the bytes that they begin with. */
const KNOWN_FILES: readonly (readonly [name: string, start: readonly number[]])[] = [
  ['gzip (send "Content-Encoding: gzip" with it)', [0x1f, 0x8b]],
  ['a zip file, such as XLSX', [0x50, 0x4b, 0x03, 0x04]],
  ['a PDF', [0x25, 0x50, 0x44, 0x46, 0x2d]],
  ['a file of Excel 97 (XLS)', [0xd0, 0xcf, 0x11, 0xe0]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
]
/** Bytes that suffice to detect the format of a body. */
const START_BYTES = 5

/** The refusal of a Content-Type. */
export function wrongType(c: Context<Env>, taken: string): MillraceError {
  const type = c.req.header('Content-Type') ?? ''
  return new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `${taken}${type === '' ? '' : `, not "${type.slice(0, 100).toWellFormed()}"`}.`,
  )
}

/**
 * True where the body is packed.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for any other Content-Encoding than gzip
 */
export function isPacked(c: Context<Env>): boolean {
  const encoding = c.req.header('Content-Encoding')?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return false
  if (encoding === 'gzip' || encoding === 'x-gzip') return true
  // RFC 9110, section 12.5.3, has a refusal say what would be taken.
  c.header('Accept-Encoding', 'gzip, identity')
  throw new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `A body may be sent with Content-Encoding gzip, or plain, not "${encoding.slice(0, 100)}".`,
  )
}

/**
 * Determines the charset of a body.
 * @param start its first bytes, unpacked
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for a charset that is not taken, and for what is no text
 */
export function charsetOf(c: Context<Env>, start: Uint8Array): Charset {
  const file = KNOWN_FILES.find(([, bytes]) => bytes.every((byte, at) => start[at] === byte))
  if (file !== undefined) throw notText(`is ${file[0]}`)
  const said = parseCharset(c.req.header('Content-Type') ?? '')
  const marked = charsetOfMark(start)
  if (said === null) {
    // A character of ASCII, and the byte that UTF-16 writes beside it.
    if (marked === null && start.length > 1 && (start[0] === 0) !== (start[1] === 0))
      throw notText('looks like UTF-16 without a byte order mark')
    return marked ?? 'utf-8'
  }
  const charset = findCharset(said, start)
  if (charset === null) throw unknownCharset('the body', said)
  if (marked !== null && marked !== charset && charset !== 'windows-1252') {
    throw notText(`begins with the byte order mark of ${marked.toUpperCase()}, and is said to be "${said}"`)
  }
  return charset
}

function notText(what: string): MillraceError {
  return new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `The body ${what}. Taken is text: in UTF-8, or in the charset that its Content-Type names, such as "; charset=utf-16le"; packed with gzip where "Content-Encoding: gzip" says so.`,
  )
}

/** Options for {@link readText}. */
interface TextOptions {
  /** Bytes that the body may hold once it is unpacked, as far as it was seen. Default: what its surface takes. */
  readonly most?: () => number
  /** Gets the charset that the body is read in, before its first chunk comes out. */
  readonly onCharset?: ((charset: Charset) => void) | undefined
  /** The body where it was opened before, with bounds of its own. */
  readonly opened?: OpenedBody
}

/** A body of which the first bytes were read. */
export interface OpenedBody {
  /** Enough of them to detect its format. */
  readonly start: Uint8Array
  /** All of it, unpacked. */
  readonly all: AsyncGenerator<Uint8Array>
}

/**
 * Opens the body, whatever is in it.
 * @param most bytes that it may hold once it is unpacked, as far as it was seen
 * @throws MillraceError as {@link readText} does, but for charsets
 */
export async function openBody(c: Context<Env>, most: () => number): Promise<OpenedBody> {
  const body: ReadableStream<Uint8Array<ArrayBuffer>> = c.req.raw.body ?? new Blob([]).stream()
  return await peek(isPacked(c) ? bounded(unpacked(body), most) : bounded(body, most))
}

/**
 * Reads the body as UTF-8, chunk by chunk.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE as {@link charsetOf} does, and for another Content-Encoding than gzip; INVALID_REQUEST when it
 * is no gzip, or not of its charset; TOO_LARGE beyond `most` bytes, or as `gunzip` does
 */
export async function* readText(
  c: Context<Env>,
  { most = () => c.get('maxBodyBytes') ?? Number.POSITIVE_INFINITY, onCharset, opened }: TextOptions = {},
): AsyncGenerator<Uint8Array> {
  const { start, all } = opened ?? (await openBody(c, most))
  const charset = charsetOf(c, start)
  onCharset?.(charset)
  if (charset === 'utf-8') return yield* all
  try {
    yield* toUtf8(all, charset)
  } catch (error) {
    throw error instanceof InvalidTextError ? invalidRequest('body', `The body is no text: ${error.message}.`) : error
  }
}

/** Reads as many bytes as the detection of a body's format needs. */
async function peek(chunks: AsyncGenerator<Uint8Array>): Promise<OpenedBody> {
  const seen: Uint8Array[] = []
  const start: number[] = []
  while (start.length < START_BYTES) {
    const { done, value } = await chunks.next()
    if (done) break
    seen.push(value)
    start.push(...value.subarray(0, START_BYTES - start.length))
  }
  async function* all() {
    yield* seen
    yield* chunks
  }
  return { start: Uint8Array.from(start), all: all() }
}

async function* unpacked(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  try {
    yield* gunzip(body)
  } catch (error) {
    // DecompressionStream throws a TypeError for bad gzip, also after the first of several gzip files in one.
    if (!(error instanceof TypeError)) throw error
    throw invalidRequest('body', 'The body is not gzip, is cut off, or is several gzip files joined: pack it as one.')
  }
}

async function* bounded(body: AsyncIterable<Uint8Array>, most: () => number): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > most()) throw tooLarge(most())
    yield chunk
  }
  // The limit of some is known only once the first chunk was read, and that chunk may be the whole body.
  if (size > most()) throw tooLarge(most())
}

/** The refusal of a body that is too large. */
export function tooLarge(most: number): MillraceError {
  return new MillraceError('TOO_LARGE', `A body may hold ${Math.round(most / MB).toLocaleString('en')} MB.`)
}
