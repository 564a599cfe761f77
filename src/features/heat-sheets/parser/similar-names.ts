/** Names that are almost the one asked for, so that a typing error gets an answer. */
import { type Name, readingsOf } from './names.ts'

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

/** Edits between two names; 9 when there are more than a slip of the hand makes in names of that length. */
function edits(one: string, other: string): number {
  const most = Math.max(one.length, other.length) < 9 ? 1 : 2
  const count = editDistance(one, other, most)
  return count <= most ? count : 9
}

/** Tells whether one list of given names begins with all of the other: a middle name is missing. */
function begins(a: readonly string[], b: readonly string[]): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a]
  return short.length > 0 && short.every((word, i) => word === long[i])
}

/** Computes the distance between two readings of names; above 3 is not close. */
function distance(asked: Name, printed: Name): number {
  const sameLast = asked.last.join('') === printed.last.join('')
  if (sameLast && begins(asked.given, printed.given)) return 0.5
  if (sameLast && asked.given[0] === printed.given[0]) return 1
  const swapped = asked.last.join('') === printed.given.join('') && asked.given.join('') === printed.last.join('')
  if (swapped) return 1
  // Also without middle names: a sheet that prints an initial is not two letters further away.
  return Math.min(edits(plain(asked), plain(printed)), edits(firstAndLast(asked), firstAndLast(printed)))
}

/** Up to three of the printed names that are closest to the one asked for, closest first. */
export function closeNames(asked: readonly Name[], printed: Iterable<string>): string[] {
  const found: { name: string; far: number }[] = []
  for (const name of printed) {
    let far = 9
    for (const reading of readingsOf(name)) {
      for (const one of asked) far = Math.min(far, distance(one, reading))
    }
    if (far <= 3) found.push({ name, far })
  }
  return found
    .toSorted((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name)
}
