/** Swimmers' names as sheets and people write them, brought to forms that can be compared. */

/** A name's parts, folded: lower case, without accents, points and para classes; hyphens part words. */
export interface Name {
  readonly given: readonly string[]
  readonly last: readonly string[]
}

/** A name of more words than this is split in its first ones only. */
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

/** A name without the para class that some sheets print after either part of it. */
function withoutClass(name: string): string {
  return name.replace(PARA_CLASS, '').replace(/_+/g, ' ').replace(/ +,/g, ',').replace(/\s+/g, ' ').trim()
}

function words(text: string): string[] {
  return text
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .split(' ')
    .filter((word) => word !== '')
}

/** Letters compared without case, accents and apostrophes. The comma stays. */
function fold(name: string): string {
  return withoutClass(name.slice(0, 200).normalize('NFKC'))
    .toLowerCase()
    .normalize('NFD')
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
 * Every way to read a name as given and last names: one where a comma says so, else one for each place where the last name
 * may begin.
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
 * The key a swimmer is remembered under: `Last, First` and `First Last` give the same one, whatever the case, spacing,
 * accents and apostrophes. Empty for a name without letters.
 */
export function normalizeSwimmer(name: string): string {
  const folded = fold(name)
  const parts = splitComma(folded)
  return (parts ? [...parts.given, ...parts.last] : words(folded)).join(' ')
}

/** `First M Last`, as people say it, out of what the sheet prints. */
export function spoken(printed: string): string {
  const name = withoutClass(printed)
  const comma = name.indexOf(',')
  if (comma < 0) return name
  return `${name.slice(comma + 1).replaceAll(',', ' ')} ${name.slice(0, comma)}`.replace(/\s+/g, ' ').trim()
}

/** A folded name in the order it is printed in, for comparing beginnings. */
export function printedForm(printed: string): string {
  const folded = fold(printed)
  const comma = folded.indexOf(',')
  if (comma < 0) return words(folded).join(' ')
  return `${words(folded.slice(0, comma)).join(' ')}, ${words(folded.slice(comma + 1)).join(' ')}`
}

function isInitial(word: string): boolean {
  return word.length === 1
}

/** Without the initials after the first word, run together: `Mary-Lou K` is `marylou`. */
function mainGiven(given: readonly string[]): string {
  return given.filter((word, i) => i === 0 || !isInitial(word)).join('')
}

/** Given names agree when they are the same but for middle initials, which may be missing or stand for a middle name. */
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

/** The name without `Jr`, `III` and the like, wherever sheets print them. */
export function withoutSuffix({ given, last }: Name): Name {
  const plain = (parts: readonly string[]) => parts.filter((word, i) => i === 0 || !SUFFIXES.has(word))
  return { given: plain(given), last: plain(last) }
}

/** Tells whether two names are the same person's, as far as names can show it. */
export function sameName(a: Name, b: Name): boolean {
  return a.last.join('') === b.last.join('') && sameGiven(a.given, b.given)
}
