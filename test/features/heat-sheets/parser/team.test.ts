/** Whom a sheet has of a team. */
import { expect, it } from 'vitest'
import { PARSER_VERSION, type Sheet, type SheetEntry } from '../../../../src/features/heat-sheets/parser/sheet.ts'
import { findTeam, withoutTeam } from '../../../../src/features/heat-sheets/parser/team.ts'

function sheetOf(...entries: (Partial<SheetEntry> & { name: string })[]): Sheet {
  return {
    parser: PARSER_VERSION,
    meet: { name: 'Millpond Open', start: '2031-03-07', end: '2031-03-09', venue: null },
    sessions: [{ name: 'Saturday', date: '2031-03-08' }],
    events: [
      { number: 7, name: 'Women 100 Free', session: 0 },
      { number: 9, name: 'Women 400 Free Relay', session: 0 },
    ],
    entries: entries.map((entry) => ({ event: 0, heat: 1, lane: 4, ...entry })),
    unread: 0,
    unreadPages: [],
  }
}

const found = (sheet: Sheet, team: string) =>
  findTeam(sheet, team, 50).map(({ swimmerName, events }) => [
    swimmerName,
    events.map(({ eventNumber }) => eventNumber),
  ])

it('holds everybody whose row prints its name or code, with and without its region, by last name', () => {
  const sheet = sheetOf(
    { name: 'Reed, Bo', team: 'MILL-QZ' },
    { name: 'Quill, Ada', team: 'MILL-QZ' },
    { name: 'Weir, Cleo', team: 'POND-QZ' },
  )
  const both = [
    ['Ada Quill', [7]],
    ['Bo Reed', [7]],
  ]
  for (const team of ['mill-qz', 'MILL', 'Mill QZ']) expect(found(sheet, team)).toEqual(both)
  expect(found(sheet, 'QZ')).toEqual([])
})

it('takes legs of relays whose team is written out, and those of nobody else of the name', () => {
  const relay = { team: 'Millpond Swim Club', letter: 'A', leg: 1 }
  const leg = { event: 1, name: 'Quill, Ada', team: 'Millpond Swim Club', relay }
  expect(found(sheetOf({ name: 'Quill, Ada', team: 'MILL' }, leg), 'MILL')).toEqual([['Ada Quill', [7, 9]]])
  const namesakes = sheetOf({ name: 'Quill, Ada', team: 'MILL' }, { name: 'Quill, Ada', team: 'POND', lane: 5 }, leg)
  expect(found(namesakes, 'MILL')).toEqual([['Ada Quill', [7]]])
  expect(found(namesakes, 'Millpond Swim Club')).toEqual([['Ada Quill', [9]]])
})

it('counts a name that its column cuts and the whole one as one swimmer', () => {
  const sheet = sheetOf(
    { name: 'Featherstonehaugh, Margu', team: 'MILL', full: true },
    { name: 'Featherstonehaugh, Marguerite', team: 'MILL', event: 1 },
  )
  expect(found(sheet, 'MILL')).toEqual([['Marguerite Featherstonehaugh', [7, 9]]])
})

it('is refused beyond so many swimmers', () => {
  const sheet = sheetOf({ name: 'Quill, Ada', team: 'MILL' }, { name: 'Reed, Bo', team: 'MILL' })
  expect(() => findTeam(sheet, 'MILL', 1)).toThrow(/more than 1 swimmers of "MILL".*by name/)
  expect(findTeam(sheet, 'MILL', 2)).toHaveLength(2)
})

it('that is not there is answered with those that are, nearest first', () => {
  const sheet = sheetOf({ name: 'Quill, Ada', team: 'POND' }, { name: 'Reed, Bo', team: 'MILL' })
  expect(withoutTeam(sheet, 'MIL').warnings).toEqual([
    "No swimmer of the team 'MIL' is on this sheet; it prints 'MILL'.",
  ])
  expect(withoutTeam(sheet, 'Weirside').warnings[0]).toContain("'MILL', 'POND'")
  expect(withoutTeam(sheet, 'Weirside').sharedWarnings).toEqual([])
})
