/**
 * Classifies letters that touch an age: gender marks of mixed events (`W12`), or the last letter of a name cut by a narrow column
 * (`Ada M12`). One row is ambiguous; the other rows under the same kind of heading decide.
 */
import { genderOf } from './persons.ts'
import type { SheetEntry } from './sheet.ts'

/** Gender marks of mixed events. */
const GENDER = /^[MWFBGX]$/
/** A name's end and the age that it touches. */
const TOUCHING = /^([\p{L}'’.,-]*\p{L}['’.,-]?)(\d{1,2})$/u
/** Share of rows from which letters are marks: names that reach the ages are fewer, and end in any letter. */
const SHARE_OF_MARKS = 0.6
/** Fewest rows by which events of one gender, which need no marks, are taken to print them. */
const FEWEST_ROWS = 3
const MARKS_OF = { female: /^[WFGX]$/, male: /^[MBX]$/ } as const

/** Splits a text from the age that it touches; null where it touches none. */
export function splitAge(text: string): { name: string; age: string } | null {
  const [, name, age] = TOUCHING.exec(text) ?? []
  return name === undefined || age === undefined ? null : { name, age }
}

/** Checks whether the letter before an age could be a mark. */
export function couldBeMark(letter: string): boolean {
  return GENDER.test(letter)
}

/** The letter before an age. */
export interface LetterBefore {
  readonly text: string
  /** True where it ends a word of the name. */
  readonly inWord: boolean
  /** True where a gap separates it from the name, so it is no part of it. */
  readonly apart?: boolean
}

interface Case {
  readonly entry: SheetEntry
  readonly letter: LetterBefore
  /** Length of the name before the letter. */
  readonly at: number
}

interface Rows {
  aged: number
  readonly cases: Case[]
}

/** Collects letters before ages, and appends them to names once all rows are known. */
export class AgeLetters {
  /** Rows by the gender of the event's name. */
  readonly #rows = new Map<'female' | 'male' | null, Rows>()

  /** Counts a row with an age, and the letter before it where it may be a mark. */
  add(entry: SheetEntry, eventName: string, letter?: LetterBefore): void {
    const gender = genderOf(eventName)
    const rows = this.#rows.get(gender) ?? { aged: 0, cases: [] }
    this.#rows.set(gender, rows)
    rows.aged++
    if (letter) rows.cases.push({ entry, letter, at: entry.name.length })
  }

  /** Decides, after the last row, which letters belong to names. @returns the entries whose names were completed */
  settle(): SheetEntry[] {
    return [...this.#rows].flatMap(([gender, { aged, cases }]) => {
      if (areMarks(gender, aged, cases)) {
        for (const { entry, letter } of cases) joinSchoolYear(entry, letter)
        return []
      }
      const touching = cases.filter(({ letter }) => !letter.apart)
      for (const { entry, letter, at } of touching) {
        const before = entry.name.slice(0, at)
        const space = letter.inWord || before === '' ? '' : ' '
        entry.name = `${before}${space}${letter.text}${entry.name.slice(at)}`
      }
      return touching.map(({ entry }) => entry)
    })
  }
}

function areMarks(gender: 'female' | 'male' | null, aged: number, cases: readonly Case[]): boolean {
  if (gender === null) return cases.length >= SHARE_OF_MARKS * aged
  if (cases.filter(({ letter }) => letter.apart).length >= SHARE_OF_MARKS * aged) return true
  const same = cases.every(({ letter }) => MARKS_OF[gender].test(letter.text))
  const years = cases.every(({ entry, letter }) => entry.grade !== undefined && letter.text === cases[0]?.letter.text)
  return cases.length === aged && aged >= FEWEST_ROWS && (same || years)
}

/** Joins the letter of a school year to it: `Y9`. */
function joinSchoolYear(entry: SheetEntry, letter: LetterBefore): void {
  if (entry.grade !== undefined && !couldBeMark(letter.text)) entry.grade = `${letter.text}${entry.grade}`
}
