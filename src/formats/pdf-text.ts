/**
 * Reads the text of a PDF with its position on the page, a page at a time. Hides pdf.js, and the ways in which text layers encode
 * letters, from the code that reads a document's layout.
 */
import { MillraceError } from '../errors.ts'
import { Placer } from './page-placing.ts'
import { type OpenPdf, openPdf } from './pdf-document.ts'
import { normalizePdfText } from './text-layer.ts'

/** A run of text. Units are points; `y` is the baseline, counted from the top of the page downwards. */
export interface TextItem {
  readonly text: string
  readonly x: number
  readonly y: number
  readonly width: number
  /** Font size. */
  readonly size: number
  /** Name of the font within its document; says only whether two items share one. */
  readonly font: string
}

/** One page: its number from 1, its size in points, and its text, empty where the page holds none (a scan). */
export interface TextPage {
  readonly number: number
  readonly width: number
  readonly height: number
  readonly items: readonly TextItem[]
}

/** A page as it is read, with how many there are, and the letters of all pages so far. */
export interface ReadPage {
  readonly page: TextPage
  readonly pages: number
  readonly letters: number
}

export interface PdfTextOptions {
  /** Checked at each page and between pieces of a page. */
  readonly signal?: AbortSignal
  /** More pages than this are refused. Default: 500. */
  readonly maxPages?: number
  /** Position to begin at: the first page to read, from 1, and the number of letters that the pages before it hold. */
  readonly from?: { readonly page: number; readonly letters: number }
  /** The bytes may be taken over, and are empty afterwards: a large document is then not in memory twice. */
  readonly consume?: boolean
}

/** A page that holds more runs than this is not a document anyone reads. */
const MAX_ITEMS_A_PAGE = 50_000
/** Letters a page may hold, and a document; a dense sheet has some 8,000 a page. */
const MAX_LETTERS_A_PAGE = 400_000
const MAX_LETTERS = 10_000_000
/** A run longer than this is cut: no line of print is. */
const MAX_RUN = 2_000
/** Readers accept a PDF whose header stands within the first kilobyte. */
const HEADER_WITHIN = 1024

type Page = Awaited<ReturnType<OpenPdf['document']['getPage']>>

function hasHeader(bytes: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(bytes.subarray(0, HEADER_WITHIN)).includes('%PDF-')
}

function invalid(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const name = error instanceof Error ? error.name : ''
  if (name === 'PasswordException') {
    return new MillraceError(
      'INVALID_PDF',
      'This PDF is locked with a password. Save an unlocked copy and try again.',
      {
        cause: error,
      },
    )
  }
  return new MillraceError('INVALID_PDF', 'This PDF is damaged and could not be opened. Try downloading it again.', {
    cause: error,
  })
}

/** Takes the bytes for itself. */
async function open(bytes: Uint8Array): Promise<OpenPdf> {
  if (bytes.byteLength === 0) throw new MillraceError('INVALID_PDF', 'This file is empty.')
  if (!hasHeader(bytes)) throw new MillraceError('INVALID_PDF', 'This file is not a PDF.')
  try {
    return await openPdf(bytes)
  } catch (error) {
    throw invalid(error)
  }
}

/** The part of pdf.js's text item that is read here; marked-content items lack it. */
interface RawItem {
  readonly str: string
  readonly transform: readonly number[]
  readonly width: number
  readonly fontName: string
}

function isRawItem(item: object): item is RawItem {
  return 'str' in item && 'transform' in item
}

function toItem(raw: RawItem, placer: Placer): TextItem | null {
  const text = normalizePdfText(raw.str.slice(0, MAX_RUN)).trimEnd()
  if (text.trim() === '') return null
  const [a = 1, b = 0] = raw.transform
  const size = Math.hypot(a, b)
  const lead = text.length - text.trimStart().length
  const indent = text.length === 0 ? 0 : (raw.width * lead) / text.length
  const [x, y] = placer.place(raw.transform, indent, text.length)
  // Text that a broken document gives no finite position or size is visible nowhere.
  if (![x, y, size, raw.width].every(Number.isFinite)) return null
  return { text: text.trimStart(), x, y, width: raw.width - indent, size, font: raw.fontName }
}

/** An abort that comes while pdf.js is at work is noticed at its next piece. */
async function readPage(page: Page, number: number, signal: AbortSignal | undefined): Promise<TextPage> {
  const view = page.getViewport({ scale: 1 })
  const items: TextItem[] = []
  let letters = 0
  const placer = new Placer(view)
  const reader = page.streamTextContent({ includeMarkedContent: false }).getReader()
  for (;;) {
    signal?.throwIfAborted()
    const { done, value } = await reader.read()
    if (done) break
    for (const raw of value.items) {
      const item = isRawItem(raw) ? toItem(raw, placer) : null
      if (!item) continue
      items.push(item)
      letters += item.text.length
    }
    if (items.length > MAX_ITEMS_A_PAGE || letters > MAX_LETTERS_A_PAGE) {
      // Not cancelled, which makes pdf.js fail with an unhandled rejection; closing the document ends its reading too.
      throw new MillraceError('TOO_LARGE', `Page ${number} of this PDF holds more text than can be read.`)
    }
  }
  return placer.upright({ number, width: view.width, height: view.height, items })
}

/**
 * Reads a PDF page by page. Pages without text come with no items; that is a fact about them, not an error.
 * @throws MillraceError INVALID_PDF when the bytes are no PDF, locked or broken, TOO_LARGE beyond `maxPages`; the signal's
 * reason when it aborts
 */
export async function* readPdfText(bytes: Uint8Array, options: PdfTextOptions = {}): AsyncGenerator<ReadPage> {
  const { signal, maxPages = 500, from = { page: 1, letters: 0 }, consume = false } = options
  signal?.throwIfAborted()
  const { document, close } = await open(consume ? bytes : new Uint8Array(bytes))
  try {
    const pages = document.numPages
    if (pages > maxPages) {
      throw new MillraceError('TOO_LARGE', `This PDF has ${pages} pages; at most ${maxPages} can be read.`)
    }
    let { letters } = from
    for (let number = from.page; number <= pages; number++) {
      signal?.throwIfAborted()
      let read: TextPage
      try {
        const page = await document.getPage(number)
        read = await readPage(page, number, signal)
        page.cleanup()
      } catch (error) {
        signal?.throwIfAborted()
        throw invalid(error)
      }
      for (const item of read.items) letters += item.text.length
      if (letters > MAX_LETTERS) throw new MillraceError('TOO_LARGE', 'This PDF holds more text than can be read.')
      yield { page: read, pages, letters }
    }
  } finally {
    await close()
  }
}
