/** Puts text on pages: a PDF in columns, under a head that stands on every page. It knows nothing of meets. */
import PDFDocument from 'pdfkit'
import { type Grid, gridOf, type Layout } from './layout.ts'

const WIDTH = 612
const HEIGHT = 792
const MARGIN = 18
const HEAD_TOP = 42
/** Space between the head and what stands below it. */
const BELOW_HEAD = 20

/** A fixed day, since the time a PDF was made would make its bytes differ each time. */
const MADE = new Date('2031-01-02T03:04:05Z')

/** What stands on top of a page. */
export interface Head {
  /** Left and right on the first line. The right one is printed with the page's number after it. */
  readonly left: string
  readonly right: string
  /** Centred below. */
  readonly lines: readonly string[]
}

/** How a piece of text is set. */
export interface Setting {
  readonly bold?: boolean
  readonly size?: number
  /** `x` is the right edge. */
  readonly flush?: 'right'
}

/** A PDF that text is set into, from the top left down, column by column. */
export class Press {
  readonly grid: Grid
  readonly #document: PDFKit.PDFDocument
  readonly #bytes: Promise<Uint8Array>
  readonly #fonts: { readonly regular: string; readonly bold: string }
  readonly #bottom: number
  #head: Head = { left: '', right: '', lines: [] }
  #page = 0
  #column = 0
  #top = 0
  #y = 0

  /** @param security as pdfkit takes it: `userPassword` locks the document */
  constructor(layout: Layout, security: Pick<PDFKit.PDFDocumentOptions, 'userPassword'> = {}) {
    this.grid = gridOf(layout)
    this.#bottom = HEIGHT - layout.bottom
    this.#fonts =
      layout.font === 'Times'
        ? { regular: 'Times-Roman', bold: 'Times-Bold' }
        : { regular: 'Helvetica', bold: 'Helvetica-Bold' }
    this.#document = new PDFDocument({
      size: [WIDTH, HEIGHT],
      margin: 0,
      autoFirstPage: false,
      info: { Producer: 'Millrace demo', CreationDate: MADE },
      ...security,
    })
    this.#bytes = collect(this.#document)
  }

  /** Points left in this column. */
  get room(): number {
    return this.#bottom - this.#y
  }

  /** Points in a whole column. */
  get height(): number {
    return this.#bottom - this.#top
  }

  /** Whether nothing stands in this column yet. */
  get atTop(): boolean {
    return this.#y === this.#top
  }

  /** Begins a page under a new head. */
  openPage(head: Head = this.#head): void {
    this.#head = head
    this.#page++
    this.#column = 0
    this.#document.addPage()
    this.#y = HEAD_TOP
    this.#set(head.left, MARGIN, { size: 8.6 })
    this.#set(`${head.right} Page ${this.#page}`, WIDTH - 54, { size: 8.6, flush: 'right' })
    for (const line of head.lines) {
      this.#y += 11.5
      const width = this.width(line, { bold: true, size: 8.6 })
      this.#set(line, (WIDTH - width) / 2, { bold: true, size: 8.6 })
    }
    this.#y += BELOW_HEAD
    this.#top = this.#y
    for (const left of this.grid.lefts.slice(1)) this.#rule(left - 8, this.#top - 8, left - 8, this.#bottom)
  }

  /** Begins a page without a head. */
  openBlankPage(): void {
    this.#page++
    this.#column = 0
    this.#document.addPage()
    this.#y = HEAD_TOP
    this.#top = this.#y
  }

  /** Goes on at the top of the next column, on a new page after the last. */
  openColumn(): 'column' | 'page' {
    if (this.#column + 1 < this.grid.lefts.length) {
      this.#column++
      this.#y = this.#top
      return 'column'
    }
    this.openPage()
    return 'page'
  }

  /** How wide text would be. */
  width(text: string, { bold = false, size = this.grid.rowSize }: Setting = {}): number {
    return this.#document.font(bold ? this.#fonts.bold : this.#fonts.regular, size).widthOfString(text)
  }

  /** Sets text on the current line, `x` counted from the left edge of the column. */
  put(text: string, x: number, setting: Setting = {}): void {
    this.#set(text, (this.grid.lefts[this.#column] ?? MARGIN) + x, setting)
  }

  /** Sets pieces one after another with a space of two between, as runs of their own. Returns where the last ends. */
  putInTurn(pieces: readonly string[], x: number, setting: Setting = {}): number {
    let at = x
    for (const piece of pieces.filter((one) => one !== '')) {
      this.put(piece, at, setting)
      at += this.width(piece, setting) + 5.6
    }
    return at - 5.6
  }

  /** Draws a line under the current one. */
  underline(): void {
    const left = this.grid.lefts[this.#column] ?? MARGIN
    this.#rule(left, this.#y + 2.5, left + this.grid.width, this.#y + 2.5)
  }

  /** Goes down. */
  feed(points: number = this.grid.step): void {
    this.#y += points
  }

  /** Draws a grey box over most of the page, as a scanned page is one picture. */
  picture(): void {
    this.#document.rect(54, 54, WIDTH - 108, HEIGHT - 108).fill('#bbbbbb')
  }

  /** The finished document. */
  async finish(): Promise<Uint8Array> {
    this.#document.end()
    return this.#bytes
  }

  #set(text: string, x: number, setting: Setting): void {
    if (text === '') return
    const left = setting.flush === 'right' ? x - this.width(text, setting) : x
    const { bold = false, size = this.grid.rowSize } = setting
    this.#document
      .font(bold ? this.#fonts.bold : this.#fonts.regular, size)
      .fillColor('black')
      .text(text, left, this.#y, { lineBreak: false, baseline: 'alphabetic' })
  }

  #rule(x: number, y: number, toX: number, toY: number): void {
    this.#document.moveTo(x, y).lineTo(toX, toY).lineWidth(0.8).stroke('black')
  }
}

async function collect(document: PDFKit.PDFDocument): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of document) {
    if (chunk instanceof Uint8Array) chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
