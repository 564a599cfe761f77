/** Rows of individual events and of relay teams, taken apart by what their column headings say and what times look like. */
import type { Line, Word } from './lines.ts'
import { textOf } from './lines.ts'
import { find, findSeed, type Heading, isUnder, type Table } from './table.ts'

/** Fields of a numbered line: its lane or rank, and what it holds besides. */
export interface Row {
  /** Lane, or rank in a list. */
  readonly lead: number
  /** The swimmer as printed; for relay teams, the team. Empty on a lane that nobody swims in. */
  readonly name: string
  /** The name reaches the next column. */
  readonly full: boolean
  readonly age?: number
  readonly grade?: string
  readonly team?: string
  readonly letter?: string
  readonly seed?: string
}

const LEAD = /^[*T]?(\d{1,3})[.)]?$/
const TIME = /^[XJx]?(?:(?:\d{1,2}:){0,2}\d{1,3}[.,]\d{1,2}|N[TPS]|SCR|DQ|DFS|ND)[YLSM]?[*#!]?$/
const TIME_AT_END = /^(.*?[^\d:.,])(X?(?:\d{1,2}:)?\d{1,2}[.,]\d{2}[YLS]?|NT[YLS]?)$/
/** A time and the qualifier tag that touches it: `2:17.75B`, `59.10LD2`. */
const TAGGED = /^(.*\d[.,]\d{2}[YLS]?)([A-Z]{1,4}\d?\*?)$/
const COURSE = /^[YLSM]$/
/** Mixed events print a letter for the gender before the age: `W12`. */
const AGE = /^[MWFBGX]?(\d{1,2})$/
/** The sum of a relay's ages, or its age group, between team and letter: `X160`. */
const RELAY_AGES = /^[MWFBGX]\d{1,3}\+?$/
const GRADE = /^(?:\d{1,2}|[A-Za-z][A-Za-z0-9]{0,2})$/
/** Without headings, a smaller number is a school year. */
const YOUNGEST = 5
/** Set before names of those who swim out of competition. */
const SIGN = /^[*#%+~†‡^]+ ?/
const GRADE_WORD = /^(?:FR|SO|JR|SR|GR|[5-9]Y)$/i

/** Longer words are no team that touches a time. */
const LONGEST_WORD = 60

/** Tells whether text is a seed: a time or score, or a word that stands for one. */
export function isTime(text: string): boolean {
  return TIME.test(text)
}

/** Words that hold something: blanks to write on are none. */
export function written(line: Line): Word[] {
  return line.words.flatMap((word) => {
    const text = word.text.replace(/_+$/, '').replace(/^_+/, '')
    return text === '' ? [] : [{ ...word, text }]
  })
}

/** A word as two, the second of them the last `count` letters. */
function cut(word: Word, count: number): [Word, Word] {
  const middle = word.right - ((word.right - word.x) * count) / word.text.length
  return [
    { ...word, text: word.text.slice(0, -count), right: middle },
    { ...word, text: word.text.slice(-count), x: middle },
  ]
}

/** A time that touches its tag, and a team that touches its time: `MILL-QZ2:17.75`. */
function splitTouching(words: readonly Word[]): Word[] {
  return words.flatMap((word) => {
    if (word.text.length > LONGEST_WORD || isTime(word.text)) return [word]
    const tag = TAGGED.exec(word.text)?.[2] ?? ''
    const [timed, ...tagged] = tag === '' ? [word] : cut(word, tag.length)
    if (isTime(timed.text)) return [timed, ...tagged]
    const time = TIME_AT_END.exec(timed.text)?.[2] ?? ''
    return /^\p{L}*$/u.test(time) ? [word] : [...cut(timed, time.length), ...tagged]
  })
}

/** A name that touches its age: `Ada12`. */
function splitTouchingAge(words: readonly Word[], left: number, heading: Heading): Word[] {
  return words.flatMap((word) => {
    const touching = word.text.length > LONGEST_WORD ? null : /^\p{L}{2,}[.,]?(\d{1,2})$/u.exec(word.text)
    const [, age = ''] = touching ?? []
    return touching && isUnder(word, left, heading, 4) ? cut(word, age.length) : [word]
  })
}

/** Finds the index of the seed among a row's words: the time nearest its heading, else the first time; -1 when there is none. */
function seedAt(words: readonly Word[], left: number, table: Table | null): number {
  const heading = findSeed(table)
  let best = -1
  let distance = Number.POSITIVE_INFINITY
  for (const [i, word] of words.entries()) {
    if (!isTime(word.text)) continue
    if (!heading && best >= 0) break
    const off = heading ? Math.abs(word.right - left - heading.right) : 0
    if (off < distance) [best, distance] = [i, off]
  }
  return best
}

function seedText(words: readonly Word[], at: number, size: number): string | undefined {
  const word = words[at]
  if (!word) return undefined
  const next = words[at + 1]
  const joined = next && COURSE.test(next.text) && next.x - word.right < 0.4 * size && /\d$/.test(word.text)
  return joined ? word.text + next.text : word.text
}

interface Split {
  readonly name: readonly Word[]
  readonly mark?: Word
  readonly team: readonly Word[]
}

/** By the column of ages or school years; undefined when the row has none there. */
function splitByMark(words: readonly Word[], left: number, table: Table): Split | undefined {
  const heading = find(table, 'age') ?? find(table, 'grade')
  if (!heading) return undefined
  const team = find(table, 'team')
  const before = team && team.x > heading.x ? team.x : Number.POSITIVE_INFINITY
  const last = (shape: RegExp) =>
    words.findLastIndex(
      (word, i) => i > 0 && shape.test(word.text) && isUnder(word, left, heading, 4) && word.x - left < before + 2,
    )
  let at = last(AGE)
  if (heading.kind === 'grade' && at < 0) at = last(GRADE_WORD)
  if (heading.kind === 'grade' && at < 0) at = last(GRADE)
  const mark = words[at]
  if (!mark) return undefined
  // Words printed over the mark are the end of a long name.
  const rest = words.slice(at + 1)
  const over = rest.findIndex((word) => word.x >= mark.right - 1)
  const end = over < 0 ? rest.length : over
  return { name: [...words.slice(0, at), ...rest.slice(0, end)], mark, team: rest.slice(end) }
}

function splitByTeam(words: readonly Word[], left: number, table: Table): Split {
  const heading = find(table, 'team')
  if (!heading) return { name: words, team: [] }
  const isRight = ({ x }: Word) => x - left >= heading.x - 4
  // A long name may run past the heading in its own run; a run that begins there is the team.
  const begins = words.findIndex((word, i) => i > 0 && word.run !== words[i - 1]?.run && isRight(word))
  const at = begins >= 0 ? begins : words.findIndex((word, i) => i > 0 && isRight(word))
  return at < 0 ? { name: words, team: [] } : { name: words.slice(0, at), team: words.slice(at) }
}

/** Without headings: a small number or school year in the middle, else the widest gap, parts name from team. */
function splitByShape(words: readonly Word[], size: number): Split {
  const at = words.findIndex((word, i) => i > 1 && (AGE.test(word.text) || GRADE_WORD.test(word.text)))
  const mark = words[at]
  if (mark) return { name: words.slice(0, at), mark, team: words.slice(at + 1) }
  const gap = words.findIndex((word, i) => word.x - (words[i - 1]?.right ?? word.x) > size)
  return gap < 0 ? { name: words, team: [] } : { name: words.slice(0, gap), team: words.slice(gap) }
}

function split(words: readonly Word[], line: Line, table: Table | null): Split {
  if (!table) return splitByShape(words, line.size)
  return splitByMark(words, line.left, table) ?? splitByTeam(words, line.left, table)
}

function isFull(parts: Split, line: Line, table: Table | null): boolean {
  const last = parts.name.at(-1)
  if (!last) return false
  const heading = find(table, 'team')
  // Ages are set flush right and take two digits; a narrow column ends where the first of them begins.
  const limit = parts.mark
    ? parts.mark.right - 1.25 * line.size
    : (parts.team[0]?.x ?? (heading ? heading.x + line.left : Number.POSITIVE_INFINITY))
  return last.right > limit - 1.2 * line.size
}

function mark(parts: Split, table: Table | null): Pick<Row, 'age' | 'grade'> {
  const text = parts.mark?.text
  if (text === undefined) return {}
  const age = Number(AGE.exec(text)?.[1])
  const isAge = table ? find(table, 'age') !== undefined : age >= YOUNGEST
  return isAge ? { age } : { grade: text }
}

/** The lane or rank that a line begins with, where it stands left of the names; null when it begins otherwise. */
export function leadOf(words: readonly Word[], left: number, table: Table | null): number | null {
  const [first] = words
  const digits = first && LEAD.exec(first.text)?.[1]
  if (!first || digits === undefined) return null
  const name = find(table, 'name') ?? find(table, 'team')
  if (name && first.x - left > name.x) return null
  return Number(digits)
}

function withoutId(words: readonly Word[], left: number, table: Table | null): readonly Word[] {
  const heading = find(table, 'id')
  const [first] = words
  return heading && first && words.length > 1 && isUnder(first, left, heading, 3) && /\d/.test(first.text)
    ? words.slice(1)
    : words
}

/** A row of an individual event; null when the line is none. A lane with nobody in it has an empty name. */
export function readRow(line: Line, table: Table | null): Row | null {
  const all = splitTouching(written(line))
  const lead = leadOf(all, line.left, table)
  if (lead === null) return null
  const age = find(table, 'age')
  const named = withoutId(all.slice(1), line.left, table)
  const words = age ? splitTouchingAge(named, line.left, age) : named
  const at = seedAt(words, line.left, table)
  const parts = split(at < 0 ? words : words.slice(0, at), line, table)
  const name = textOf(parts.name).replace(SIGN, '')
  if (name !== '' && !isName(name)) return null
  if (name === '' && at >= 0) return null
  const team = textOf(parts.team)
  const seed = seedText(words, at, line.size)
  return {
    lead,
    name,
    full: isFull(parts, line, table),
    ...mark(parts, table),
    ...(team === '' ? {} : { team }),
    ...(seed === undefined ? {} : { seed }),
  }
}

/** Tells whether text could be a person's name: letters first, no figures but a para class's, nothing that labels have. */
export function isName(text: string): boolean {
  return /^[\p{L}'‘’`"(]/u.test(text) && !/[:%=&]/.test(text) && !/\d{3}/.test(text)
}

/** A row of a relay event: the team as `name`, its letter, its seed; null when the line is none. */
export function readRelayRow(line: Line, table: Table | null): Row | null {
  const all = splitTouching(written(line))
  const lead = leadOf(all, line.left, table)
  if (lead === null) return null
  const words = all.slice(1)
  const at = seedAt(words, line.left, table)
  const before = at < 0 ? words : words.slice(0, at)
  const heading = find(table, 'relay')
  const isLetter = (word: Word) => /^[A-Z]$/.test(word.text) && (!heading || isUnder(word, line.left, heading, 10))
  const letterAt = before.findLastIndex((word, i) => i > 0 && isLetter(word))
  const named = (letterAt < 0 ? before : before.slice(0, letterAt)).filter(
    ({ text }, i) => i === 0 || !RELAY_AGES.test(text),
  )
  const team = textOf(named)
  if (/:/.test(team)) return null
  const letter = before[letterAt]?.text
  const seed = seedText(words, at, line.size)
  return {
    lead,
    name: team,
    full: false,
    ...(letter === undefined ? {} : { letter }),
    ...(seed === undefined ? {} : { seed }),
  }
}
