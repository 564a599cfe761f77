/** Searches the printed names of a sheet for a swimmer, and grades uncertain matches. */
import { contains, type Name, printedForm, readingsOf, sameName, spoken, withoutSuffix } from './names.ts'
import type { Sheet, SheetEntry } from './sheet.ts'
import { openly, type Warning } from './warnings.ts'

/** Printed names that match the swimmer, with warnings about uncertain ones. */
export interface Matches {
  readonly names: ReadonlySet<string>
  readonly warnings: readonly Warning[]
  /** Printed names of several possible swimmers; then none is matched. */
  readonly several?: readonly string[]
}

/** A printed name with its forms for comparison. */
export interface PrintedName {
  readonly printed: string
  readonly readings: readonly Name[]
  readonly form: string
  /** True where its end may be cut off. */
  readonly full: boolean
  /** True where it has a row of its own, and is not only in legs of relays. */
  readonly inRow: boolean
}

/** Letters from which a cut-off name is compared. */
const SHORTEST_BEGINNING = 10
/** Letters of the first name that a leg must show, where only other rows indicate that it is cut. */
const SHORTEST_GIVEN = 2

const indexes = new WeakMap<readonly SheetEntry[], readonly PrintedName[]>()

/** Lists the names of a sheet without duplicates. Cached by sheet, because a team queries many of its swimmers. */
export function printedNames({ entries }: Sheet): readonly PrintedName[] {
  const known = indexes.get(entries)
  if (known) return known
  const facts = new Map<string, { full: boolean; inRow: boolean }>()
  for (const { name, full, relay } of entries) {
    const fact = facts.get(name) ?? { full: false, inRow: false }
    facts.set(name, { full: fact.full || full === true, inRow: fact.inRow || relay === undefined })
  }
  const names = [...facts].map(([printed, fact]) => ({
    printed,
    readings: readingsOf(printed),
    form: printedForm(printed),
    ...fact,
  }))
  indexes.set(entries, names)
  return names
}

const same: Comparison = (asked, printed) => sameName(asked, printed)
const sameButSuffix: Comparison = (asked, printed) => sameName(withoutSuffix(asked), withoutSuffix(printed))
const reversed: Comparison = ({ given, last }, printed) => sameName({ given: last, last: given }, printed)
const within: Comparison = (asked, printed) => contains(withoutSuffix(printed), withoutSuffix(asked))

type Comparison = (asked: Name, printed: Name) => boolean

function namesLike(asked: readonly Name[], names: readonly PrintedName[], isLike: Comparison): PrintedName[] {
  return names.filter(({ readings }) => readings.some((printed) => asked.some((one) => isLike(one, printed))))
}

/** Checks whether one of two names is the other with its end cut off, or both are spellings of one person's name. */
function isOnePerson(a: PrintedName, b: PrintedName): boolean {
  const [short, long] = a.form.length <= b.form.length ? [a, b] : [b, a]
  if (short.full && long.form.startsWith(short.form)) return true
  return a.readings.some((one) => b.readings.some((other) => sameName(one, other)))
}

/** Compares names of which only middle names are missing, as on legs of relays. */
const sameLastWithin: Comparison = (asked, printed) =>
  within(asked, printed) && withoutSuffix(asked).last.join('') === withoutSuffix(printed).last.join('')

/** Finds the names that contain all words of the requested one: of one swimmer, or of several, which is ambiguous. */
function holders(
  asked: readonly Name[],
  names: readonly PrintedName[],
  isLike: Comparison = within,
): { one: PrintedName[]; several: PrintedName[] } {
  const found = namesLike(asked, names, isLike)
  const longest = found.reduce<PrintedName | undefined>(
    (most, name) => (most && most.form.length >= name.form.length ? most : name),
    undefined,
  )
  const isOne = longest !== undefined && found.every((name) => name === longest || isOnePerson(name, longest))
  return isOne ? { one: found, several: [] } : { one: [], several: found }
}

const printedOf = (names: readonly PrintedName[]) => names.map(({ printed }) => printed)

function readAs(swimmer: string, names: readonly PrintedName[]): Warning {
  const [longest = ''] = printedOf(names).toSorted((a, b) => b.length - a.length)
  return openly(`'${swimmer.trim()}' was read as '${spoken(longest)}', whose name holds these words.`)
}

/** Finds the whole names that match the swimmer, by the strictest comparison that matches any. */
function wholeNames(sheet: Sheet, swimmer: string, asked: readonly Name[]): Matches {
  const all = printedNames(sheet)
  for (const isLike of [same, sameButSuffix]) {
    const found = namesLike(asked, all, isLike)
    if (found.length === 0) continue
    // Legs are printed shorter than rows: the swimmer's own rows may have more of the name.
    const { one } = found.some(({ inRow }) => inRow)
      ? { one: [] }
      : holders(
          asked,
          all.filter(({ inRow }) => inRow),
          sameLastWithin,
        )
    const warnings = one.length === 0 ? [] : [readAs(swimmer, one)]
    return { names: new Set(printedOf([...found, ...one])), warnings }
  }
  const { one, several } = holders(asked, all)
  if (one.length > 0) return { names: new Set(printedOf(one)), warnings: [readAs(swimmer, one)] }
  if (several.length > 0) return { names: new Set(), warnings: [], several: printedOf(several) }
  const turned = swimmer.includes(',') ? [] : namesLike(asked, all, reversed)
  const [first] = turned
  if (!first) return { names: new Set(), warnings: [] }
  const warning = openly(`'${swimmer.trim()}' was read as last name first: '${spoken(first.printed)}'.`)
  return { names: new Set(printedOf(turned)), warnings: [warning] }
}

/** Checks whether a cut-off name is the beginning of the requested name, in the sheet's order of names. */
function isBeginning(form: string, asked: readonly Name[]): boolean {
  if (form.length < SHORTEST_BEGINNING) return false
  return asked.some(({ given, last }) => {
    const inOrder = form.includes(',') || last.join(' ').startsWith(form)
    const whole = inOrder ? `${last.join(' ')}, ${given.join(' ')}` : `${given.join(' ')} ${last.join(' ')}`
    return whole.length > form.length && whole.startsWith(form)
  })
}

/** Checks whether a leg's name is sufficient for identification: the last name and the beginning of the first. */
function isTelling(form: string): boolean {
  const [last = '', given = ''] = form.split(', ')
  return last.length > 1 && given.length >= SHORTEST_GIVEN
}

/** Finds the names cut off by their column or a relay's cell that are beginnings of the swimmer's. */
function cutNames(sheet: Sheet, asked: readonly Name[], matched: ReadonlySet<string>): Matches {
  const all = printedNames(sheet)
  const wholes = all.filter(({ printed }) => matched.has(printed))
  const beginsMatched = (form: string) => wholes.some((whole) => whole.form.startsWith(form))
  const isCut = ({ printed, full, inRow, form }: PrintedName) => {
    if (matched.has(printed)) return false
    if (full && (isBeginning(form, asked) || (form.length >= SHORTEST_BEGINNING && beginsMatched(form)))) return true
    return !inRow && isTelling(form) && beginsMatched(form)
  }
  const cut = all.filter(isCut)
  const taken: string[] = []
  const warnings: Warning[] = []
  for (const name of cut) {
    const other = all.find(
      (one) => one !== name && !matched.has(one.printed) && !cut.includes(one) && one.form.startsWith(name.form),
    )
    if (other) {
      warnings.push({
        text: `'${name.printed}' is cut off on the sheet and could be '${other.printed}'; its events are left out.`,
        shared: "A name that is cut off on the sheet could be this swimmer's or another's; its events are left out.",
      })
    } else taken.push(name.printed)
  }
  if (taken.length > 0) {
    const prints = taken.map((name) => `'${name}'`).join(' and ')
    warnings.push(openly(`The sheet prints ${prints}, cut off by its column; it was taken for the swimmer asked for.`))
  }
  return { names: new Set(taken), warnings }
}

/** Finds the printed names of a swimmer, named `First Last` or `Last, First`. */
export function searchNames(sheet: Sheet, swimmer: string): Matches {
  const asked = readingsOf(swimmer)
  const whole = wholeNames(sheet, swimmer, asked)
  const cut = cutNames(sheet, asked, whole.names)
  const names = new Set([...whole.names, ...cut.names])
  return { ...whole, names, warnings: [...whole.warnings, ...cut.warnings] }
}
