/**
 * CSV as RFC 4180 has it, read leniently and written strictly, with the formulas of spreadsheets defused as OWASP's "CSV Injection"
 * page says, in a way that reading undoes.
 */

/** Characters that a spreadsheet takes for the beginning of a formula, full-width forms included. */
const SIGNS = '=+\\-@＝＋－＠'

const FORMULA = new RegExp(`^'*[${SIGNS}\\t\\r\\n]`)
const DEFUSED = new RegExp(`^'+[${SIGNS}\\t\\r\\n]`)

/**
 * Pattern for the beginning of a formula within a value: a sign and, perhaps after more of them, something that an expression can begin with.
 * The `)` of `;-)` and the end of a line `---` are no such thing; the end of the value is, since the quote that closes it follows. Quotes before
 * the sign may be those of a cell for another reader. No part looks past the next separator, so that apostrophes after separators change
 * nothing here.
 */
const EXPRESSION = `["']*[${SIGNS}](?:[${SIGNS}(]|[^\\S\\t\\r\\n])*(?:$|\\t|[^\\s${SIGNS}()*/,:;<>?\\]^\`|}~%&])`

/**
 * Opened with semicolons, tabs or bars (`|`) for separators, a file with commas has cells that begin in the midst of our values: there, quotes that do not
 * begin a cell are text, so that what we quote is cut at separators and line ends all the same.
 */
const INNER = new RegExp(`([;|\\t\\r\\n])(?=${EXPRESSION})`, 'g')
const INNER_DEFUSED = new RegExp(`([;|\\t\\r\\n])'(?=${EXPRESSION})`, 'g')

/** Puts apostrophes before what a spreadsheet would run, at the beginning of a value and within it, and where it looks as if that had been done. */
export function escapeFormula(value: string): string {
  const inner = value.replace(INNER, "$1'")
  return FORMULA.test(inner) ? `'${inner}` : inner
}

/** Takes away the apostrophes that `escapeFormula` put there: `unescapeFormula(escapeFormula(x))` is x. */
export function unescapeFormula(value: string): string {
  const inner = value.replace(INNER_DEFUSED, '$1')
  return DEFUSED.test(inner) ? inner.slice(1) : inner
}

/** A field as it stands in a record: quoted where it holds a separator of whatever kind, a quote, a line end, or blanks at its ends. */
export function encodeField(value: string): string {
  return /[",;|\t\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** Matches values that may need an apostrophe or quotes; most need neither, which one test finds out. */
const SPECIAL = /[",;|\t\r\n]|^[\s'=+\-@＝＋－＠]|\s$/

/** A value as it stands in a record that people open in spreadsheets: defused, and quoted where it must be. */
export function encodeCell(value: string): string {
  return SPECIAL.test(value) ? encodeField(escapeFormula(value)) : value
}

/** A record, its line end (CRLF) included. */
export function encodeRecord(fields: readonly string[]): string {
  return `${fields.map(encodeField).join(',')}\r\n`
}

/** A record that is not as RFC 4180 has it, and would be changed if it were read all the same. */
export class CsvError extends Error {}

/**
 * Reads one record; a line end outside quotes at its end belongs to it. A quote inside a field that is not quoted stands for itself.
 * @param separator one character
 * @returns its fields
 * @throws CsvError for a quoted field that is not closed, or is followed by something else than a separator
 */
export function parseRecord(record: string, separator = ','): string[] {
  const text = record.replace(/(?:\r\n|\r|\n)$/, '')
  const fields: string[] = []
  let at = 0
  for (;;) {
    let field = ''
    if (text[at] === '"') {
      for (let from = at + 1; ; ) {
        const quote = text.indexOf('"', from)
        if (quote < 0) throw new CsvError('A quoted field is not closed')
        field += text.slice(from, quote)
        at = quote + 1
        if (text[at] !== '"') break
        field += '"'
        from = at + 1
      }
      if (at < text.length && text[at] !== separator) {
        const which = `Field ${fields.length + 1} goes on after its closing quote`
        throw new CsvError(`${which}: a quote within a quoted field is written twice`)
      }
    }
    const end = text.indexOf(separator, at)
    fields.push(field + text.slice(at, end < 0 ? text.length : end))
    if (end < 0) return fields
    at = end + 1
  }
}
