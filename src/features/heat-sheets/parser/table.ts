/** Parses column headings, which determine the fields of rows: a lone 4 in a row may be an age or a school year. */
import type { Line, Word } from './lines.ts'

export type Kind =
  | 'lead'
  | 'id'
  | 'name'
  | 'age'
  | 'grade'
  | 'team'
  | 'relay'
  | 'seed'
  | 'prelims'
  | 'finals'
  | 'place'
  | 'other'
  | 'unknown'

/** A heading; edges as in its table. */
export interface Heading {
  readonly kind: Kind
  readonly x: number
  readonly right: number
}

/** The headings of a table; edges are relative to the left edge of their page column. */
export interface Table {
  readonly headings: readonly Heading[]
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['lane', 'lead'],
  ['ln', 'lead'],
  ['rank', 'lead'],
  ['rk', 'lead'],
  ['id', 'id'],
  ['id#', 'id'],
  ['name', 'name'],
  ['swimmer', 'name'],
  ['athlete', 'name'],
  ['diver', 'name'],
  ['competitor', 'name'],
  ['age', 'age'],
  ['yr', 'grade'],
  ['year', 'grade'],
  ['grade', 'grade'],
  ['gr', 'grade'],
  ['class', 'grade'],
  ['team', 'team'],
  ['school', 'team'],
  ['club', 'team'],
  ['lsc', 'other'],
  ['relay', 'relay'],
  ['seed', 'seed'],
  ['entry', 'seed'],
  ['score', 'seed'],
  ['dives', 'other'],
  ['prelims', 'prelims'],
  ['prelim', 'prelims'],
  ['finals', 'finals'],
  ['final', 'finals'],
  ['result', 'finals'],
  ['place', 'place'],
  ['points', 'place'],
  ['notes', 'other'],
  ['qual', 'other'],
  ['heat', 'other'],
  ['#', 'other'],
])

/** Second words of headings, with the headings that they may continue. */
const SECOND_WORDS: ReadonlyMap<string, readonly Kind[]> = new Map([
  ['time', ['seed', 'prelims', 'finals']],
  ['times', ['seed', 'prelims', 'finals']],
  ['score', ['seed', 'prelims', 'finals']],
  ['points', ['seed', 'prelims', 'finals']],
  ['dives', ['seed']],
  ['mark', ['seed', 'prelims', 'finals']],
  ['name', ['team', 'name']],
  ['#', ['id', 'lead']],
])

function kindOf(word: string): Kind | undefined {
  return KINDS.get(word.toLowerCase().replace(/[.:]$/, ''))
}

/** Reads a line of column headings; null when more than one word is unknown, or it names neither swimmers nor relay teams. */
export function readTable(line: Line): Table | null {
  if (line.words.length > 14) return null
  const headings: Heading[] = []
  for (const { text, x, right } of line.words) {
    const last = headings.at(-1)
    const goesOn = last && SECOND_WORDS.get(text.toLowerCase())?.includes(last.kind)
    if (goesOn && x - line.left - last.right < 8) {
      headings[headings.length - 1] = { ...last, right: right - line.left }
      continue
    }
    const kind = text.toLowerCase() === 'time' ? 'seed' : (kindOf(text) ?? 'unknown')
    headings.push({ kind, x: x - line.left, right: right - line.left })
  }
  const kinds = new Set(headings.map(({ kind }) => kind))
  const unknown = headings.filter(({ kind }) => kind === 'unknown').length
  if (unknown > (kinds.size > 3 ? 1 : 0) || /\d/.test(line.text)) return null
  const named = kinds.has('name') || (kinds.has('team') && kinds.has('relay'))
  return named && headings.length >= 2 ? { headings } : null
}

/** Checks whether the rows below are relay teams. */
export function isRelayTable(table: Table): boolean {
  return find(table, 'relay') !== undefined && find(table, 'name') === undefined
}

/** Finds the first heading of a kind. */
export function find(table: Table | null, kind: Kind): Heading | undefined {
  return table?.headings.find((heading) => heading.kind === kind)
}

/** Finds the heading of seed times. */
export function findSeed(table: Table | null): Heading | undefined {
  return find(table, 'seed') ?? find(table, 'prelims')
}

/** Checks whether a word is under a heading, with a tolerance of `slack` points. */
export function isUnder(word: Word, left: number, heading: Heading, slack: number): boolean {
  return word.x - left <= heading.right + slack && word.right - left >= heading.x - slack
}
