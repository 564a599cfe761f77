/** The people of invented meets: clubs and swimmers that do not exist, with the names that make sheets hard to read. */
import type { Chance } from './chance.ts'

/** A club, as sheets with wide columns and with narrow ones print it. */
export interface Team {
  readonly name: string
  /** `MILL-QZ`. */
  readonly code: string
}

/** Somebody who swims. */
export interface Swimmer {
  readonly first: string
  /** An initial. */
  readonly middle?: string
  readonly last: string
  /** A para class, which is printed within the name: `S9sb8sm9`. */
  readonly paraClass?: string
  readonly girl: boolean
  readonly age: number
  /** School year: `FR`, `SO`, `JR`, `SR`; at universities a number. */
  readonly grade: string
  readonly team: Team
  /** Whether sheets of schools, where ages are optional, know the age. */
  readonly ageKnown: boolean
}

const TEAMS: readonly Team[] = [
  { name: 'Millrace Marlins', code: 'MILL-QZ' },
  { name: 'Sluicegate Swim Club', code: 'SLUI-QZ' },
  { name: 'Weirside Otters', code: 'WEIR-QZ' },
  { name: 'Oxbow', code: 'OX-QZ' },
  { name: 'Tarnwick Aquatic Team', code: 'TARN-XV' },
  { name: 'Elderford Rapids', code: 'ELDR-XV' },
  { name: 'Nine Springs', code: 'S9-XV' },
  { name: 'UN-Penstock', code: 'UNPEN-QZ' },
  { name: 'Headwater-ZZ', code: 'HEAD-ZV' },
  { name: 'Lower Quillmere', code: 'LOQU-ZV' },
]

const GIRLS = (
  'Aveline Briony Calla Dessa Elowen Fenna Ginevra Hollis Isaura Junia Kerensa Liora Maelle Nerys Odalys Petra Quilla ' +
  'Romilly Senna Tamsin Ulrika Veda Wrenna Xanthe Ysolde Zelda Orla Marit Saskia Linnea'
).split(' ')
const BOYS = (
  'Alaric Bram Corwin Dashiell Evander Florian Gideon Hendrik Ivo Jorah Kelso Leofric Magnus Nico Osric Piers Quentin ' +
  'Rafe Silas Tobin Ulric Viggo Wystan Xander Yorick Zebedee Anselm Casper Emrik Linus'
).split(' ')
const LASTS = (
  'Alderbrook Brackenridge Culverly Dammerman Eddyworth Fordingham Gristwood Hatchgate Inlet Jettison Kelpman Lockridge ' +
  'Millbanks Netherpool Outfall Pebblewick Quayle Reedmarsh Shoalwater Tidewell Undertow Vadewater Wharfdale Yarmouth ' +
  'Zuiderdam Ashpool Beckwater Cressbed Dipperly Eelworth Ferryhill Gullwing Heronsgate Islip Jollyboat Kingfisher ' +
  'Lapwater Marshgate Narrowell Otterbourne Pikeman Quillfeather Rushbrook Stillwell Troutbeck Umberlake Voleman Wadeford'
).split(' ')

/** Names as sheets get wrong: two words, particles, hyphens, apostrophes, accents, long ones, one that looks like a heading. */
const TRICKY: readonly Pick<Swimmer, 'first' | 'middle' | 'last' | 'paraClass' | 'girl'>[] = [
  { first: 'Juna', last: 'Van Aldersluis', girl: true },
  { first: 'Mara', last: 'Lindqvist', girl: true },
  { first: 'Ottilie', middle: 'R', last: 'de la Presa', girl: true },
  { first: 'Saoirse', last: "O'Weirly", girl: true },
  { first: 'Noémie', middle: 'K', last: 'Brückwasser', girl: true },
  { first: 'Tirza', last: 'Lane', girl: true },
  { first: 'Philippa', middle: 'J', last: 'Reedmarsh-Torrington', girl: true },
  { first: 'Mary Isolde', middle: 'F', last: 'Millbanks', girl: true },
  { first: 'Ines', last: 'Peñarío', paraClass: 'S9sb8sm9', girl: true },
  { first: 'Konstantin', middle: 'B', last: 'Featherstonehaughwater', girl: false },
  { first: 'Joost', last: 'von der Schleuse', girl: false },
  { first: 'Åke', middle: 'M', last: 'Ångbäck', girl: false },
  { first: 'Teo', last: "D'Acquaviva", girl: false },
  { first: 'Eamon', middle: 'P', last: 'MacTarn', girl: false },
  { first: 'Jean-Luc', last: 'St. Eaubrook', girl: false },
  { first: 'Ferris', last: 'Poole Jr', girl: false },
  { first: 'Bo', last: 'Ng', girl: false },
  { first: 'Maximilian', middle: 'T', last: 'Quillfeather Stroud', girl: false },
]

/** `First Last`, as one would ask for somebody. */
export function spokenName({ first, last }: Swimmer): string {
  return `${first} ${last}`
}

/** How a sheet prints a name: `Last, First M`, or `First M Last`. */
export function printedName(swimmer: Swimmer, order: 'last-first' | 'first-last'): string {
  const { first, middle, last, paraClass } = swimmer
  const given = middle === undefined ? first : `${first} ${middle}`
  const family = paraClass === undefined ? last : `${last} ${paraClass}`
  return order === 'last-first' ? `${family}, ${given}` : `${given} ${family}`
}

/** The clubs of a meet, always the same first ones. */
export function someTeams(count: number): Team[] {
  return TEAMS.slice(0, count)
}

/** What kind of swimmers a meet has. */
export interface SquadOptions {
  readonly teams: readonly Team[]
  /** How many, half of them girls; all tricky names are among the first thirty-six. */
  readonly count: number
  readonly ages: readonly [from: number, to: number]
}

const GRADES = ['FR', 'SO', 'JR', 'SR']
const UNIVERSITY_AGE = 18

/** Swimmers with no two names alike. */
export function someSwimmers(chance: Chance, { teams, count, ages }: SquadOptions): Swimmer[] {
  const tricky = { girls: TRICKY.filter(({ girl }) => girl), boys: TRICKY.filter(({ girl }) => !girl) }
  const lasts = chance.shuffle(LASTS)
  return Array.from({ length: count }, (_, i): Swimmer => {
    const girl = i % 2 === 0
    const nth = i >> 1
    const name = (girl ? tricky.girls : tricky.boys)[nth] ?? plainName(chance, girl, nth, lasts)
    const age = chance.int(...ages)
    return {
      ...name,
      girl,
      age,
      grade: age < UNIVERSITY_AGE ? (GRADES[age - 14] ?? 'FR') : String(age - UNIVERSITY_AGE + 1),
      team: chance.pick(teams),
      ageKnown: chance.sometimes(0.4),
    }
  })
}

/** The nth girl's and boy's last names are never those of another of their first name: both lists are walked in step. */
function plainName(chance: Chance, girl: boolean, nth: number, lasts: readonly string[]) {
  const firsts = girl ? GIRLS : BOYS
  const first = firsts[nth % firsts.length] ?? 'Ada'
  const last = lasts[(nth * 2 + (girl ? 0 : 1) + Math.floor(nth / lasts.length)) % lasts.length] ?? 'Quill'
  return chance.sometimes(0.6)
    ? { first, middle: chance.pick([...'ABCDEGHJKLMNPRST']), last, girl }
    : { first, last, girl }
}
