/**
 * CSV as RFC 4180 has it, read leniently and written strictly, with the formulas of spreadsheets defused as OWASP's "CSV Injection"
 * page says, in a way that reading undoes.
 */

/** What a spreadsheet takes for the beginning of a formula, full-width forms included. */
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/
const DEFUSED = /^'+[=+\-@\t\r\n＝＋－＠]/

/** Puts an apostrophe before a value that a spreadsheet would run, and before one that looks as if that had been done. */
export function defuse(value: string): string {
  return FORMULA.test(value) ? `'${value}` : value
}

/** Takes away the apostrophe that `defuse` put there: `infuse(defuse(x))` is x. */
export function infuse(value: string): string {
  return DEFUSED.test(value) ? value.slice(1) : value
}

/** A field as it stands in a record: quoted where it holds a separator, a quote, a line end, or blanks at its ends. */
export function encodeField(value: string): string {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** Whatever may need an apostrophe or quotes; most values need neither, and one look tells. */
const SPECIAL = /[",\r\n]|^[\s'=+\-@＝＋－＠]|\s$/

/** A value as it stands in a record that people open in spreadsheets: defused, and quoted where it must be. */
export function encodeCell(value: string): string {
  return SPECIAL.test(value) ? encodeField(defuse(value)) : value
}

/** A record, its line end (CRLF) included. */
export function encodeRecord(fields: readonly string[]): string {
  return `${fields.map(encodeField).join(',')}\r\n`
}

/**
 * Reads one record; line ends outside quotes at its end belong to it. A quote inside a field that is not quoted stands for itself,
 * and so does what follows a closing quote.
 * @returns its fields; null when a quoted field is not closed
 */
export function parseRecord(record: string): string[] | null {
  const text = record.replace(/\r?\n$/, '')
  const fields: string[] = []
  let at = 0
  for (;;) {
    let field = ''
    if (text[at] === '"') {
      for (let from = at + 1; ; ) {
        const quote = text.indexOf('"', from)
        if (quote < 0) return null
        field += text.slice(from, quote)
        at = quote + 1
        if (text[at] !== '"') break
        field += '"'
        from = at + 1
      }
    }
    const comma = text.indexOf(',', at)
    const end = comma < 0 ? text.length : comma
    fields.push(field + text.slice(at, end))
    if (comma < 0) return fields
    at = comma + 1
  }
}
