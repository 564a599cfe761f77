/** Parses rows of individual events and of relay teams, by column headings and the form of times. */
import { couldBeMark, type LetterBefore, splitAge } from './age-letters.ts'
import type { Line, Word } from './lines.ts'
import { textOf } from './lines.ts'
import { find, findSeed, isUnder, type Table } from './table.ts'

/** Fields of a numbered line. */
export interface Row {
  /** Lane, or rank in a list. */
  readonly lead: number
  /** The swimmer as printed; for relay teams, the team. Empty for an empty lane. */
  readonly name: string
  /** True where the name reaches the next column. */
  readonly full: boolean
  readonly age?: number
  readonly grade?: string
  /** The letter before the age: a mark, or the name's last. */
  readonly letterBefore?: LetterBefore
  readonly team?: string
  readonly letter?: string
  readonly seed?: string
}

const LEAD = /^[*T]?(\d{1,3})[.)]?$/
const TIME = /^[XJx]?(?:(?:\d{1,2}:){0,2}\d{1,3}[.,]\d{1,2}|N[TPS]|NQT|SCR|DQ|DSQ|DN[SF]|DFS|ND)[YLSM]?[*#!]?$/
const TIME_AT_END = /^(.*?[^\d:.,])(X?(?:\d{1,2}:)?\d{1,2}[.,]\d{2}[YLS]?|NT[YLS]?)$/
/** A time and the qualifier tag that touches it: `2:17.75B`, `59.10LD2`. */
const TAGGED = /^(.*\d[.,]\d{2}[YLS]?)([A-Z]{1,4}\d?\*?)$/
const COURSE = /^[YLSM]$/
const AGE = /^\d{1,2}$/
/** Age with a letter before it, which without headings must be a word of its own. */
const LETTERED_AGE = /^\p{L}\d{1,2}$/u
/** The sum of a relay's ages, or its age group, between team and letter: `X160`. */
const RELAY_AGES = /^[MWFBGX]\d{1,3}\+?$/
const GRADE = /^(?:\d{1,2}|[A-Za-z][A-Za-z0-9]{0,2})$/
/** Lowest age without headings; a smaller number is a school year. */
const YOUNGEST = 5
/** Signs before names of swimmers out of competition. */
const SIGN = /^[*#%+~†‡^]+ ?/
const GRADE_WORD = /^(?:FR|SO|JR|SR|GR|[5-9]Y)$/i

/** Longest word that may be a team that touches a time. */
const LONGEST_WORD = 60

/** Checks whether text is a seed: a time or score, or a word that stands for one. */
export function isTime(text: string): boolean {
  return TIME.test(text)
}

/** Filters out blanks to write on. */
export function written(line: Line): Word[] {
  return line.words.flatMap((word) => {
    const text = word.text.replace(/_+$/, '').replace(/^_+/, '')
    return text === '' ? [] : [{ ...word, text }]
  })
}

/** Splits a word before its last `count` letters. */
function cut(word: Word, count: number): [Word, Word] {
  const middle = word.right - ((word.right - word.x) * count) / word.text.length
  return [
    { ...word, text: word.text.slice(0, -count), right: middle },
    { ...word, text: word.text.slice(-count), x: middle },
  ]
}

/** Splits a time from a tag, and a team from a time, that touch: `MILL-QZ2:17.75`. */
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

/** Splits a name or a mark from an age that it touches: `Ada12`, `Ada M12`. Unchanged where the row has a separate age. */
function splitTouchingAge(words: readonly Word[], left: number, table: Table | null): readonly Word[] {
  const heading = find(table, 'age') ?? find(table, 'grade')
  if (table && !heading) return words
  const isThere = (word: Word, i: number) => (heading ? isUnder(word, left, heading, 4) : i > 1)
  if (words.some((word, i) => AGE.test(word.text) && isThere(word, i))) return words
  const at = words.findLastIndex((word, i) => {
    const couldTouch = heading ? word.text.length <= LONGEST_WORD : LETTERED_AGE.test(word.text)
    return couldTouch && isThere(word, i) && splitAge(word.text) !== null
  })
  const word = words[at]
  const age = word ? splitAge(word.text)?.age : undefined
  return word && age ? [...words.slice(0, at), ...cut(word, age.length), ...words.slice(at + 1)] : words
}

/** Returns the letter that touches the age, where other rows must decide its meaning. */
function touchingLetter({ name, mark }: Split, table: Table | null, size: number): LetterBefore | undefined {
  const [before, last] = [name.at(-2), name.at(-1)]
  if (!last || !mark || last.right !== mark.x || last.run !== mark.run) return undefined
  const text = last.text.at(-1) ?? ''
  const isOpen = /\p{L}/u.test(text) && (find(table, 'grade') !== undefined || couldBeMark(text))
  if (!isOpen) return undefined
  const inWord = last.text.length > 1
  const apart = !inWord && before !== undefined && before.run !== last.run && last.x - before.right > 0.75 * size
  return apart ? { text, inWord, apart } : { text, inWord }
}

/** Words and scores that are seeds by their position: `NQT`, `EXH`, `245`. */
const SEED_WORD = /^(?:[A-Z]{2,6}|\d{1,4}(?:[.,]\d{1,2})?)$/

/** Finds the index of a word in the position of seeds, right-aligned under their heading and apart from the team; -1 where there is none. */
function seedWordAt(words: readonly Word[], left: number, table: Table | null, size: number): number {
  const heading = findSeed(table)
  if (!heading) return -1
  return words.findLastIndex((word, i) => {
    const before = words[i - 1]
    const isApart = before !== undefined && (before.run !== word.run || word.x - before.right > size)
    const right = word.right - left
    return isApart && SEED_WORD.test(word.text) && Math.abs(right - heading.right) < 0.6 * size
  })
}

/** Finds the index of the seed among a row's words: the time nearest its heading, else the first time; -1 when there is none. */
function seedAt(words: readonly Word[], { left, size }: Line, table: Table | null): number {
  const heading = findSeed(table)
  let best = -1
  let distance = Number.POSITIVE_INFINITY
  for (const [i, word] of words.entries()) {
    if (!isTime(word.text)) continue
    if (!heading && best >= 0) break
    const off = heading ? Math.abs(word.right - left - heading.right) : 0
    // A team may end in letters that mean a time elsewhere.
    const inTeam = heading && !/\d/.test(word.text) && word.run === words[i - 1]?.run && off > 3 * size
    if (inTeam) continue
    if (off < distance) [best, distance] = [i, off]
  }
  return best < 0 ? seedWordAt(words, left, table, size) : best
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

/** Splits a row by the column of ages or school years; undefined when the row has none there. */
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
  // A long name may extend past the heading in its own text run; a run that begins there is the team.
  const begins = words.findIndex((word, i) => i > 0 && word.run !== words[i - 1]?.run && isRight(word))
  const at = begins >= 0 ? begins : words.findIndex((word, i) => i > 0 && isRight(word))
  return at < 0 ? { name: words, team: [] } : { name: words.slice(0, at), team: words.slice(at) }
}

/** Splits a row without headings: a small number or school year in the middle, else the widest gap, separates name and team. */
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

function isFull(parts: Split, line: Line, table: Table | null, letterBefore: LetterBefore | undefined): boolean {
  const last = parts.name.at(letterBefore?.inWord === false ? -2 : -1)
  if (!last) return false
  const heading = find(table, 'team')
  // Ages are right-aligned with two digits; a narrow column ends where the first digit begins.
  const limit = parts.mark
    ? parts.mark.right - 1.25 * line.size
    : (parts.team[0]?.x ?? (heading ? heading.x + line.left : Number.POSITIVE_INFINITY))
  return last.right > limit - 1.2 * line.size
}

function mark(parts: Split, table: Table | null): Pick<Row, 'age' | 'grade'> {
  const text = parts.mark?.text
  if (text === undefined) return {}
  const age = AGE.test(text) ? Number(text) : Number.NaN
  const isAge = table ? find(table, 'age') !== undefined : age >= YOUNGEST
  return isAge ? { age } : { grade: text }
}

/** Reads the lane or rank at the beginning of a line, left of the names; null when there is none. */
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

/** Reads a row of an individual event; null when the line is none. An empty lane has an empty name. */
export function readRow(line: Line, table: Table | null): Row | null {
  const all = splitTouching(written(line))
  const lead = leadOf(all, line.left, table)
  if (lead === null) return null
  const words = splitTouchingAge(withoutId(all.slice(1), line.left, table), line.left, table)
  const at = seedAt(words, line, table)
  const parts = split(at < 0 ? words : words.slice(0, at), line, table)
  const letterBefore = touchingLetter(parts, table, line.size)
  const whole = textOf(parts.name).replace(SIGN, '')
  const name = letterBefore ? whole.slice(0, -1).trimEnd() : whole
  if (name !== '' && !isName(name)) return null
  if (name === '' && at >= 0) return null
  const team = textOf(parts.team)
  const seed = seedText(words, at, line.size)
  return {
    lead,
    name,
    full: isFull(parts, line, table, letterBefore),
    ...mark(parts, table),
    ...(letterBefore === undefined ? {} : { letterBefore }),
    ...(team === '' ? {} : { team }),
    ...(seed === undefined ? {} : { seed }),
  }
}

/** Checks whether text could be a person's name: letters first, no digits but those of a para class, no words of labels. */
export function isName(text: string): boolean {
  return /^[\p{L}'‘’`"(]/u.test(text) && !/[:%=&]/.test(text) && !/\d{3}/.test(text)
}

/** Reads a row of a relay event: the team as `name`, its letter, its seed; null when the line is none. */
export function readRelayRow(line: Line, table: Table | null): Row | null {
  const all = splitTouching(written(line))
  const lead = leadOf(all, line.left, table)
  if (lead === null) return null
  const words = all.slice(1)
  const at = seedAt(words, line, table)
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

/** Checks whether a row has a time under a result's heading: on sheets that column is left blank. */
export function isResult(line: Line, table: Table | null): boolean {
  const finals = find(table, 'finals')
  if (!finals) return false
  const times = line.words.filter(({ text }) => isTime(text) && /\d/.test(text))
  const under = times.some(({ right }) => right - line.left > finals.x)
  return under && (times.length > 1 || findSeed(table) === undefined)
}
