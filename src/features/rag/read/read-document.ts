/** Reads the bytes of a document of any supported type into blocks. The reader of each type is loaded on demand. */
import { MillraceError } from '../../../errors.ts'
import { writeSegments } from '../transcript/segments.ts'
import type { ReadDocument, Segment } from '../types.ts'
import { BlockWriter } from './block-writer.ts'
import type { Captions } from './captions.ts'
import { decodeText } from './decode-text.ts'
import { type DocumentType, looksBinary, typeByBytes, typeOfText } from './document-type.ts'

/** Metadata that was sent with the bytes. */
export interface DocumentHints {
  /** File name with its extension; also the title where the document has none. */
  readonly filename: string
  /** Declared `Content-Type`, parameters included. */
  readonly contentType?: string
  /** Called after each page of a PDF. */
  readonly onPage?: (page: number, pages: number) => void
}

/** Metadata of a document. */
interface Facts {
  readonly title?: string
  readonly language?: string
  readonly warnings?: readonly string[]
  readonly segments?: readonly Segment[]
}

/**
 * Reads a document.
 * @param bytes may be transferred, and cannot be used afterwards
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for an unsupported type, UNREADABLE_DOCUMENT and INVALID_PDF for a damaged file, NO_TEXT
 * for one without text, TOO_LARGE
 * @example
 * const { title, blocks } = await readDocument(bytes, { filename: 'minutes.docx' })
 */
export async function readDocument(bytes: Uint8Array, hints: DocumentHints): Promise<ReadDocument> {
  const writer = new BlockWriter()
  const facts = await read(bytes, hints, writer)
  if (writer.blocks.length === 0) throw new MillraceError('NO_TEXT', 'There is no text in this document.')
  const title = facts.title || hints.filename
  return {
    title,
    ...(facts.language === undefined ? {} : { language: facts.language }),
    blocks: writer.blocks,
    ...(facts.segments === undefined ? {} : { segments: facts.segments }),
    warnings: facts.warnings ?? [],
  }
}

async function read(bytes: Uint8Array, hints: DocumentHints, writer: BlockWriter): Promise<Facts> {
  const type = typeByBytes(bytes)
  if (type !== 'text') return await guarded(type, () => readBinary(type, bytes, hints, writer))
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(hints.contentType ?? '')?.[1]
  const { text, encoding, isGuess } = decodeText(bytes, charset)
  if (text.trim() === '') return {}
  if (looksBinary(text)) {
    const advice = 'Send a document, such as PDF, DOCX, HTML, Markdown, CSV or plain text.'
    throw new MillraceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `This is a binary file of an unknown kind, which can't be read. ${advice}`,
    )
  }
  const kind = typeOfText(text, hints.filename, hints.contentType)
  // Mail declares the encoding of each of its parts, so its bytes are not decoded here.
  if (kind === 'eml') return await guarded(kind, () => readMail(bytes, writer))
  const facts = await guarded(kind, () => readText(kind, text, writer))
  const guess = `Read as ${encoding}, which it looks like, because nothing in it says. Where letters are wrong, save it as UTF-8.`
  return isGuess ? { ...facts, warnings: [guess, ...(facts.warnings ?? [])] } : facts
}

async function readBinary(
  type: DocumentType,
  bytes: Uint8Array,
  hints: DocumentHints,
  writer: BlockWriter,
): Promise<Facts> {
  if (type === 'pdf') return { warnings: await (await import('./pdf.ts')).readPdf(bytes, writer, hints.onPage) }
  if (type === 'docx') return (await import('./docx.ts')).readDocx(bytes, writer)
  if (type === 'pptx') return (await import('./pptx.ts')).readPptx(bytes, writer)
  return (await import('./epub.ts')).readEpub(bytes, writer)
}

async function readMail(bytes: Uint8Array, writer: BlockWriter): Promise<Facts> {
  return (await import('./eml.ts')).readEml(bytes, writer)
}

async function readText(type: DocumentType, text: string, writer: BlockWriter): Promise<Facts> {
  switch (type) {
    case 'html':
      return (await import('./html.ts')).readHtml(text, writer)
    case 'markdown':
      return (await import('./markdown.ts')).readMarkdown(text, writer)
    case 'csv':
      return { warnings: (await import('./rows.ts')).readCsv(text, writer) }
    case 'vtt':
    case 'srt':
      return write(await (await import('./captions.ts')).readCaptions(text, type), writer)
    case 'json3':
      return write((await import('./captions.ts')).readJson3(text), writer)
    case 'json':
      ;(await import('./rows.ts')).readJson(text, writer)
      return {}
    case 'jsonl':
      ;(await import('./rows.ts')).readJsonLines(text, writer)
      return {}
    default:
      ;(await import('./plain-text.ts')).readPlainText(text, writer)
      return {}
  }
}

function write(captions: Captions, writer: BlockWriter): Facts {
  writeSegments(captions.segments, writer)
  return captions
}

/** Runs a reader. Errors of libraries on damaged files are replaced by one that advises the caller. */
async function guarded(type: DocumentType, work: () => Promise<Facts>): Promise<Facts> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError(
      'UNREADABLE_DOCUMENT',
      `This ${type.toUpperCase()} file is damaged and could not be read. Open it and save it again, then send it once more.`,
      { cause },
    )
  }
}
