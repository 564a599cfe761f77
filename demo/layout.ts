/** How a sheet is laid out: what differs between the ways Meet Manager prints, and where in a column everything stands. */

/** Choices that a meet's office makes when it prints. */
export interface Layout {
  readonly columns: 1 | 2 | 3
  readonly font: 'Times' | 'Helvetica'
  /** `Event 26 Girls …` or `#26 Girls …`. */
  readonly heading: 'Event' | '#'
  /** Title of the column between name and team, which holds ages or school years. */
  readonly mark: 'Age' | 'Yr' | 'Year'
  readonly affiliation: 'Team' | 'School'
  /** What clubs are called in individual events. */
  readonly teams: 'name' | 'code'
  readonly seed: 'Seed Time' | 'Prelims'
  readonly names: 'last-first' | 'first-last'
  /** What becomes of a name wider than its column. */
  readonly longNames: 'cut' | 'wrap'
  /** Legs of a relay on a line. */
  readonly legs: 2 | 4
  /** Whether legs carry an age or school year. */
  readonly legMarks: boolean
  /** Lines to write on: after the seed, or under `Finals` and `Place`. */
  readonly blanks: 'none' | 'line' | 'finals'
  /** A club and its time in one run of text where little space is between them, as some printers make it. */
  readonly merged: boolean
  /** Whether a heat may go on in the next column or page; it moves there as a whole otherwise. */
  readonly splitHeats: boolean
  /** Where an event that goes on is headed again: on new pages only, or in new columns too. */
  readonly continued: 'page' | 'column'
  readonly dates: 'us' | 'iso' | 'words'
  /** Ages are optional here: only those that are known are printed. */
  readonly someAges: boolean
  /** Rows end this far above the lower edge of the page, in points. */
  readonly bottom: number
}

/** Where things stand, in points from the left edge of their column. `…Right` is the right edge of text set flush right. */
export interface Grid {
  readonly lefts: readonly number[]
  readonly width: number
  readonly rowSize: number
  readonly headSize: number
  readonly step: number
  readonly leadRight: number
  readonly name: number
  readonly markRight: number
  readonly team: number
  /** Where the letter of a relay team stands. */
  readonly letter: number
  readonly seedRight: number
  /** Null where there is no room for marks after the seed: they are left out. */
  readonly tag: number | null
  readonly blank: number
  readonly legs: readonly number[]
}

const GRIDS: Readonly<Record<Layout['columns'], Grid>> = {
  1: {
    lefts: [18],
    width: 558,
    rowSize: 7.7,
    headSize: 8.6,
    step: 11.5,
    leadRight: 19.4,
    name: 36,
    markRight: 203.6,
    team: 210,
    letter: 216,
    seedRight: 408,
    tag: 416,
    blank: 462,
    legs: [42, 174, 306, 438],
  },
  2: {
    lefts: [18, 312],
    width: 276,
    rowSize: 7.7,
    headSize: 8.6,
    step: 11.5,
    leadRight: 14.4,
    name: 24,
    markRight: 128.2,
    team: 138,
    letter: 138,
    seedRight: 248,
    tag: 257,
    blank: 257,
    legs: [24, 156],
  },
  3: {
    lefts: [18, 212.4, 406.8],
    width: 181,
    rowSize: 8,
    headSize: 8,
    step: 10.8,
    leadRight: 12.9,
    name: 17.4,
    markRight: 111.6,
    team: 114,
    letter: 114,
    seedRight: 180,
    tag: null,
    blank: 181,
    legs: [17.4, 100],
  },
}

/** The grid of a layout. */
export function gridOf({ columns }: Layout): Grid {
  return GRIDS[columns]
}

/** A plain heat sheet in two columns, from which other layouts differ. */
export const PLAIN: Layout = {
  columns: 2,
  font: 'Times',
  heading: 'Event',
  mark: 'Age',
  affiliation: 'Team',
  teams: 'name',
  seed: 'Seed Time',
  names: 'last-first',
  longNames: 'cut',
  legs: 2,
  legMarks: true,
  blanks: 'none',
  merged: false,
  splitHeats: false,
  continued: 'page',
  dates: 'us',
  someAges: false,
  bottom: 60,
}
