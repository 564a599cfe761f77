/** Reads HTML into blocks. Web pages, Markdown, Word files, e-books and mail share this reader. */
import { Parser } from 'htmlparser2'
import { type BlockWriter, collapse } from './block-writer.ts'
import { HtmlTable, MAX_COLUMN_SPAN, MAX_ROW_SPAN } from './html-table.ts'

/** Elements that are skipped: without visible text, or repeated on every page of a site. */
const SKIPPED = new Set(
  'script style noscript template svg math iframe object canvas select datalist head nav button dialog audio video'.split(
    ' ',
  ),
)
/** Block-level elements, which end the line of text before and after them. */
const BLOCKS = new Set(
  (
    'address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hgroup hr html legend ' +
    'li main menu ol p section summary ul'
  ).split(' '),
)
/** Elements of a head. Any other ends the head, whose end tag is optional. */
const HEAD_CONTENT = new Set('base link meta noscript script style template title'.split(' '))

/** Metadata of an HTML document. */
export interface HtmlFacts {
  /** Text of `<title>`, else of the first heading; empty where there is neither. */
  readonly title: string
  /** BCP 47 tag of `<html lang>`. */
  readonly language?: string
}

/**
 * Reads HTML, also malformed, into blocks.
 * @throws MillraceError TOO_LARGE
 */
export function readHtml(html: string, writer: BlockWriter): HtmlFacts {
  const walker = new Walker(writer)
  const parser = new Parser(
    {
      onopentag: (name, attributes) => walker.open(name, attributes),
      ontext: (text) => walker.text(text),
      onclosetag: (name) => walker.close(name),
    },
    { decodeEntities: true },
  )
  parser.end(html)
  walker.flush()
  return walker.facts
}

class Walker {
  readonly #writer: BlockWriter
  readonly #tables: HtmlTable[] = []
  /** Open elements below the outermost skipped one, itself included. */
  #skipped: string[] = []
  #text = ''
  #heading: number | null = null
  #preformatted = 0
  #inTitle = false
  #title = ''
  #firstHeading = ''
  #language: string | undefined

  constructor(writer: BlockWriter) {
    this.#writer = writer
  }

  get facts(): HtmlFacts {
    const title = collapse(this.#title) || this.#firstHeading
    return this.#language === undefined ? { title } : { title, language: this.#language }
  }

  open(name: string, attributes: Record<string, string>): void {
    if (name === 'html' && attributes.lang && this.#language === undefined) this.#language = attributes.lang
    if (this.#skipped.length === 1 && this.#skipped[0] === 'head' && !HEAD_CONTENT.has(name)) this.#skipped = []
    if (name === 'title' && this.#skipped.every((outer) => outer === 'head')) this.#inTitle = true
    if (this.#skipped.length > 0 || SKIPPED.has(name) || isHidden(attributes)) {
      this.#skipped.push(name)
      return
    }
    if (name === 'table') this.#openTable()
    else if (name === 'tr') this.#tables.at(-1)?.openRow()
    else if (name === 'td' || name === 'th') this.#openCell(name, attributes)
    else if (name === 'pre') this.#openCode()
    else if (name === 'br') this.text('\n')
    else if (name === 'img' && attributes.alt) this.text(` ${attributes.alt} `)
    else if (/^h[1-6]$/.test(name)) this.#openHeading(Number(name.charAt(1)))
    else if (BLOCKS.has(name) || name === 'caption') this.flush()
  }

  text(text: string): void {
    if (this.#inTitle) this.#title += text
    else if (this.#skipped.length === 0) this.#text += text
  }

  close(name: string): void {
    if (name === 'title') this.#inTitle = false
    if (this.#skipped.length > 0) {
      const at = this.#skipped.lastIndexOf(name)
      if (at >= 0) this.#skipped = this.#skipped.slice(0, at)
      return
    }
    if (name === 'table') this.#closeTable()
    else if (name === 'td' || name === 'th') this.#closeCell()
    else if (name === 'pre') this.#closeCode()
    else if (/^h[1-6]$/.test(name)) this.flush()
    else if (BLOCKS.has(name) || name === 'caption') this.flush()
  }

  /** Ends the open line of text; within a cell it stays text of that cell. */
  flush(): void {
    const text = this.#text
    this.#text = ''
    const cell = this.#tables.at(-1)?.cell
    if (cell) {
      cell.text += `${text} `
      return
    }
    if (this.#heading === null) {
      if (this.#preformatted > 0) this.#writer.code(text)
      else this.#writer.paragraph(text)
      return
    }
    this.#firstHeading ||= collapse(text)
    this.#writer.heading(this.#heading, text)
    this.#heading = null
  }

  #openHeading(level: number): void {
    this.flush()
    if (this.#tables.at(-1)?.cell == null) this.#heading = level
  }

  #openCode(): void {
    this.flush()
    this.#preformatted++
  }

  #closeCode(): void {
    this.flush()
    this.#preformatted = Math.max(0, this.#preformatted - 1)
  }

  #openTable(): void {
    this.flush()
    this.#tables.push(new HtmlTable())
  }

  #openCell(name: 'td' | 'th', attributes: Record<string, string>): void {
    this.flush()
    this.#tables.at(-1)?.openCell({
      text: '',
      isHeader: name === 'th',
      columns: span(attributes.colspan, MAX_COLUMN_SPAN),
      rows: span(attributes.rowspan, MAX_ROW_SPAN),
    })
  }

  #closeCell(): void {
    this.flush()
    this.#tables.at(-1)?.closeCell()
  }

  #closeTable(): void {
    this.flush()
    this.#tables.pop()?.writeTo(this.#writer)
  }
}

function isHidden(attributes: Record<string, string>): boolean {
  return (
    attributes.hidden !== undefined ||
    attributes['aria-hidden'] === 'true' ||
    attributes.role === 'navigation' ||
    /(?:^|;)\s*display\s*:\s*none/i.test(attributes.style ?? '')
  )
}

function span(attribute: string | undefined, most: number): number {
  const value = Number.parseInt(attribute ?? '', 10)
  return value >= 1 ? Math.min(value, most) : 1
}
