/** Starts of heats that a sheet prints none for, reckoned from those that it prints. */
import { expect, it } from 'vitest'
import { estimateStarts } from '../../../../src/features/heat-sheets/parser/estimated-starts.ts'
import { secondsOf } from '../../../../src/features/heat-sheets/parser/seed-times.ts'
import type { SheetEntry } from '../../../../src/features/heat-sheets/parser/sheet.ts'

/** Heats of an event, each by its seeds and, after `@`, its start. */
type Printed = readonly string[]

/** The starts of all heats after estimating, by event, in the order in which they are printed; an event may be of a later session. */
function starts(printed: readonly Printed[], options: { name?: string; sessions?: readonly number[] } = {}) {
  const { name = 'Girls 11-12 100 Yard Freestyle', sessions = [] } = options
  const events = printed.map((_, i) => ({ number: i + 1, name, session: sessions[i] ?? 0 }))
  const entries = printed.flatMap((heats, event) =>
    heats.flatMap((text, i): SheetEntry[] => {
      const [seeds = '', start] = text.split('@')
      return seeds
        .trim()
        .split(' ')
        .map((seed) => ({ event, heat: i + 1, name: 'Quill, Ada', seed, ...(start === undefined ? {} : { start }) }))
    }),
  )
  estimateStarts({ events, entries })
  return printed.map((heats, event) =>
    heats.map((_, i) => {
      const own = entries.filter((entry) => entry.event === event && entry.heat === i + 1)
      const told = new Set(own.map(({ start, estimated }) => (estimated ? `about ${start}` : (start ?? null))))
      expect(told.size).toBe(1)
      return [...told][0]
    }),
  )
}

it('shares the time between two printed starts by the slowest seeds', () => {
  // 90 s, 150 s and 60 s with their pauses: 5 minutes, of which the sheet gives 10.
  expect(starts([['1:00.00 58.00@09:00', '2:00.00 1:30.00', '30.00'], ['1:00.00@09:10']])).toEqual([
    ['09:00', 'about 09:03', 'about 09:08'],
    ['09:10'],
  ])
})

it('goes on to the end of the event after the last printed start, at the pace of the others', () => {
  const event = ['1:30.00@09:00', '1:30.00@09:04', '1:30.00', '1:30.00']
  expect(starts([event, ['1:30.00']])).toEqual([['09:00', '09:04', 'about 09:08', 'about 09:12'], [null]])
})

it('goes back to the first heat of the event before a printed start', () => {
  expect(starts([['1:30.00'], ['1:30.00', '1:30.00', '1:30.00@10:00']])).toEqual([
    [null],
    ['about 09:56', 'about 09:58', '10:00'],
  ])
})

it('takes heats without times to be as long as others of the event, else by its distance', () => {
  expect(starts([['NT NT@09:00', 'NT', '2:30.00']])).toEqual([['09:00', 'about 09:03', 'about 09:06']])
  const name = 'Mixed 10 & Under 400 Meter Freestyle Relay'
  expect(starts([['NT@09:00', 'NT']], { name })).toEqual([['09:00', 'about 09:07']])
})

it('bridges no break, no other session and no clock that goes back', () => {
  const [one, other] = [
    ['1:00.00@09:00', '1:00.00'],
    ['1:00.00', '1:00.00@16:00'],
  ]
  expect(starts([one, other])).toEqual([
    ['09:00', 'about 09:01'],
    ['about 15:58', '16:00'],
  ])
  expect(starts([one, ['1:00.00', '1:00.00@09:08']], { sessions: [0, 1] })).toEqual([
    ['09:00', 'about 09:01'],
    ['about 09:06', '09:08'],
  ])
  expect(starts([other, one])).toEqual([
    ['about 15:58', '16:00'],
    ['09:00', 'about 09:01'],
  ])
})

it('estimates nothing where all starts are printed, or none is', () => {
  expect(starts([['1:00.00', '1:00.00']])).toEqual([[null, null]])
  expect(starts([['1:00.00@09:00', '1:00.00@09:02']])).toEqual([['09:00', '09:02']])
})

it.each([
  ['59.10', 59.1],
  ['1:05.32', 65.32],
  ['X3:17.40Y', 197.4],
  ['03:04,40', 184.4],
  ['1:02:03.00', 3_723],
  ['NT', null],
  [undefined, null],
])('reads %s as seconds', (seed, seconds) => expect(secondsOf(seed)).toBe(seconds))
