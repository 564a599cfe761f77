/** Detects the type of a document by its bytes. The file name decides only between types of plain text, which have no magic number. */
import { MillraceError } from '../../../errors.ts'
import { listZip } from './zip.ts'

/** Supported types of documents. */
export const DOCUMENT_TYPES = [
  'pdf',
  'docx',
  'pptx',
  'epub',
  'eml',
  'html',
  'markdown',
  'csv',
  'json',
  'jsonl',
  'vtt',
  'srt',
  'json3',
  'text',
] as const
export type DocumentType = (typeof DOCUMENT_TYPES)[number]

/** Leading bytes that are searched for magic numbers; a PDF's header may be anywhere within the first kilobyte. */
const HEAD_BYTES = 1024

/** An unsupported type of file. */
interface Kind {
  readonly name: string
  /** Magic numbers as Latin-1; with the prefix `@n:` at byte n. */
  readonly marks: readonly string[]
  /** Advice for the error: the form to send instead. */
  readonly advice: string
}

const RECORDING = 'a recording'
/** Advice where recordings are not transcribed. */
export const NO_SPEECH =
  'This server recognises no speech: send a transcript or captions (VTT, SRT), or have its operator set TRANSCRIBE_BASE_URL or TRANSCRIBE_API_KEY, or install extras/speech (English, on Node)'

const OTHERS: readonly Kind[] = [
  {
    name: 'a file of an old Office program or of Outlook',
    marks: ['\xD0\xCF\x11\xE0'],
    advice: 'Save it as DOCX, PPTX or PDF and send that.',
  },
  { name: 'an RTF file', marks: ['{\\rtf'], advice: 'Save it as DOCX or PDF and send that.' },
  {
    name: 'a picture',
    marks: ['\x89PNG', '\xFF\xD8\xFF', 'GIF87a', 'GIF89a', 'II*\0', 'MM\0*', '@8:WEBP', '@4:ftypheic', '@4:ftypavif'],
    advice: 'Run it through text recognition (OCR) first and send the text or a PDF.',
  },
  {
    name: RECORDING,
    marks: [
      'ID3',
      '\xFF\xFB',
      '\xFF\xF3',
      '\xFF\xF2',
      '\xFF\xF1',
      '\xFF\xF9',
      'OggS',
      'fLaC',
      '\x1A\x45\xDF\xA3',
      '@8:WAVE',
      '@8:AVI ',
      '@4:ftyp',
    ],
    advice: `${NO_SPEECH}.`,
  },
  { name: 'a gzip file', marks: ['\x1F\x8B'], advice: 'Unpack it and send what is in it.' },
  {
    name: 'an archive',
    marks: ['Rar!', '7z\xBC\xAF', 'BZh', '\xFD7zXZ', '\x28\xB5\x2F\xFD'],
    advice: 'Unpack it and send what is in it.',
  },
  { name: 'a program', marks: ['\x7FELF', 'MZ\x90', '\xCA\xFE\xBA\xBE', '\0asm'], advice: 'Send a document.' },
  { name: 'a database', marks: ['SQLite format 3\0'], advice: 'Export its tables as CSV or JSON and send those.' },
]

const BY_EXTENSION: Readonly<Record<string, DocumentType>> = {
  md: 'markdown',
  markdown: 'markdown',
  csv: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  vtt: 'vtt',
  srt: 'srt',
  json3: 'json3',
  html: 'html',
  htm: 'html',
  xhtml: 'html',
  xml: 'html',
  eml: 'eml',
}

const BY_CONTENT_TYPE: Readonly<Record<string, DocumentType>> = {
  'text/markdown': 'markdown',
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/json': 'json',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
  'text/vtt': 'vtt',
  'application/x-subrip': 'srt',
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'message/rfc822': 'eml',
}

/**
 * Detects the type of a file by its bytes; `text` for all types of plain text.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE naming the type and the form to send instead, UNREADABLE_DOCUMENT for an empty or damaged file
 */
export function typeByBytes(bytes: Uint8Array): DocumentType {
  if (bytes.length === 0) throw new MillraceError('UNREADABLE_DOCUMENT', 'This file is empty.')
  const head = headOf(bytes)
  if (head.includes('%PDF-')) return 'pdf'
  if (head.startsWith('PK\x03\x04') || head.startsWith('PK\x05\x06')) return typeOfZip(bytes)
  const other = kindOf(head)
  if (other)
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `This is ${other.name}, which can't be read. ${other.advice}`)
  return 'text'
}

/** Returns true for audio and video. */
export const isRecording = (bytes: Uint8Array): boolean => kindOf(headOf(bytes))?.name === RECORDING

// Not by TextDecoder, whose `latin1` is windows-1252.
const headOf = (bytes: Uint8Array) => String.fromCharCode(...bytes.subarray(0, HEAD_BYTES))

const kindOf = (head: string) => OTHERS.find(({ marks }) => marks.some((mark) => hasMark(head, mark)))

/** Characters of the sample, and the share of control characters from which it counts as binary: old plain text has a form feed a page. */
const BINARY_SAMPLE = 64 * 1024
const MAX_CONTROL_SHARE = 0.02

/** Returns true where a decoded text is binary: it has too many control characters. */
export function looksBinary(text: string): boolean {
  const sample = text.slice(0, BINARY_SAMPLE)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern counts control characters, which texts have next to none of.
  const controls = sample.match(/[\0-\x08\x0E-\x1A\x1C-\x1F\x7F\uFFFD\uFFFE\uFFFF]/g)?.length ?? 0
  return controls > MAX_CONTROL_SHARE * sample.length
}

function hasMark(head: string, mark: string): boolean {
  const [, at, bytes = mark] = /^@(\d):(.*)$/s.exec(mark) ?? []
  return head.startsWith(bytes, Number(at ?? 0))
}

function typeOfZip(bytes: Uint8Array): DocumentType {
  const paths = new Set(listZip(bytes))
  if (paths.has('word/document.xml')) return 'docx'
  if (paths.has('ppt/presentation.xml')) return 'pptx'
  if (paths.has('META-INF/container.xml')) return 'epub'
  const advice = paths.has('xl/workbook.xml')
    ? "This is an Excel workbook, which can't be read. Save each sheet as CSV and send those."
    : paths.has('content.xml')
      ? "This is an OpenDocument file, which can't be read. Save it as DOCX, PPTX or PDF and send that."
      : "This is a ZIP archive, which can't be read. Unpack it and send the documents in it."
  throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', advice)
}

/**
 * Detects the type of a text: by its beginning where that is unambiguous, else by its file name or declared type, else plain.
 * @param filename with its extension
 * @param contentType as declared by a server or an upload
 */
export function typeOfText(text: string, filename: string, contentType: string | undefined): DocumentType {
  const head = text.slice(0, HEAD_BYTES).trimStart()
  if (/^WEBVTT(?:\s|$)/.test(head)) return 'vtt'
  if (/^\d+\r?\n\d\d:\d\d:\d\d[,.]\d{3} --> /.test(head)) return 'srt'
  if (/^\{\s*"wireMagic"\s*:\s*"pb3"/.test(head)) return 'json3'
  if (/^(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)*<(?:!doctype html|html|head|body)[\s>]/i.test(head)) return 'html'
  if (
    /^(?:[A-Za-z-]+:[^\n]*\r?\n(?:[ \t][^\n]*\r?\n)*)*(?:Received|Message-ID|MIME-Version|DKIM-Signature):/i.test(head)
  )
    return 'eml'
  const extension = /\.([a-z0-9]+)$/i.exec(filename)?.[1]?.toLowerCase() ?? ''
  const declared = BY_CONTENT_TYPE[contentType?.split(';')[0]?.trim().toLowerCase() ?? '']
  const named = BY_EXTENSION[extension] ?? declared
  if (named !== undefined) return named
  return /^[[{]/.test(head) && isJson(text) ? 'json' : 'text'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
