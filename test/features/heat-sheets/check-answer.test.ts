/** Answers of a language model held to the lines that it was asked about. */
import { expect, it } from 'vitest'
import { checkAnswer } from '../../../src/features/heat-sheets/by-model/check-answer.ts'
import { Answer } from '../../../src/features/heat-sheets/by-model/question.ts'
import type { TextLine } from '../../../src/features/heat-sheets/by-model/text-task.ts'

const LINES: readonly TextLine[] = [
  'lane 6 Sluice, Dot 11 MILL 1:02.00',
  'event 5 Girls 200 Medley',
  'heat 12 at 1:05 PM',
  'lane 2 Quill, Ada 12 MILL',
  '2:31.07',
].map((text, i) => ({ text, page: 3, line: [10, 20 * i, 300, 10] }))
const entry = {
  line: 4,
  swimmer: 'Quill, Ada',
  heat: 12,
  lane: 2,
  age: 12,
  team: 'MILL',
  seed: '2:31.07',
  start: '13:05',
}
const event = { line: 2, number: 5, name: 'Girls 200 Medley', session: null }
const days = { meetName: null, firstDay: null, lastDay: null }
const UNDER = { event: { number: 4, name: 'Girls 100 Freestyle' }, heat: 2 }

const check = (events: object[], under: typeof UNDER | null = null) =>
  checkAnswer(Answer.parse({ ...days, events }), LINES, under)

it('keeps what is printed, on one line or two, with its place', () => {
  const { checked, under } = check([{ ...event, entries: [entry] }])
  expect(checked).toMatchObject({ events: [{ number: 5, session: '' }], dropped: 0 })
  expect(checked.entries).toEqual([
    {
      event: 0,
      name: 'Quill, Ada',
      heat: 12,
      lane: 2,
      age: 12,
      team: 'MILL',
      seed: '2:31.07',
      start: '13:05',
      page: 3,
      line: [10, 60, 300, 10],
    },
  ])
  expect(under).toEqual({ event: { number: 5, name: 'Girls 200 Medley' }, heat: 12 })
})

it.each([
  ['another swimmer', { swimmer: 'Quill, Eve' }],
  ['a swimmer of another line', { line: 1 }],
  ['a line that is not there', { line: 9 }],
  ['another lane', { lane: 1 }],
  ['a part of a number', { age: 1 }],
  ['another age', { age: 13 }],
  ['another team', { team: 'POND' }],
  ['another seed', { seed: '2:31.70' }],
  ['another start', { start: '01:15' }],
  ['no time of day', { start: '25:05' }],
  ['a name without letters', { swimmer: '12' }],
])('leaves out %s', (_, wrong) => {
  const { checked } = check([{ ...event, entries: [{ ...entry, ...wrong }] }])
  expect([checked.entries, checked.dropped]).toEqual([[], 1])
})

it('leaves out an event that is not printed, with all of its entries', () => {
  const { checked } = check([{ ...event, number: 7, entries: [entry, entry] }])
  expect(checked).toMatchObject({ events: [], entries: [], dropped: 2 })
})

it('continues the event and heat of the page before, and no other', () => {
  const first = { ...entry, line: 1, swimmer: 'Sluice, Dot', heat: 2, lane: 6, age: 11, seed: null, start: null }
  const continued = { line: 0, number: 4, name: 'anything', session: null, entries: [first] }
  expect(check([continued], UNDER).checked).toMatchObject({
    events: [{ number: 4, name: 'Girls 100 Freestyle' }],
    dropped: 0,
  })
  expect(check([continued], null).checked.dropped).toBe(1)
  expect(check([{ ...continued, number: 3 }], UNDER).checked.dropped).toBe(1)
  expect(check([{ ...continued, entries: [{ ...first, heat: 3 }] }], UNDER).checked.dropped).toBe(1)
})

it('takes only printed days and names of meets', () => {
  const answer = { meetName: 'Girls Medley', firstDay: '2031-03-07', lastDay: 'soon', events: [] }
  expect(checkAnswer(answer, LINES, null).checked).toMatchObject({
    meetName: 'Girls Medley',
    firstDay: null,
    lastDay: null,
  })
})
