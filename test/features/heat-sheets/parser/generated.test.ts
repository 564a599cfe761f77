/** The reader against sheets we print ourselves: every layout, every swimmer, held against what was noted down while printing. */
import { describe, expect, it } from 'vitest'
import { theDemoSheets } from '../../../../demo/meet.ts'
import { otherDocuments } from '../../../../demo/others.ts'
import { allLayouts } from '../../../../demo/sheets.ts'
import type { TruthEvent } from '../../../../demo/truth.ts'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { parseSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import type { Sheet } from '../../../../src/features/heat-sheets/parser/sheet.ts'
import type { SwimEvent } from '../../../../src/features/heat-sheets/schemas.ts'
import { readPdfText, type TextPage } from '../../../../src/formats/pdf-text.ts'

async function pagesOf(bytes: Uint8Array): Promise<TextPage[]> {
  const pages: TextPage[] = []
  for await (const { page } of readPdfText(bytes)) pages.push(page)
  return pages
}

const read = async (bytes: Uint8Array): Promise<Sheet> => parseSheet(await pagesOf(bytes))

/** What is printed within a box of a page. */
function printedIn(pages: readonly TextPage[], { page, line }: Pick<SwimEvent, 'page' | 'line'>): string {
  if (line === undefined) return ''
  const { x, y, width, height } = line
  const isInside = (item: TextPage['items'][number]) =>
    item.x >= x - 1 && item.x + item.width <= x + width + 1 && item.y > y && item.y < y + height
  const items = pages.find(({ number }) => number === page)?.items ?? []
  return items
    .filter(isInside)
    .toSorted((a, b) => a.x - b.x)
    .map(({ text }) => text)
    .join(' ')
}

type Printed = Record<string, unknown>

/** What the sheet prints of an entry, under the names that answers use. */
const printed = ({ heat, ...event }: TruthEvent): Printed => ({ ...event, heatNumber: heat })

/** The same of an answer; how it spells the name, where it was read and what it reckons are not on trial here. */
function answered({ swimmerName, page, line, estimated, heatStartTime, ...event }: SwimEvent): Printed {
  return heatStartTime === undefined || estimated ? event : { ...event, heatStartTime }
}

/** Entries in an order of their own, so that lists can be compared. */
function sorted(events: readonly Printed[], left: string[] = []): string[] {
  return events
    .map((event) => Object.entries(event).filter(([name]) => !left.includes(name)))
    .map((entries) => JSON.stringify(entries.sort(([a], [b]) => a.localeCompare(b))))
    .sort()
}

const sheets = [...(await allLayouts()), ...(await allLayouts(7)), ...(await theDemoSheets())]

const others = await otherDocuments()

describe('a printed sheet', () => {
  it.each(sheets.map((sheet, at) => [`${at + 1} ${sheet.name}`, sheet] as const))(
    '%s is read as it was printed, where it was printed',
    async (_, { bytes, truth }) => {
      const pages = await pagesOf(bytes)
      const sheet = parseSheet(pages)
      expect(sheet.unread).toBe(0)
      for (const { swimmer, events } of truth.swimmers) {
        // A sheet that does not say which day a session is on has nothing to hold the answer's day against.
        const left = events.every(({ sessionDate }) => sessionDate !== undefined) ? [] : ['sessionDate']
        const found = findSwimmer(sheet, swimmer).events
        const answer = sorted(found.map(answered), left)
        expect({ swimmer, events: answer }).toEqual({ swimmer, events: sorted(events.map(printed), left) })
        for (const event of found) {
          const text = printedIn(pages, event)
          const [first = ''] = event.swimmerName.split(' ')
          expect(text).toContain(first.slice(0, 3))
          // The seed of a leg stands in the line of its team.
          if (event.relay === undefined) expect(text).toContain((event.seedTime ?? '').slice(0, 4))
        }
      }
      for (const name of truth.absent)
        expect({ name, events: findSwimmer(sheet, name).events }).toEqual({ name, events: [] })
    },
  )
})

describe('what is no sheet', () => {
  it.each(others.map((document) => [document.name, document] as const))(
    '%s is refused by code',
    async (_, { bytes, code }) => {
      await expect(read(bytes)).rejects.toMatchObject({ code })
    },
  )
})
