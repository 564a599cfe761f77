/** Legs of a relay team, numbered `1) A 2) B` or in columns without numbers. */
import { groupsOf, type Line, textOf, type Word } from './lines.ts'
import { isName, isTime, written } from './rows.ts'

export interface Leg {
  readonly leg: number
  /** Left edge of it on its line. */
  readonly x: number
  readonly name: string
  /** Text behind the name: an age or a school year. */
  readonly mark?: string
}

/** A name that begins this little left of the second column, in points, is in it. */
const SECOND_SLACK = 30
const NUMBERED = /^(.*?)([1-8])\)(.*)$/
const MARK = /^(?:[A-Z]?\d{1,2}|FR|SO|JR|SR|GR)$/

function toLeg(leg: number, x: number, text: string): Leg | null {
  const words = text.split(' ').filter((word) => word !== '')
  const last = words.at(-1)
  const marked = last !== undefined && words.length > 1 && MARK.test(last)
  const name = (marked ? words.slice(0, -1) : words).join(' ')
  if (!/\p{L}/u.test(name) || !isName(name)) return null
  return marked ? { leg, x, name, mark: last.replace(/^[A-Z](?=\d)/, '') } : { leg, x, name }
}

/** Tells whether a line is one of numbered legs. */
export function isNumberedLegs(line: Line): boolean {
  return /^[1-8]\)/.test(line.text)
}

/** The legs of a line such as `1) A 2) B`; a number without a name is a leg that nobody is named for. */
export function readNumberedLegs(line: Line): Leg[] {
  const open: { leg: number; x: number; words: string[] }[] = []
  for (const { text, x } of written(line)) {
    let rest = text
    for (let found = NUMBERED.exec(rest); found; found = NUMBERED.exec(rest)) {
      const [, before = '', number, after = ''] = found
      if (before !== '') open.at(-1)?.words.push(before)
      open.push({ leg: Number(number), x, words: [] })
      rest = after
    }
    if (rest !== '') open.at(-1)?.words.push(rest)
  }
  return open.flatMap(({ leg, x, words }) => toLeg(leg, x, words.join(' ')) ?? [])
}

/** Names on a line without numbers stand apart, or begin a run of their own after a name that is already whole. */
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

/** Positions in a word at which a second name may begin: at the word itself, or at a capital after a small letter. */
function beginnings(word: Word): { at: number; x: number }[] {
  const unit = (word.right - word.x) / word.text.length
  const inside = [...word.text.slice(0, 80).matchAll(/(?<=\p{Ll})\p{Lu}/gu)].map(({ index }) => index)
  return [0, ...inside].map((at) => ({ at, x: word.x + at * unit }))
}

/** Parts two names that run into each other, `Quill, AdaReed, Bo`, where the second column begins; else leaves them as they are. */
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

/** The left edge of the second column, counted from the left edge of the page column, where a line shows it. */
export function secondColumnOf(line: Line): number | null {
  const names = namesOn(line)
  const [first, second] = names
  const x = second?.[0]?.x
  const plain = names.length === 2 && [first, second].every((name) => name && textOf(name).split(',').length === 2)
  return plain && x !== undefined ? x - line.left : null
}

/**
 * The legs of a line without numbers, below a relay team: two columns unless more names stand on it. `before` is how many
 * legs the lines above it took, `secondColumn` where the second column begins.
 */
export function readPlainLegs(line: Line, before: number, secondColumn: number): Leg[] | null {
  const words = written(line)
  if (words.length < 2 || words.some((word) => isTime(word.text))) return null
  const names = namesOn(line).flatMap((name) => partJoined(name, line.left + secondColumn))
  const legs: Leg[] = []
  for (const [i, name] of names.entries()) {
    const x = name[0]?.x ?? line.x
    const inSecond = names.length === 1 && x - line.left >= secondColumn - SECOND_SLACK
    const leg = toLeg(before + i + (inSecond ? 2 : 1), x, textOf(name))
    if (!leg?.name.includes(' ')) return null
    legs.push(leg)
  }
  return legs.length > 0 && legs.length <= 4 ? legs : null
}

/** The rest of a leg's name and what stands behind it, wrapped below the leg. */
export function readWrappedLeg(line: Line, above: readonly Leg[]): { leg: Leg; name: string; mark?: string } | null {
  const words = written(line)
  const leg = above.findLast(({ x }) => line.x >= x - 2)
  const last = words.at(-1)
  if (!leg || !last || leg.mark !== undefined || words.length > 4) return null
  const marked = MARK.test(last.text)
  const name = textOf(marked ? words.slice(0, -1) : words)
  if (!/^[\p{L}'’. -]*$/u.test(name)) return null
  return marked ? { leg, name, mark: last.text.replace(/^[A-Z](?=\d)/, '') } : { leg, name }
}
