/** Normalizes swimmers' names for comparison. */
import { normalizeText } from '../../../formats/unicode.ts'

/** A name's parts, folded: lower case, without accents, points and para classes; hyphens separate words. */
export interface Name {
  readonly given: readonly string[]
  readonly last: readonly string[]
}

/** Words of a name among which the beginning of the last name is searched. */
const MAX_WORDS = 10

const APART: ReadonlyMap<string, string> = new Map([
  ['ø', 'o'],
  ['ł', 'l'],
  ['đ', 'd'],
  ['ð', 'd'],
  ['þ', 'th'],
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['ı', 'i'],
  ['ħ', 'h'],
])

/** `S9/SB8/SM9`, `S10sb9sm10`, `S12SB12SM1` (cut off), `SB8`. */
const PARA_CLASS = /[\s_(]*(?<![\p{L}])S(?:B|M)?\d{1,2}(?:[\s/]?S[BM]\d{0,2}){0,2}\)?(?![\p{L}\d])/giu

/** Removes the para class that some sheets print after either part of a name. */
function withoutClass(name: string): string {
  return name.replace(PARA_CLASS, '').replace(/_+/g, ' ').replace(/ +,/g, ',').replace(/\s+/g, ' ').trim()
}

function words(text: string): string[] {
  return text
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .split(' ')
    .filter((word) => word !== '')
}

/** Folds case, accents and apostrophes. The comma stays. */
function fold(name: string): string {
  const plain = withoutClass(normalizeText(name.slice(0, 200), 'NFKC')).toLowerCase()
  return normalizeText(plain, 'NFD')
    .replace(/\p{M}/gu, '')
    .replace(/['‘’ʼ`´′]/g, '')
    .replace(/[øłđðþßæœıħ]/g, (letter) => APART.get(letter) ?? letter)
}

/** Splits `Last, First M`; null where there is no comma to split by. */
function splitComma(folded: string): Name | null {
  const comma = folded.indexOf(',')
  if (comma < 0) return null
  return { last: words(folded.slice(0, comma)), given: words(folded.slice(comma + 1)) }
}

/**
 * Lists the readings of a name as given and last names: one where a comma separates them, else one for each word with which the
 * last name may begin.
 */
export function readingsOf(name: string): Name[] {
  const folded = fold(name)
  const parts = splitComma(folded)
  if (parts) return parts.given.length === 0 ? splits(parts.last) : [parts]
  return splits(words(folded))
}

function splits(all: readonly string[]): Name[] {
  if (all.length < 2) return [{ given: [], last: all }]
  return all.slice(1, MAX_WORDS).map((_, i) => ({ given: all.slice(0, i + 1), last: all.slice(i + 1) }))
}

/**
 * Makes the key of a swimmer: the same for `Last, First` and `First Last`, whatever the case, spacing, accents and apostrophes.
 * Empty for a name without letters.
 */
export function normalizeSwimmer(name: string): string {
  const folded = fold(name)
  const parts = splitComma(folded)
  return (parts ? [...parts.given, ...parts.last] : words(folded)).join(' ')
}

/** Makes the key of a team's name or code: without case, accents, punctuation and spaces. */
export function normalizeTeam(team: string): string {
  return words(fold(team)).join(' ')
}

/** Formats a printed name as `First M Last`. */
export function spoken(printed: string): string {
  const name = withoutClass(printed)
  const comma = name.indexOf(',')
  if (comma < 0) return name
  return `${name.slice(comma + 1).replaceAll(',', ' ')} ${name.slice(0, comma)}`.replace(/\s+/g, ' ').trim()
}

/** Folds a name in its printed order, for comparing beginnings. */
export function printedForm(printed: string): string {
  const folded = fold(printed)
  const comma = folded.indexOf(',')
  if (comma < 0) return words(folded).join(' ')
  return `${words(folded.slice(0, comma)).join(' ')}, ${words(folded.slice(comma + 1)).join(' ')}`
}

function isInitial(word: string): boolean {
  return word.length === 1
}

/** Joins given names without the initials after the first word: `Mary-Lou K` is `marylou`. */
function mainGiven(given: readonly string[]): string {
  return given.filter((word, i) => i === 0 || !isInitial(word)).join('')
}

/** Compares given names; middle initials may be missing or abbreviate a middle name. */
function sameGiven(a: readonly string[], b: readonly string[]): boolean {
  if (a.length === 0 || b.length === 0) return a.length === b.length
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const [one = '', other = ''] = [a[i], b[i]]
    const stands = i > 0 && one.charAt(0) === other.charAt(0) && (isInitial(one) || isInitial(other))
    if (one !== other && !stands) return sameMain(a, b)
  }
  const rest = a.length > shared ? a.slice(shared) : b.slice(shared)
  return rest.every(isInitial) || sameMain(a, b)
}

function initials(given: readonly string[]): string[] {
  return given.slice(1).filter(isInitial)
}

function sameMain(a: readonly string[], b: readonly string[]): boolean {
  if (mainGiven(a) !== mainGiven(b)) return false
  const [one, other] = [initials(a), initials(b)]
  return one.length === 0 || other.length === 0 || one.join() === other.join()
}

const SUFFIXES = new Set(['jr', 'sr', 'ii', 'iii', 'iv'])

/** Removes `Jr`, `III` and the like, in any position. */
export function withoutSuffix({ given, last }: Name): Name {
  const plain = (parts: readonly string[]) => parts.filter((word, i) => i === 0 || !SUFFIXES.has(word))
  return { given: plain(given), last: plain(last) }
}

/** Checks whether two names are equivalent. */
export function sameName(a: Name, b: Name): boolean {
  return a.last.join('') === b.last.join('') && sameGiven(a.given, b.given)
}

const PARTICLES = new Set(
  'al da das de del den der di do dos du el la las le los mac mc st ten ter van von y zu'.split(' '),
)

/** Checks whether words are a subsequence of others; an initial matches a word that it begins. */
function standIn(short: readonly string[], long: readonly string[]): boolean {
  let at = 0
  for (const word of short) {
    const stands = (other: string) => other === word || (isInitial(word) && other.startsWith(word))
    while (at < long.length && !stands(long[at] ?? '')) at++
    if (at++ >= long.length) return false
  }
  return true
}

/**
 * Checks whether a printed name contains all words of a shorter one: with the same first given name, and the other given and last names
 * among the printed ones.
 */
export function contains(printed: Name, asked: Name): boolean {
  const [first, ...middle] = asked.given
  const [printedFirst, ...rest] = printed.given
  if (first === undefined || first !== printedFirst || isInitial(first)) return false
  return standIn(middle, rest) && standIn(asked.last, printed.last) && asked.last.some((word) => !PARTICLES.has(word))
}
