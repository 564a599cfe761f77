/** Pages of positioned text, made by hand for tests: each line is where it stands and its cells, `[x, text]`. */
import { expect } from 'vitest'
import { readSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import type { TextItem, TextPage } from '../../../../src/formats/pdf-text.ts'

export type Cells = readonly (readonly [x: number, text: string])[]

const SIZE = 8
/** Close enough to Times at 8 points for gaps between columns to be real ones. */
const LETTER = 3.7

export function item(x: number, y: number, text: string, font = 'regular'): TextItem {
  return { text, x, y, width: text.length * LETTER, size: SIZE, font }
}

/** Text whose right edge stands at `right`, as times and ages are set. */
export function flush(right: number, text: string): readonly [number, string] {
  return [right - text.length * LETTER, text]
}

export function centred(text: string): readonly [number, string] {
  return [306 - (text.length * LETTER) / 2, text]
}

/** Lines from the top down, 11 points apart, beginning at `top`. */
export function lines(rows: readonly Cells[], options: { top?: number; left?: number } = {}): TextItem[] {
  const { top = 80, left = 0 } = options
  return rows.flatMap((cells, i) => cells.map(([x, text]) => item(left + x, top + 11 * i, text)))
}

export const HEAD: readonly Cells[] = [
  [
    [18, 'Millpond Swim Club'],
    [340, "HY-TEK's MEET MANAGER 8.0 - 9:00 AM 3/1/2031 Page 1"],
  ],
  [centred('Millpond Open - 3/7/2031 to 3/9/2031')],
  [centred('Meet Program - Saturday Morning')],
]

/** A page with the usual head, then the items given. */
export function page(items: readonly TextItem[], options: { number?: number; head?: readonly Cells[] } = {}): TextPage {
  const { number = 1, head = HEAD } = options
  return { number, width: 612, height: 792, items: [...lines(head, { top: 40 }), ...items] }
}

/** Headings of a column 190 points wide: lane, name, age, team, seed. */
export const HEADINGS: Cells = [
  [0, 'Lane'],
  [24, 'Name'],
  [94, 'Age'],
  [112, 'Team'],
  [146, 'Seed Time'],
]

/** A row under those headings. */
export function row(lead: number | string, name: string, age: number | string, team: string, seed: string): Cells {
  return [flush(13, String(lead)), [18, name], flush(108, String(age)), [114, team], flush(180, seed)]
}

export const EVENT: Cells = [[0, '#3 Girls 11-12 100 LC Meter Freestyle']]
export const HEAT: Cells = [[0, 'Heat 1 of 2 Finals']]

const COLUMNS = [18, 212, 407]

/** A sheet of one page, its columns given as lines. */
export function sheetOf(...columns: (readonly Cells[])[]): TextPage[] {
  return [page(columns.flatMap((rows, i) => lines(rows, { left: COLUMNS[i] ?? 18 })))]
}

/** The entries of a sheet in which nothing may be left unread, each with the number of its event, without their places on the page. */
export function entriesOf(pages: readonly TextPage[]) {
  const { sheet, reading } = readSheet(pages)
  expect(reading.leftovers).toEqual([])
  return sheet.entries.map(({ event, page: _page, line: _line, ...entry }) => ({
    number: sheet.events[event]?.number,
    ...entry,
  }))
}
