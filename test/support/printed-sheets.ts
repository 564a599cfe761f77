/** Prints invented sheets as PDFs for tests of the reader: every cell set where it is told, in a real font, and reads them back. */
import PDFDocument from 'pdfkit'
import { readSheet } from '../../src/features/heat-sheets/parser/parse.ts'
import type { Reading } from '../../src/features/heat-sheets/parser/reader.ts'
import type { Sheet } from '../../src/features/heat-sheets/parser/sheet.ts'
import { readPdfText, type TextPage } from '../../src/formats/pdf-text.ts'

/** Text at its left edge, or at its right one. */
export type Cell = readonly [x: number, text: string, flush?: 'right' | 'centre']
/** One line. */
export type PrintedLine = readonly Cell[]

/** How pages are printed. */
export interface Print {
  readonly width?: number
  readonly height?: number
  /** Degrees by which viewers turn each page, clockwise. */
  readonly rotate?: 90 | 180 | 270
  /** Degrees by which all that is printed is turned on its page, clockwise. */
  readonly turned?: 90 | 180 | 270
  readonly size?: number
  readonly font?: 'Times-Roman' | 'Courier'
}

/** The width that text has when it is printed. */
export function widthOf(text: string, size = 8): number {
  return new PDFDocument({ autoFirstPage: false }).font('Times-Roman', size).widthOfString(text)
}

/** Makes a PDF of pages of lines, 11 points apart. */
export async function printPdf(pages: readonly (readonly PrintedLine[])[], print: Print = {}): Promise<Uint8Array> {
  const { width = 612, height = 792, size = 8, font = 'Times-Roman' } = print
  const isOnSide = print.turned === 90 || print.turned === 270
  const paper = isOnSide ? [height, width] : [width, height]
  const document = new PDFDocument({ size: paper, margin: 0, autoFirstPage: false })
  const chunks: Uint8Array[] = []
  document.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  const ended = new Promise((resolve) => document.on('end', resolve))
  document.font(font, size)
  for (const lines of pages) {
    document.addPage()
    if (print.rotate !== undefined) Object.assign(document.page.dictionary.data, { Rotate: print.rotate })
    if (print.turned !== undefined) turn(document, print.turned, { width, height })
    for (const [i, cells] of lines.entries()) {
      for (const [x, text, flush] of cells) {
        const shift = flush === undefined ? 0 : document.widthOfString(text) / (flush === 'right' ? 1 : 2)
        document.text(text, x - shift, 30 + 11 * i, { lineBreak: false })
      }
    }
  }
  document.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

/** Turns what is printed from now on, so that it fills the paper again. */
function turn(
  document: PDFKit.PDFDocument,
  degrees: number,
  { width, height }: { width: number; height: number },
): void {
  document.rotate(degrees)
  if (degrees === 90) document.translate(0, -height)
  else if (degrees === 180) document.translate(-width, -height)
  else document.translate(-width, 0)
}

/** The pages of a PDF. */
export async function pagesOf(bytes: Uint8Array): Promise<TextPage[]> {
  const pages: TextPage[] = []
  for await (const { page } of readPdfText(bytes)) pages.push(page)
  return pages
}

/** Prints pages and reads them as a sheet. */
export async function readPrinted(
  pages: readonly (readonly PrintedLine[])[],
  print: Print = {},
): Promise<{ sheet: Sheet; reading: Reading }> {
  return readSheet(await pagesOf(await printPdf(pages, print)))
}

/** The head of a page in HY-TEK's way. */
export function headOf(
  options: { meet?: string; title?: string; printed?: string; middle?: number } = {},
): PrintedLine[] {
  const { meet = 'Millpond Open - 3/7/2031 to 3/9/2031', title = 'Meet Program', middle = 306 } = options
  const { printed = "HY-TEK's MEET MANAGER 8.0 - 9:00 AM 3/1/2031" } = options
  return [
    [
      [18, 'Millpond Swim Club'],
      [340, `${printed} Page 1`],
    ],
    [[middle, meet, 'centre']],
    [[middle, title, 'centre']],
  ]
}
