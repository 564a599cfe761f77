/** Parts of a workbook (ISO/IEC 29500, "Office Open XML"): reading their XML, and how they name one another. */
import { MillraceError } from '../../errors.ts'
import { readAttributes, XmlError, type XmlHandlers, XmlScanner } from '../xml-scanner.ts'
import { type ZipArchive, ZipError } from '../zip-archive.ts'

/** A part as another names it. */
export interface Relation {
  readonly id: string
  /** Last word of its type: `worksheet`, `styles`. Its beginning differs between editions of the standard. */
  readonly type: string
  readonly path: string
}

/** Characters of XML that are read at once. */
const PIECE = 65_536
/** Characters of a part that is read whole, such as the list of sheets. */
const MAX_SMALL_PART = 32_000_000

/**
 * Reads a part piece by piece.
 * @param atMost characters of it
 * @returns yields nothing, once after each piece, so that the caller may take what the handlers found
 * @throws ZipError, also for what is no XML; MillraceError TOO_LARGE
 */
export async function* scanPart(
  archive: ZipArchive,
  path: string,
  handlers: XmlHandlers,
  atMost = MAX_SMALL_PART,
): AsyncGenerator<void> {
  const scanner = new XmlScanner(handlers)
  let size = 0
  const named = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      if (error instanceof XmlError) throw new ZipError(`is damaged: its part "${path}" ${error.message}`)
      throw error
    }
  }
  for await (const text of decoded(archive.read(path), path)) {
    size += text.length
    if (size > atMost) throw new MillraceError('TOO_LARGE', `The part "${path}" of the workbook is too large.`)
    for (let at = 0; at < text.length; at += PIECE) {
      named(() => scanner.push(text.slice(at, at + PIECE)))
      yield
    }
  }
  named(() => scanner.end())
}

/** Reads a part to its end. */
export async function readPart(archive: ZipArchive, path: string, handlers: Partial<XmlHandlers>): Promise<void> {
  const none = () => {}
  const all = { open: none, text: none, close: none, ...handlers }
  for await (const _ of scanPart(archive, path, all));
}

/** XML is UTF-8, or UTF-16 with a mark; programs write nothing else. */
async function* decoded(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string> {
  let decoder: TextDecoder | null = null
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk === undefined ? decoder?.decode() : decoder?.decode(chunk, { stream: true })
    } catch {
      throw new ZipError(`is damaged: its part "${path}" is no text`)
    }
  }
  for await (const chunk of chunks) {
    if (chunk.byteLength === 0) continue
    const isWide = (chunk[0] === 0xff && chunk[1] === 0xfe) || (chunk[0] === 0xfe && chunk[1] === 0xff)
    decoder ??= new TextDecoder(!isWide ? 'utf-8' : chunk[0] === 0xff ? 'utf-16le' : 'utf-16be', { fatal: true })
    yield decode(chunk) ?? ''
  }
  yield decode() ?? ''
}

/** The parts that a part names; none where it names none. */
export async function readRelations(archive: ZipArchive, path: string): Promise<Relation[]> {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const rels = `${folder}_rels/${path.slice(folder.length)}.rels`
  const found: Relation[] = []
  if (!archive.has(rels)) return found
  await readPart(archive, rels, {
    open(name, attributes) {
      if (name !== 'Relationship') return
      const said = attributesOf(attributes)
      if (said.TargetMode === 'External') return
      const target = decodePath(new URL(said.Target ?? '', `zip:///${folder}`).pathname).slice(1)
      found.push({ id: said.Id ?? '', type: (said.Type ?? '').replace(/^.*\//, ''), path: target })
    },
  })
  return found
}

/** Attributes by their names, without prefixes. */
export function attributesOf(attributes: string): Record<string, string | undefined> {
  const found: [string, string][] = []
  readAttributes(attributes, (name, value) => found.push([name, value]))
  return Object.fromEntries(found)
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
