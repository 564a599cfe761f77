/** Reads PDFs: assembles paragraphs and headings from lines, page by page. */
import { MillraceError } from '../../../errors.ts'
import { readPdfText } from '../../../formats/pdf-text.ts'
import type { BlockWriter } from './block-writer.ts'
import { type PrintedLine, printedLines } from './pdf-lines.ts'
import { withoutRunningHeads } from './pdf-running-heads.ts'

/** Most pages of one document. */
export const MAX_PAGES = 2_000
/** Ratio of a heading's font size to the most frequent one. */
const HEADING_SIZE = 1.15
const MAX_HEADING_LETTERS = 200
/** Distance of lines, by their font size, from which a paragraph ends. */
const PARAGRAPH_GAP = 1.75
/** Indent of a first line, by its font size, that begins a paragraph. */
const INDENT = 0.8
/** Distance of a line's end from the widest line, by its font size, that may end a paragraph. */
const SHORT_LINE = 6

/**
 * Reads a PDF. Running headers and footers are left out.
 * @param onPage called after each page that was read
 * @returns warnings: pages without text
 * @throws MillraceError INVALID_PDF, TOO_LARGE, NO_TEXT where no page holds text
 */
export async function readPdf(
  bytes: Uint8Array,
  writer: BlockWriter,
  onPage: (page: number, pages: number) => void = () => {},
): Promise<string[]> {
  const pages: PrintedLine[][] = []
  for await (const { page, pages: all } of readPdfText(bytes, { maxPages: MAX_PAGES, consume: true })) {
    pages.push(printedLines(page))
    onPage(page.number, all)
  }
  const empty = pages.flatMap((lines, index) => (lines.length === 0 ? [index + 1] : []))
  if (empty.length === pages.length) {
    throw new MillraceError(
      'NO_TEXT',
      'This PDF holds pictures of pages and no text. Run it through text recognition (OCR) first and send the result.',
    )
  }
  const sizes = new FontSizes(pages)
  for (const [index, lines] of withoutRunningHeads(pages).entries()) {
    writer.moveTo({ page: index + 1 })
    writePage(lines, sizes, writer)
  }
  return empty.length === 0 ? [] : [`No text on ${pageList(empty)}: pictures or empty pages, which were not read.`]
}

function writePage(lines: readonly PrintedLine[], sizes: FontSizes, writer: BlockWriter): void {
  let open: PrintedLine[] = []
  const flush = () => {
    const [first] = open
    if (first === undefined) return
    const text = joinPrinted(open.map((line) => line.text))
    const level = text.length <= MAX_HEADING_LETTERS ? sizes.headingLevel(first.size) : null
    if (level === null) writer.paragraph(text)
    else writer.heading(level, text)
    open = []
  }
  for (const line of lines) {
    if (beginsParagraph(line, open)) flush()
    open.push(line)
  }
  flush()
}

function beginsParagraph(line: PrintedLine, open: readonly PrintedLine[]): boolean {
  const last = open.at(-1)
  if (last === undefined) return false
  const gap = line.y - last.y
  if (Math.abs(line.size - last.size) > 0.1 * last.size || gap > PARAGRAPH_GAP * Math.max(line.size, last.size))
    return true
  // The next column of the same text: a paragraph continues unless the last line ended a sentence.
  if (gap < 0) return endsSentence(last.text)
  const isIndented = line.x - last.x > INDENT * line.size && open.length > 1
  const widest = Math.max(...open.map((other) => other.right))
  return (isIndented || widest - last.right > SHORT_LINE * last.size) && endsSentence(last.text)
}

function endsSentence(text: string): boolean {
  return /[.!?:…。！？][\])"'”’»]*$/.test(text)
}

/** Joins printed lines, without the hyphen of a word divided at a line's end, unless the next line begins with a capital. */
function joinPrinted(lines: readonly string[]): string {
  let text = ''
  for (const line of lines) {
    if (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line)) text = text.slice(0, -1) + line
    else text = text === '' ? line : `${text} ${line}`
  }
  return text
}

/** Font sizes of a document: the most frequent one, of the text, and the larger ones, of headings. */
class FontSizes {
  readonly #body: number
  readonly #larger: readonly number[]

  constructor(pages: readonly (readonly PrintedLine[])[]) {
    const letters = new Map<number, number>()
    for (const { size, text } of pages.flat()) letters.set(round(size), (letters.get(round(size)) ?? 0) + text.length)
    const bySize = [...letters].sort((a, b) => b[1] - a[1])
    this.#body = bySize[0]?.[0] ?? 0
    this.#larger = bySize
      .map(([size]) => size)
      .filter((size) => size >= this.#body * HEADING_SIZE)
      .sort((a, b) => b - a)
  }

  /** Returns the level of a heading of this size, 1 to 6; null for the size of text. */
  headingLevel(size: number): number | null {
    const at = this.#larger.indexOf(round(size))
    return at < 0 ? null : Math.min(at + 1, 6)
  }
}

function round(size: number): number {
  return Math.round(size * 2) / 2
}

/** Formats page numbers: `page 3` or `pages 3, 5–8`. */
function pageList(pages: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const page of pages) {
    const last = ranges.at(-1)
    if (last && last[1] === page - 1) last[1] = page
    else ranges.push([page, page])
  }
  const texts = ranges.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`))
  return `${pages.length === 1 ? 'page' : 'pages'} ${texts.join(', ')}`
}
