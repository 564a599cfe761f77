/** Pages of text as bytes, so that a long document can be read in stretches, and each stretch be put away until the last is read. */
import type { TextItem, TextPage } from './pdf-text.ts'

/** A run of text without the names of its fields, in their order: half as long. */
type Cells = readonly [text: string, x: number, y: number, width: number, size: number, font: string]

/** Writes pages as JSON: every number comes back as it was. */
export function packPages(pages: readonly TextPage[]): Uint8Array<ArrayBuffer> {
  const rows = pages.map(({ number, width, height, items }) => [number, width, height, items.map(cellsOf)])
  return new TextEncoder().encode(JSON.stringify(rows))
}

/**
 * Reads what {@link packPages} wrote.
 * @throws TypeError when it is something else
 */
export function unpackPages(bytes: Uint8Array): TextPage[] {
  const rows: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (!Array.isArray(rows)) throw new TypeError('These are no pages.')
  return rows.map(pageOf)
}

function cellsOf({ text, x, y, width, size, font }: TextItem): Cells {
  return [text, x, y, width, size, font]
}

function pageOf(row: unknown): TextPage {
  if (!Array.isArray(row) || !row.slice(0, 3).every(Number.isFinite) || !Array.isArray(row[3])) {
    throw new TypeError('This is no page.')
  }
  const [number, width, height, items] = row
  return { number, width, height, items: items.map(itemOf) }
}

function itemOf(cells: unknown): TextItem {
  if (!isCells(cells)) throw new TypeError('This is no run of text.')
  const [text, x, y, width, size, font] = cells
  return { text, x, y, width, size, font }
}

function isCells(value: unknown): value is Cells {
  return (
    Array.isArray(value) &&
    typeof value[0] === 'string' &&
    value.slice(1, 5).every(Number.isFinite) &&
    typeof value[5] === 'string'
  )
}
