/**
 * Generated documents: that they print what their truth says, have what makes sheets hard to read, and come out the same each
 * time. How they are read is the parser's tests' business.
 */
import { getDocumentProxy } from 'unpdf'
import { beforeAll, describe, expect, it } from 'vitest'
import { theDemoMeet, theDemoSheets } from '../../demo/meet.ts'
import { otherDocuments } from '../../demo/others.ts'
import { allLayouts } from '../../demo/sheets.ts'
import type { SwimmerTruth, TruthEvent } from '../../demo/truth.ts'
import type { Sheet } from '../../demo/writer.ts'

interface Run {
  readonly page: number
  readonly text: string
  readonly x: number
  readonly y: number
}

/** The runs of text of a PDF in the order in which they were set. */
async function runsOf(bytes: Uint8Array): Promise<Run[]> {
  const document = await getDocumentProxy(bytes.slice())
  const runs: Run[] = []
  for (let number = 1; number <= document.numPages; number++) {
    const { items } = await (await document.getPage(number)).getTextContent()
    for (const item of items) {
      if (!('str' in item) || item.str.trim() === '') continue
      runs.push({ page: number, text: item.str, x: item.transform[4], y: item.transform[5] })
    }
  }
  return runs
}

/** Runs on the line of another, up to a column's width to either side. */
function beside(runs: readonly Run[], run: Run): Run[] {
  return runs.filter(({ page, x, y }) => page === run.page && Math.abs(y - run.y) < 1 && Math.abs(x - run.x) < 430)
}

/** Course letter and tag, which the text layer may join to a time. */
const AFTER_TIME = /(?<=\d) ?[LSY]?(?: ?(?:B|D2|ALL\*))?$/

/** Whether one of the runs that name a swimmer stands in a row with the entry's lane or rank and its seed. */
function isPrinted(runs: readonly Run[], { printedAs }: SwimmerTruth, event: TruthEvent): boolean {
  const lead = String(event.lane ?? event.rank ?? event.alternate)
  // The course letter is a run of its own where there is room for one.
  const time = event.seedTime.replace(/(?<=\d)[LSY]$/, '')
  if (event.relay) {
    const leg = `${event.relay.leg}) ${printedAs[0]?.slice(0, 12)}`
    return runs.some(({ text }) => text.startsWith(leg)) && runs.some(({ text }) => text.endsWith(time))
  }
  // A name that goes on below stands there as a run of its own.
  const named = runs.filter(({ text }) => printedAs.some((name) => name === text || name.startsWith(`${text} `)))
  return named.some((run) => {
    const row = beside(runs, run).map(({ text }) => text)
    return row.includes(lead) && row.some((text) => ` ${text}`.replace(AFTER_TIME, '').endsWith(` ${time}`))
  })
}

let sheets: readonly Sheet[]
beforeAll(async () => {
  sheets = [...(await allLayouts()), ...(await theDemoSheets())]
})

it('makes the same bytes and the same truth from the same seed, and others from another', async () => {
  expect(await allLayouts(7)).toEqual(await allLayouts(7))
  const [one, other] = [await allLayouts(7), await allLayouts(8)]
  expect(one.map(({ name }) => name)).toEqual(other.map(({ name }) => name))
  expect(one.filter(({ bytes }, i) => Buffer.from(bytes).equals(other[i]?.bytes ?? new Uint8Array()))).toEqual([])
})

it('prints every entry of its truth', async () => {
  for (const { name, bytes, truth } of sheets) {
    const runs = await runsOf(bytes)
    const text = runs.map((run) => run.text).join('\n')
    expect(truth.swimmers.length).toBeGreaterThan(20)
    for (const swimmer of truth.swimmers) {
      const unprinted = swimmer.events.filter((event) => !isPrinted(runs, swimmer, event))
      expect([name, swimmer.swimmer, unprinted]).toEqual([name, swimmer.swimmer, []])
      for (const { eventName } of swimmer.events) expect(text).toContain(eventName)
    }
  }
})

it('has no two swimmers of one name', () => {
  for (const { truth } of sheets) {
    const names = truth.swimmers.map(({ swimmer }) => swimmer)
    expect(new Set(names).size).toBe(names.length)
  }
})

it('enters nobody twice in one place', () => {
  for (const { truth } of sheets) {
    const places = truth.swimmers.flatMap(({ events }) =>
      events.flatMap(({ eventNumber, heat, lane, relay }) =>
        heat === null ? [] : [[eventNumber, heat, lane, relay?.leg].join()],
      ),
    )
    expect(new Set(places).size).toBe(places.length)
  }
})

describe('what makes sheets hard to read is there', () => {
  const cases: readonly (readonly [name: string, what: RegExp])[] = [
    ['heats-1-column', /^Starts at \d\d:\d\d (?:AM|PM)$/m],
    ['heats-1-column', /^Ottilie R de la Presa$/m],
    ['heats-2-columns', /^WV Record:$/m],
    ['heats-2-columns', /^Tarnwick Aquatic$/m],
    ['heats-2-columns', /^Finals - Swimming with Finals$/m],
    ['heats-2-columns', /^Elderford, Noland March 7-9, 2031$/m],
    ['finals-3-columns', /^#5 Women 13 & Over 100 LC Meter Freestyle$/m],
    ['finals-3-columns', /^Alternates$/m],
    ['finals-3-columns', /^A - Final$/m],
    ['finals-3-columns', /^UNPEN-QZ \d+:\d\d\.\d\d$/m],
    ['heats-broken', /^NP$/m],
    ['heats-broken', /^\d Finals \(#2\d (?:Girls|Boys) Open .*\)$/m],
    ['heats-broken', /^X\d/m],
    ['combined-and-listed', /^Event 21 \/ 22$/m],
    ['combined-and-listed', /^\(Heat 3 Boys 800 Free\)$/m],
    ['school-heats', /^1\) \S.*\n2\) \S.*\n3\) \S.*\n4\) /m],
    ['school-heats', /^XNT$|^NT$/m],
    ['psych-1-column', /^(?:FR|SO|JR|SR)$/m],
    ['psych-2-columns', /^Weir Valley Open - 2031-03-07 to 2031-03-09$/m],
    ['psych-2-columns', /^ALL\*$/m],
    ['psych-2-columns', /^1\) \S.*\n2\) \S.*\n4\) |^1\) \S.*\n3\) /m],
    ['psych-2-columns-years', /^Yr$/m],
    ['psych-3-columns', /^#\d+ \.\.\. \((?:Girls|Boys) .*\)$/m],
    ['psych-3-columns', /^Y$/m],
  ]
  it.each(cases)('in %s: %s', async (name, what) => {
    const sheet = sheets.find((one) => one.name === name)
    const text = (await runsOf(sheet?.bytes ?? new Uint8Array())).map((run) => run.text).join('\n')
    expect(text).toMatch(what)
  })

  it('ranks that are shared, alternates, heats that begin at a break, names cut off and carried on', () => {
    const all = sheets.flatMap(({ truth }) => truth.swimmers)
    const events = all.flatMap((swimmer) => swimmer.events)
    const ranks = sheets.flatMap(({ name, truth }) =>
      truth.swimmers.flatMap((one) =>
        one.events.flatMap(({ eventNumber, rank, relay }) =>
          rank && !relay ? [`${name} ${eventNumber} ${rank}`] : [],
        ),
      ),
    )
    expect(new Set(ranks).size).toBeLessThan(ranks.length)
    expect(events.some(({ alternate }) => alternate === 2)).toBe(true)
    expect(all.some(({ printedAs }) => printedAs.includes('Featherstonehaughwater, Kon'))).toBe(true)
    expect(all.some(({ printedAs }) => printedAs.includes('Featherstonehaughwater, Konstantin B'))).toBe(true)
    const finals = sheets.find(({ name }) => name === 'finals-3-columns')?.truth.swimmers ?? []
    expect(finals.some((one) => one.events.some(({ heat, round }) => heat !== null && round === undefined))).toBe(true)
  })

  it('holders of records who are not entered', async () => {
    const [sheet] = sheets.filter(({ truth }) => truth.absent.length > 0)
    const runs = await runsOf(sheet?.bytes ?? new Uint8Array())
    expect(runs.map(({ text }) => text)).toEqual(expect.arrayContaining([...(sheet?.truth.absent ?? ['nobody'])]))
  })
})

describe('documents that are no sheets', () => {
  it('come out the same, but for the locked one', async () => {
    const [one, other] = [await otherDocuments(5), await otherDocuments(5)]
    const open = (name: string) => name !== 'locked'
    expect(one.filter(({ name }) => open(name))).toEqual(other.filter(({ name }) => open(name)))
  })
})

describe('the meet of the demo', () => {
  it('is always the same, and its swimmer is in every document', async () => {
    const meet = await theDemoMeet()
    expect(await theDemoMeet()).toEqual(meet)
    expect(meet.documents).toHaveLength(5)
    const demo = await theDemoSheets()
    const entries = demo.map(
      ({ truth }) => truth.swimmers.find(({ swimmer }) => swimmer === meet.swimmer)?.events ?? [],
    )
    expect(entries.filter((events) => events.length === 0)).toEqual([])
    expect(entries.flat()).toHaveLength(meet.entries)
  })
})
