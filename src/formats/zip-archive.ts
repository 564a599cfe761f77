/**
 * Reads entries of a ZIP archive that lies in a store, one at a time and streamed, so that no more of it than a few kilobytes is in memory.
 * fflate unpacks; its own readers of archives want the whole file in memory, or trust the headers within the file. To be deleted once it
 * reads by ranges.
 */
import { Inflate } from 'fflate'
import { MillraceError } from '../errors.ts'
import { yieldToEventLoop } from './event-loop.ts'

const MB = 1024 * 1024
const MAX_ENTRIES = 10_000
/** Bytes of the directory, which is read whole. */
const MAX_DIRECTORY_BYTES = 4 * MB
/** Bytes that one entry may unpack to. */
const MAX_ENTRY_BYTES = 1_024 * MB
/** Times that an entry may grow when it is unpacked, beyond `RATIO_FREE_BYTES`. */
const MAX_RATIO = 100
const RATIO_FREE_BYTES = 16 * MB
/** Bytes that are unpacked at once, which may become a thousand times as many. */
const PIECE_BYTES = 4 * 1024
/** Bytes unpacked before yielding to the event loop. */
const TURN_BYTES = 128 * 1024

const END_BYTES = 22
const MAX_COMMENT_BYTES = 65_535
const LOCATOR_BYTES = 20
const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const ZIP64_EXTRA = 1

/** Bytes of an archive, wherever they are. */
export interface ZipSource {
  readonly size: number
  read(offset: number, length: number): Promise<ReadableStream<Uint8Array>>
}

/** A file within an archive, as its directory says. */
interface ZipEntry {
  readonly offset: number
  readonly packed: number
  readonly unpacked: number
  readonly method: number
  readonly crc: number
  readonly isEncrypted: boolean
}

/** An archive that was cut off, changed on its way, or is none. The message completes "The file". */
export class ZipError extends Error {}

/** An archive whose directory was read. */
export class ZipArchive {
  readonly #source: ZipSource
  readonly #entries: ReadonlyMap<string, ZipEntry>

  private constructor(source: ZipSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source
    this.#entries = entries
  }

  /**
   * Reads the directory of an archive.
   * @throws ZipError; MillraceError TOO_LARGE beyond 10,000 entries
   */
  static async open(source: ZipSource): Promise<ZipArchive> {
    const { entries, offset, bytes } = await findDirectory(source)
    if (entries > MAX_ENTRIES || bytes > MAX_DIRECTORY_BYTES) throw tooLarge('holds more than 10,000 files')
    if (offset + bytes > source.size) throw cutOff()
    return new ZipArchive(source, parseDirectory(await readAll(source, offset, bytes), entries))
  }

  /** True where there is an entry of that path; letters of either case are the same. */
  has(path: string): boolean {
    return this.#entries.has(path.toLowerCase())
  }

  /**
   * Unpacks an entry while it is read, and yields to the event loop in between.
   * @throws ZipError where there is none, it is encrypted, or it is not what was packed; MillraceError TOO_LARGE beyond 1 GB, or 100 times its
   * size and 16 MB
   */
  async *read(path: string): AsyncGenerator<Uint8Array> {
    const entry = this.#entries.get(path.toLowerCase())
    if (entry === undefined) throw new ZipError(`lacks its part "${path}"`)
    if (entry.isEncrypted) throw new ZipError('is encrypted; save it without a password')
    if (entry.method !== 0 && entry.method !== 8) throw new ZipError(`packs "${path}" in a way that is not read`)
    refuseBomb(entry.unpacked, entry.packed)
    const check = new Checksum()
    let sinceTurn = 0
    for await (const piece of unpack(packedBytes(this.#source, entry), entry, path)) {
      check.push(piece)
      if (check.bytes > entry.unpacked) throw damaged(path)
      yield piece
      sinceTurn += piece.byteLength
      if (sinceTurn < TURN_BYTES) continue
      sinceTurn = 0
      await yieldToEventLoop()
    }
    if (check.bytes !== entry.unpacked || check.value !== entry.crc) throw damaged(path)
  }
}

function refuseBomb(unpacked: number, packed: number): void {
  if (unpacked > MAX_ENTRY_BYTES) throw tooLarge('unpacks to more than 1,024 MB')
  if (unpacked > RATIO_FREE_BYTES && unpacked > packed * MAX_RATIO) {
    throw tooLarge(`unpacks to more than ${MAX_RATIO} times of its size beyond 16 MB`)
  }
}

async function* unpack(packed: AsyncIterable<Uint8Array>, entry: ZipEntry, path: string): AsyncGenerator<Uint8Array> {
  if (entry.method === 0) return yield* packed
  const out: Uint8Array[] = []
  const inflate = new Inflate((chunk) => out.push(chunk))
  const push = (piece: Uint8Array, isLast: boolean) => {
    try {
      inflate.push(piece, isLast)
    } catch {
      throw damaged(path)
    }
    return out.splice(0)
  }
  let seen = 0
  for await (const chunk of packed) {
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES)
      seen += piece.byteLength
      yield* push(piece, seen === entry.packed)
    }
  }
}

/** The bytes of an entry as they lie in the archive, behind its local header, whose length only it says. */
async function* packedBytes(source: ZipSource, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  const header = viewOf(await readAll(source, entry.offset, LOCAL_BYTES))
  if (header.getUint32(0, true) !== 0x04034b50) throw cutOff()
  const offset = entry.offset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true)
  if (offset + entry.packed > source.size) throw cutOff()
  if (entry.packed === 0) return
  let seen = 0
  for await (const chunk of await source.read(offset, entry.packed)) {
    seen += chunk.byteLength
    yield chunk
  }
  if (seen !== entry.packed) throw cutOff()
}

/** Finds the directory by the record at the end of the file, behind which there may be a comment. */
async function findDirectory(source: ZipSource): Promise<{ entries: number; offset: number; bytes: number }> {
  const length = Math.min(source.size, LOCATOR_BYTES + END_BYTES + MAX_COMMENT_BYTES)
  const tail = viewOf(await readAll(source, source.size - length, length))
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== 0x06054b50) continue
    if (at + END_BYTES + tail.getUint16(at + 20, true) > length) continue
    const isZip64 = at >= LOCATOR_BYTES && tail.getUint32(at - LOCATOR_BYTES, true) === 0x07064b50
    if (isZip64) return findDirectory64(source, wide(tail, at - LOCATOR_BYTES + 8))
    return {
      entries: tail.getUint16(at + 10, true),
      bytes: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    }
  }
  throw cutOff()
}

async function findDirectory64(
  source: ZipSource,
  at: number,
): Promise<{ entries: number; offset: number; bytes: number }> {
  const record = viewOf(await readAll(source, at, 56))
  if (record.getUint32(0, true) !== 0x06064b50) throw cutOff()
  return { entries: wide(record, 32), bytes: wide(record, 40), offset: wide(record, 48) }
}

function parseDirectory(bytes: Uint8Array, count: number): Map<string, ZipEntry> {
  const view = viewOf(bytes)
  const entries = new Map<string, ZipEntry>()
  for (let at = 0, left = count; left > 0; left--) {
    if (at + CENTRAL_BYTES > bytes.byteLength || view.getUint32(at, true) !== 0x02014b50) throw cutOff()
    const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true)
    const extraEnd = nameEnd + view.getUint16(at + 30, true)
    if (extraEnd > bytes.byteLength) throw cutOff()
    const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL_BYTES, nameEnd)).toLowerCase()
    if (entries.has(name)) throw new ZipError(`holds "${name}" twice`)
    entries.set(name, parseEntry(view, at, nameEnd, extraEnd))
    at = extraEnd + view.getUint16(at + 32, true)
  }
  return entries
}

function parseEntry(view: DataView, at: number, extraAt: number, extraEnd: number): ZipEntry {
  const entry = {
    isEncrypted: (view.getUint16(at + 8, true) & 1) !== 0,
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    packed: view.getUint32(at + 20, true),
    unpacked: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true),
  }
  // Sizes that 32 bits do not hold stand in a field of their own, those alone, in this order.
  for (let field = extraAt; field + 4 <= extraEnd; ) {
    const end = field + 4 + view.getUint16(field + 2, true)
    let from = field + 4
    for (const name of ['unpacked', 'packed', 'offset'] as const) {
      if (view.getUint16(field, true) !== ZIP64_EXTRA || entry[name] !== 0xffffffff || from + 8 > end) continue
      if (from + 8 > extraEnd) throw cutOff()
      entry[name] = wide(view, from)
      from += 8
    }
    field = end
  }
  return entry
}

async function readAll(source: ZipSource, offset: number, length: number): Promise<Uint8Array> {
  if (offset < 0 || offset + length > source.size) throw cutOff()
  if (length === 0) return new Uint8Array()
  const bytes = new Uint8Array(await new Response(await source.read(offset, length)).arrayBuffer())
  if (bytes.byteLength !== length) throw cutOff()
  return bytes
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength)

function wide(view: DataView, at: number): number {
  const number = Number(view.getBigUint64(at, true))
  if (!Number.isSafeInteger(number)) throw cutOff()
  return number
}

/** Computes the CRC-32 and the length of an unpacked entry, to be compared with those of the directory. */
class Checksum {
  bytes = 0
  #crc = 0xffffffff

  push(chunk: Uint8Array): void {
    let crc = this.#crc
    for (let at = 0; at < chunk.byteLength; at++) crc = (CRC[(crc ^ (chunk[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
    this.#crc = crc
    this.bytes += chunk.byteLength
  }

  get value(): number {
    return ~this.#crc >>> 0
  }
}

const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

const cutOff = () => new ZipError('is damaged or was cut off')
const damaged = (path: string) => new ZipError(`is damaged: its part "${path}" can't be unpacked`)
const tooLarge = (what: string) => new MillraceError('TOO_LARGE', `The file ${what}. Nothing of it was kept.`)
