/** Parses the legs of a relay team, numbered `1) A 2) B` or in columns without numbers. */
import { couldBeMark, type LetterBefore, splitAge } from './age-letters.ts'
import { groupsOf, type Line, textOf, type Word } from './lines.ts'
import { isName, isTime, written } from './rows.ts'

export interface Leg {
  readonly leg: number
  /** Left and right edge of it on its line. */
  readonly x: number
  readonly right: number
  /** Empty for a number without a name on its line. */
  readonly name: string
  /** Text after the name: an age or a school year. */
  readonly mark?: string
  /** The letter before an age: a mark, or the name's last. */
  readonly letterBefore?: LetterBefore
}

/** Points by which a name may begin left of the second column. */
const SECOND_SLACK = 30
const NUMBERED = /^(.*?)([1-8])\)(.*)$/
const MARK = /^(?:\p{L}?\d{1,2}|FR|SO|JR|SR|GR)$/u

/** Splits a name's words from the age or school year after them. */
function takeMark(words: readonly string[]): { name: string; mark?: string; letterBefore?: LetterBefore } {
  const last = words.at(-1) ?? ''
  const touching = splitAge(last)
  const before = words.slice(0, -1)
  if (touching) {
    const letter = touching.name.at(-1) ?? ''
    if (!couldBeMark(letter)) return { name: [...before, touching.name].join(' '), mark: touching.age }
    const name = [...before, touching.name.slice(0, -1)].join(' ').trim()
    return { name, mark: touching.age, letterBefore: { text: letter, inWord: touching.name.length > 1 } }
  }
  return MARK.test(last) ? { name: before.join(' '), mark: last } : { name: words.join(' ') }
}

function toLeg(leg: number, place: Pick<Leg, 'x' | 'right'>, text: string): Leg {
  const words = text.split(' ').filter((word) => word !== '')
  const marked = words.length > 1 ? takeMark(words) : { name: words.join(' ') }
  const named = /\p{L}/u.test(marked.name) && isName(marked.name)
  return named ? { leg, ...place, ...marked } : { leg, ...place, name: '' }
}

/** Checks whether a line is one of numbered legs. */
export function isNumberedLegs(line: Line): boolean {
  return /^[1-8]\)/.test(line.text)
}

/** Checks whether a line has a numbered leg after other words, as a list wrapped at any word has. */
export function hasNumberedLeg(line: Line): boolean {
  return /[1-8]\)(?= |\p{L}|$)/u.test(line.text)
}

/** Reads the legs of a line such as `1) A 2) B`, and the words before the first of them. */
export function readNumberedLegs(line: Line): { readonly before: readonly Word[]; readonly legs: readonly Leg[] } {
  const before: Word[] = []
  const open: { leg: number; x: number; right: number; words: string[] }[] = []
  for (const word of written(line)) {
    let rest = word.text
    const put = (text: string) => {
      const last = open.at(-1)
      if (text === '') return
      if (!last) before.push({ ...word, text })
      else {
        last.words.push(text)
        last.right = word.right
      }
    }
    for (let found = NUMBERED.exec(rest); found; found = NUMBERED.exec(rest)) {
      const [, left = '', number, after = ''] = found
      put(left)
      open.push({ leg: Number(number), x: word.x, right: word.right, words: [] })
      rest = after
    }
    put(rest)
  }
  return { before, legs: open.map(({ leg, x, right, words }) => toLeg(leg, { x, right }, words.join(' '))) }
}

/** Splits a line without numbers into names: at gaps, or at a new text run after a complete name. */
function namesOn(line: Line): Word[][] {
  const names: Word[][] = []
  for (const group of groupsOf(written(line), 0.9 * line.size)) {
    let name: Word[] = []
    for (const word of group) {
      const last = name.at(-1)
      const marked = name.length > 1 && last !== undefined && MARK.test(last.text)
      const ownRun = word.run !== last?.run && /, ?\S/.test(textOf(name)) && !MARK.test(word.text)
      if (marked || ownRun) {
        names.push(name)
        name = []
      }
      name.push(word)
    }
    names.push(name)
  }
  return names
}

/** Finds the positions in a word at which a second name may begin: its start, or a capital after a small letter. */
function beginnings(word: Word): { at: number; x: number }[] {
  const unit = (word.right - word.x) / word.text.length
  const inside = [...word.text.slice(0, 80).matchAll(/(?<=\p{Ll})\p{Lu}/gu)].map(({ index }) => index)
  return [0, ...inside].map((at) => ({ at, x: word.x + at * unit }))
}

/** Splits two names that run into each other, `Quill, AdaReed, Bo`, where the second column begins. */
function partJoined(name: readonly Word[], second: number): Word[][] {
  const commas = name.flatMap((word, i) => (word.text.includes(',') ? [i] : []))
  const [first = -1, next = -1] = commas
  if (commas.length !== 2) return [[...name]]
  let best: { i: number; at: number; off: number } | null = null
  for (const [i, word] of name.entries()) {
    if (i <= first || i > next) continue
    for (const { at, x } of beginnings(word)) {
      const off = Math.abs(x - second)
      if ((i > first + 1 || at > 0) && off < (best?.off ?? Number.POSITIVE_INFINITY)) best = { i, at, off }
    }
  }
  const split = best && name[best.i]
  if (!best || !split) return [[...name]]
  const [before, after] = [split.text.slice(0, best.at), split.text.slice(best.at)]
  const head = before === '' ? [] : [{ ...split, text: before, right: second }]
  return [
    [...name.slice(0, best.i), ...head],
    [{ ...split, text: after, x: second }, ...name.slice(best.i + 1)],
  ]
}

/** Finds the left edge of the second column, relative to the page column, where a line shows it. */
export function secondColumnOf(line: Line): number | null {
  const names = namesOn(line)
  const [first, second] = names
  const x = second?.[0]?.x
  const plain = names.length === 2 && [first, second].every((name) => name && textOf(name).split(',').length === 2)
  return plain && x !== undefined ? x - line.left : null
}

/**
 * Reads the legs of a line without numbers, below a relay team: two columns unless it has more names. `before` is the number of
 * legs on the lines above, `secondColumn` the left edge of the second column.
 */
export function readPlainLegs(line: Line, before: number, secondColumn: number): Leg[] | null {
  const words = written(line)
  if (words.length < 2 || words.some((word) => isTime(word.text))) return null
  const names = namesOn(line).flatMap((name) => partJoined(name, line.left + secondColumn))
  const legs: Leg[] = []
  for (const [i, name] of names.entries()) {
    const x = name[0]?.x ?? line.x
    const inSecond = names.length === 1 && x - line.left >= secondColumn - SECOND_SLACK
    const leg = toLeg(before + i + (inSecond ? 2 : 1), { x, right: name.at(-1)?.right ?? x }, textOf(name))
    if (!leg.name.includes(' ')) return null
    legs.push(leg)
  }
  return legs.length > 0 && legs.length <= 4 ? legs : null
}

/** Checks whether a leg's name continues below: its number has no name, or it ends with a comma. */
function isOpen({ name, mark }: Leg): boolean {
  return mark === undefined && (name === '' || name.endsWith(','))
}

/** Finds the leg that words below a line of legs continue: an open one, else by their position. */
function legAbove(words: readonly Word[], above: readonly Leg[], size: number): Leg | undefined {
  const [first] = words
  const last = above.at(-1)
  if (!first || !last) return undefined
  const open = above.filter(isOpen)
  if (open.length === 1) return open[0]
  const gaps = above.slice(1).map(({ x }, i) => x - (above[i]?.right ?? x))
  // Legs separated by a space are one text, which was wrapped as a whole.
  if (gaps.length > 0 && gaps.every((gap) => gap < 0.75 * size)) return last
  const at = above.findLastIndex(({ x, mark }) => first.x >= x - 2 && mark === undefined)
  const [leg, next] = [above[at], above[at + 1]]
  // A word that would have fitted beside its leg was not wrapped in that leg's cell: the whole line was.
  const hadRoom = next !== undefined && leg !== undefined && leg.right + (first.right - first.x) + size < next.x
  return hadRoom ? last : leg
}

/** Reads the rest of legs' names and marks, wrapped below the legs; null where the words are none. */
export function readWrappedLegs(
  words: readonly Word[],
  above: readonly Leg[],
  size: number,
): { leg: Leg; name: string; mark?: string; letterBefore?: LetterBefore }[] | null {
  const groups = groupsOf(words, 0.9 * size)
  const rests = groups.map((group) => {
    const leg = legAbove(groups.length > 1 ? group : words, groups.length > 1 ? columnOf(group, above) : above, size)
    const rest = takeMark(group.map(({ text }) => text))
    const fits = group.length <= 5 && /^[\p{L}'’,. -]*$/u.test(rest.name)
    const twice = leg?.name.includes(',') && rest.name.includes(',')
    return leg && leg.mark === undefined && fits && !twice ? { leg, ...rest } : null
  })
  const found = rests.filter((rest) => rest !== null)
  const distinct = new Set(found.map(({ leg }) => leg.leg)).size
  return found.length > 0 && found.length === rests.length && distinct === found.length ? found : null
}

/** Assigns words in several columns to the leg above each. */
function columnOf(group: readonly Word[], above: readonly Leg[]): Leg[] {
  const leg = above.findLast(({ x }) => (group[0]?.x ?? 0) >= x - 2)
  return leg ? [leg] : []
}
