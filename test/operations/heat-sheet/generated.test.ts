/** The reader against sheets we print ourselves: every layout, every swimmer, held against what was noted down while printing. */
import { describe, expect, it } from 'vitest'
import { theDemoSheets } from '../../../demo/meet.ts'
import { otherDocuments } from '../../../demo/others.ts'
import { allLayouts } from '../../../demo/sheets.ts'
import type { TruthEvent } from '../../../demo/truth.ts'
import { findSwimmer } from '../../../src/features/heat-sheets/parser/match.ts'
import { parseSheet } from '../../../src/features/heat-sheets/parser/parse.ts'
import type { Sheet } from '../../../src/features/heat-sheets/parser/sheet.ts'
import type { SwimEvent } from '../../../src/features/heat-sheets/schemas.ts'
import { readPdfText, type TextPage } from '../../../src/formats/pdf-text.ts'

async function read(bytes: Uint8Array): Promise<Sheet> {
  const pages: TextPage[] = []
  for await (const { page } of readPdfText(bytes)) pages.push(page)
  return parseSheet(pages)
}

type Printed = Record<string, unknown>

/** What the sheet prints of an entry, under the names that answers use. */
const printed = ({ heat, ...event }: TruthEvent): Printed => ({ ...event, heatNumber: heat })

/** The same of an answer; how it spells the name is not on trial here. */
const answered = ({ swimmerName, ...event }: SwimEvent): Printed => event

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
    '%s is read as it was printed',
    async (_, { bytes, truth }) => {
      const sheet = await read(bytes)
      expect(sheet.unread).toBe(0)
      for (const { swimmer, events } of truth.swimmers) {
        // A sheet that does not say which day a session is on has nothing to hold the answer's day against.
        const left = events.every(({ sessionDate }) => sessionDate !== undefined) ? [] : ['sessionDate']
        const answer = sorted(findSwimmer(sheet, swimmer).events.map(answered), left)
        expect({ swimmer, events: answer }).toEqual({ swimmer, events: sorted(events.map(printed), left) })
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
