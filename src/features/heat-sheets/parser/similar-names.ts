/** Finds names similar to a requested one, for suggestions after a typing error. */
import { printedNames } from './name-search.ts'
import { type Name, readingsOf } from './names.ts'
import { areNicknames } from './nicknames.ts'
import type { Sheet } from './sheet.ts'

/** Counts the letters to insert, delete, replace or swap with their neighbour to get from one text to another; above `most`, it is `most + 1`. */
export function editDistance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      row.push(least)
    }
    if (Math.min(...row) > most) return most + 1
    before = above
    above = row
  }
  return above[b.length] ?? most + 1
}

const plain = ({ given, last }: Name): string => [...given, last.join('')].join(' ')

const firstAndLast = ({ given, last }: Name): string => `${given[0] ?? ''} ${last.join('')}`

/** Computes the edits between two names; 9 when there are more than a typing error makes in names of that length. */
function edits(one: string, other: string): number {
  const most = Math.max(one.length, other.length) < 9 ? 1 : 2
  const count = editDistance(one, other, most)
  return count <= most ? count : 9
}

/** Checks whether one list of given names begins with all of the other: a middle name is missing. */
function begins(a: readonly string[], b: readonly string[]): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a]
  return short.length > 0 && short.every((word, i) => word === long[i])
}

/** Computes the distance between two readings of names; above 3 is not close. */
function distance(asked: Name, printed: Name): number {
  const sameLast = asked.last.join('') === printed.last.join('')
  if (sameLast && begins(asked.given, printed.given)) return 0.5
  if (sameLast && asked.given[0] === printed.given[0]) return 1
  if (sameLast && areNicknames(asked.given[0] ?? '', printed.given[0] ?? '')) return 0.75
  const swapped = asked.last.join('') === printed.given.join('') && asked.given.join('') === printed.last.join('')
  if (swapped) return 1
  // Also without middle names, so that a printed initial does not add to the distance.
  return Math.min(edits(plain(asked), plain(printed)), edits(firstAndLast(asked), firstAndLast(printed)))
}

/** Most names that are suggested. */
const MOST = 3

/** Collects the bigrams of a name, with its words in alphabetical order. */
function pairsOf(names: readonly Name[]): Set<string> {
  const [name] = names
  const words = name ? [...name.given, ...name.last].toSorted((a, b) => a.localeCompare(b, 'en')) : []
  return new Set(words.flatMap((word) => Array.from(` ${word}`, (letter, i) => letter + (word[i] ?? ' '))))
}

/** Computes the similarity of two names, from 0 to 1. */
function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  let shared = 0
  for (const pair of other) if (one.has(pair)) shared++
  return (2 * shared) / Math.max(one.size + other.size, 1)
}

/** Selects the nearest names of a list. */
function least(names: readonly { readonly name: string; readonly far: number }[]): string[] {
  return names
    .toSorted((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .slice(0, MOST)
    .map(({ name }) => name)
}

/** Finds the printed names nearest to one that is not on the sheet: `close` where it could be a typing error or a nickname. */
export function closeNames(sheet: Sheet, swimmer: string): { readonly names: string[]; readonly close: boolean } {
  const asked = readingsOf(swimmer)
  const all = printedNames(sheet)
  const close = all.flatMap(({ printed, readings }) => {
    let far = 9
    for (const reading of readings) {
      for (const one of asked) far = Math.min(far, distance(one, reading))
    }
    return far <= 3 ? [{ name: printed, far }] : []
  })
  if (close.length > 0) return { names: least(close), close: true }
  const pairs = pairsOf(asked)
  const others = all.map(({ printed, readings }) => ({ name: printed, far: 1 - likeness(pairs, pairsOf(readings)) }))
  return { names: least(others), close: false }
}
