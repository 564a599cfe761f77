/** Workbooks of Excel, written part by part, so that a test says what stands in each. */
import { strToU8, zipSync } from 'fflate'

const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'

/** Value of a cell: text among the shared ones, a number, a truth, nothing, or its XML from `<c` on, without `<c r="…"`. */
export type CellValue = string | number | boolean | null | { readonly xml: string }

/** A sheet as it is to be written. */
export interface SheetContent {
  readonly name: string
  readonly state?: 'hidden' | 'veryHidden'
  /** Rows from the first on; null for one that the file leaves out. */
  readonly rows: readonly (readonly CellValue[] | null)[]
  /** XML behind `sheetData`. */
  readonly after?: string
}

/** Options for a workbook. */
export interface WorkbookOptions {
  readonly startsIn1904?: boolean
  /** Codes of number formats: a cell with `s="1"` has the first. */
  readonly formats?: readonly string[]
  /** Parts that are written instead of those that are made, or beside them. */
  readonly parts?: Readonly<Record<string, string>>
}

export const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('\r', '_x000D_')

function letters(column: number): string {
  const letter = String.fromCharCode(65 + (column % 26))
  return column < 26 ? letter : letters(Math.floor(column / 26) - 1) + letter
}

/** Writes a workbook. Its shared texts come behind its sheets, as Excel writes them. */
export function makeWorkbook(sheets: readonly SheetContent[], options: WorkbookOptions = {}): Uint8Array<ArrayBuffer> {
  const shared: string[] = []
  const places = new Map<string, number>()
  const place = (text: string) => {
    const known = places.get(text)
    if (known !== undefined) return known
    places.set(text, shared.length)
    return shared.push(text) - 1
  }
  const cell = (value: CellValue, name: string) => {
    if (value === null) return ''
    if (typeof value === 'string') return `<c r="${name}" t="s"><v>${place(value)}</v></c>`
    if (typeof value === 'number') return `<c r="${name}"><v>${value}</v></c>`
    if (typeof value === 'boolean') return `<c r="${name}" t="b"><v>${value ? 1 : 0}</v></c>`
    return `<c r="${name}"${value.xml}`
  }
  const row = (cells: readonly CellValue[] | null, at: number) =>
    cells === null
      ? ''
      : `<row r="${at + 1}">${cells.map((one, x) => cell(one, `${letters(x)}${at + 1}`)).join('')}</row>`
  const parts: Record<string, string> = {
    '[Content_Types].xml': '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    '_rels/.rels': relations([['rId1', 'officeDocument', 'xl/workbook.xml']]),
    'xl/workbook.xml': `<workbook xmlns="${MAIN}" xmlns:r="${RELATIONS}">${options.startsIn1904 ? '<workbookPr date1904="1"/>' : ''}<sheets>${sheets
      .map(
        ({ name, state }, at) =>
          `<sheet name="${escapeXml(name)}" sheetId="${at + 1}" ${state ? `state="${state}" ` : ''}r:id="rId${at + 1}"/>`,
      )
      .join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': relations([
      ...sheets.map((_, at): [string, string, string] => [
        `rId${at + 1}`,
        'worksheet',
        `worksheets/sheet${at + 1}.xml`,
      ]),
      ['styles', 'styles', 'styles.xml'],
      ['strings', 'sharedStrings', '/xl/sharedStrings.xml'],
    ]),
    'xl/styles.xml': styles(options.formats ?? []),
  }
  for (const [at, { rows, after = '' }] of sheets.entries()) {
    const data = rows.map(row).join('')
    parts[`xl/worksheets/sheet${at + 1}.xml`] =
      `<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="${MAIN}"><sheetData>${data}</sheetData>${after}</worksheet>`
  }
  parts['xl/sharedStrings.xml'] =
    `<sst xmlns="${MAIN}">${shared.map((text) => `<si><t xml:space="preserve">${escapeXml(text)}</t></si>`).join('')}</sst>`
  return zipParts({ ...parts, ...options.parts })
}

/** Packs parts as they are. */
export const zipParts = (parts: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(zipSync(Object.fromEntries(Object.entries(parts).map(([path, text]) => [path, strToU8(text)]))))

function relations(all: readonly (readonly [id: string, type: string, target: string])[]): string {
  const one = ([id, type, target]: readonly [string, string, string]) =>
    `<Relationship Id="${id}" Type="${RELATIONS}/${type}" Target="${target}"/>`
  return `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${all.map(one).join('')}</Relationships>`
}

function styles(formats: readonly string[]): string {
  const codes = formats.map((code, at) => `<numFmt numFmtId="${164 + at}" formatCode="${escapeXml(code)}"/>`).join('')
  const xfs = formats.map((_, at) => `<xf numFmtId="${164 + at}" applyNumberFormat="1"/>`).join('')
  return `<styleSheet xmlns="${MAIN}"><numFmts>${codes}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>${xfs}</cellXfs></styleSheet>`
}
