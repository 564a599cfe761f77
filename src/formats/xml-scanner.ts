/**
 * Reads XML while its text streams by: elements by their local names, attributes when they are asked for, text with its entities replaced.
 * Written by hand because htmlparser2 passes over what is not well formed, so that a damaged sheet would lose rows in silence, holds a tag of
 * any length in memory, and takes twice as long over the millions of small elements of a workbook.
 */

/** Characters of one tag, comment or CDATA section. */
const MAX_MARKUP = 1_000_000
const MAX_DEPTH = 100

/** Reports what is no well-formed XML, or has more than is read. The message completes "The part …". */
export class XmlError extends Error {}

/** Callbacks of a scanner. Names are without prefixes. */
export interface XmlHandlers {
  /** @param attributes as they stand in the tag: see {@link readAttributes} */
  open(name: string, attributes: string): void
  /** A text may come in several parts. */
  text(text: string): void
  close(name: string): void
}

/** Takes text as it comes. */
export class XmlScanner {
  readonly #handlers: XmlHandlers
  readonly #open: string[] = []
  #rest = ''
  #hasRoot = false

  constructor(handlers: XmlHandlers) {
    this.#handlers = handlers
  }

  /** @throws XmlError */
  push(chunk: string): void {
    const text = this.#rest + chunk
    let at = 0
    while (at < text.length) {
      const tag = text.indexOf('<', at)
      if (tag < 0) {
        // An entity may go on in the next chunk.
        const entity = text.lastIndexOf('&')
        const end = entity >= at && text.length - entity < 12 && !text.includes(';', entity) ? entity : text.length
        this.#text(text.slice(at, end))
        at = end
        break
      }
      if (tag > at) this.#text(text.slice(at, tag))
      const end = this.#markup(text, tag)
      at = end < 0 ? tag : end
      if (end < 0) break
    }
    this.#rest = text.slice(at)
    if (this.#rest.length > MAX_MARKUP) throw new XmlError('has a tag or a comment of more than a million characters')
  }

  /** @throws XmlError where elements are still open */
  end(): void {
    if (this.#rest !== '' || this.#open.length > 0 || !this.#hasRoot) throw new XmlError('ends in its midst')
  }

  #text(text: string): void {
    if (text === '') return
    if (this.#open.length > 0) this.#handlers.text(replaceEntities(text))
    else if (!/^[\s\ufeff]*$/.test(text)) throw notWellFormed()
  }

  /** @returns the offset behind it; -1 where it is not whole yet */
  #markup(text: string, at: number): number {
    const sign = text.charCodeAt(at + 1)
    if (sign === 0x21) return this.#declaration(text, at)
    if (sign === 0x3f) return behind(text, '?>', at)
    const end = tagEnd(text, at)
    if (end < 0) return -1
    if (sign === 0x2f) {
      const name = localName(text.slice(at + 2, end).trimEnd())
      if (this.#open.pop() !== name) throw notWellFormed()
      this.#handlers.close(name)
      return end + 1
    }
    const isEmpty = text.charCodeAt(end - 1) === 0x2f
    const tag = text.slice(at + 1, isEmpty ? end - 1 : end)
    const blank = firstBlank(tag)
    const name = localName(blank < 0 ? tag : tag.slice(0, blank))
    if (name === '' || (this.#open.length === 0 && this.#hasRoot)) throw notWellFormed()
    this.#hasRoot = true
    this.#handlers.open(name, blank < 0 ? '' : tag.slice(blank))
    if (isEmpty) this.#handlers.close(name)
    else if (this.#open.push(name) > MAX_DEPTH) throw new XmlError(`is nested more than ${MAX_DEPTH} levels deep`)
    return end + 1
  }

  #declaration(text: string, at: number): number {
    if (text.startsWith('<!--', at)) return behind(text, '-->', at + 4)
    if (text.startsWith('<![CDATA[', at)) {
      const end = behind(text, ']]>', at + 9)
      if (end >= 0 && this.#open.length > 0) this.#handlers.text(text.slice(at + 9, end - 3))
      return end
    }
    // Entities that a document type declares may be made to grow without end.
    if (text.length - at >= 9) throw new XmlError('declares a document type, which no workbook does')
    return -1
  }
}

function behind(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from)
  return at < 0 ? -1 : at + mark.length
}

/** The offset of the `>` that ends a tag: quoted values may hold more of them. */
function tagEnd(text: string, at: number): number {
  for (let from = at; ; ) {
    const end = text.indexOf('>', from)
    if (end < 0) return -1
    const quote = openQuote(text, from, end)
    if (quote === '') return end
    const close = text.indexOf(quote, end)
    if (close < 0) return -1
    from = close + 1
  }
}

/** The quote that is open at `end`; empty for none. */
function openQuote(text: string, from: number, end: number): string {
  if (end - from < 2) return ''
  let quote = 0
  for (let at = from; at < end; at++) {
    const sign = text.charCodeAt(at)
    if (quote === 0 ? sign === 0x22 || sign === 0x27 : sign === quote) quote = quote === 0 ? sign : 0
  }
  return quote === 0 ? '' : String.fromCharCode(quote)
}

function firstBlank(tag: string): number {
  for (let at = 0; at < tag.length; at++) if (isBlank(tag.charCodeAt(at))) return at
  return -1
}

function localName(name: string): string {
  const colon = name.indexOf(':')
  return colon < 0 ? name : name.slice(colon + 1)
}

/**
 * Reads the attributes of a tag.
 * @param attributes as a handler got them
 * @param visit gets each, its name without prefix
 * @throws XmlError
 */
export function readAttributes(attributes: string, visit: (name: string, value: string) => void): void {
  for (let at = 0; ; ) {
    const equals = attributes.indexOf('=', at)
    if (equals < 0) return
    let open = equals + 1
    while (isBlank(attributes.charCodeAt(open))) open++
    const quote = attributes[open]
    const close = quote === '"' || quote === "'" ? attributes.indexOf(quote, open + 1) : -1
    if (close < 0) throw notWellFormed()
    visit(localName(attributes.slice(at, equals).trim()), replaceEntities(attributes.slice(open + 1, close)))
    at = close + 1
  }
}

const isBlank = (sign: number) => sign === 0x20 || sign === 0x0a || sign === 0x09 || sign === 0x0d

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function replaceEntities(text: string): string {
  if (text.indexOf('&') < 0) return text
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));|&/gi, (_, hex, decimal, name) => {
    const known = typeof name === 'string' && Object.hasOwn(NAMED, name) ? NAMED[name] : undefined
    if (known !== undefined) return known
    const point = hex === undefined ? Number(decimal) : Number.parseInt(String(hex), 16)
    if (!(point > 0 && point <= 0x10ffff)) throw notWellFormed()
    return String.fromCodePoint(point)
  })
}

const notWellFormed = () => new XmlError('is no well-formed XML')
