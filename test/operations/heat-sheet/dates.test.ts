/** Days as sheets print them. */
import { expect, it } from 'vitest'
import { findDates, putsDayFirst, sessionDay } from '../../../src/features/heat-sheets/parser/dates.ts'

it.each([
  ['Open - 3/14/2031 to 3/17/2031', '2031-03-14', '2031-03-17', 'Open'],
  ['Open - 2031-03-14 to 2031-03-16', '2031-03-14', '2031-03-16', 'Open'],
  ['Open - 3/15/2031', '2031-03-15', '2031-03-15', 'Open'],
  ['Open - 22/11/2031 to 23/11/2031', '2031-11-22', '2031-11-23', 'Open'],
  ['Open - 4/05/2031 to 6/05/2031', '2031-05-04', '2031-05-06', 'Open'],
  ['Open - 13.2.2031', '2031-02-13', '2031-02-13', 'Open'],
  ['Millpond, Pondshire August 7-10, 2031', '2031-08-07', '2031-08-10', 'Millpond, Pondshire'],
  ['Open, July 30 - August 2, 2031', '2031-07-30', '2031-08-02', 'Open'],
  ['7-10 August 2031, Pondshire', '2031-08-07', '2031-08-10', 'Pondshire'],
  ['Open (16 January 2031)', '2031-01-16', '2031-01-16', 'Open'],
])('reads %s', (text, start, end, rest) => {
  expect(findDates(text, putsDayFirst([text]))).toEqual({ range: { start, end }, rest })
})

it('reads no days where there are none', () => {
  expect(findDates('2031 Open, 14 & Under', false)).toBeNull()
  expect(findDates('Open - 2/31/2031', false)).toBeNull()
})

it('knows the day of a session', () => {
  const meet = { start: '2031-03-14', end: '2031-03-17' }
  const day = (name: string) => sessionDay(name, meet, false)
  expect(day('Saturday Evening')).toEqual({ date: '2031-03-15', guessed: false })
  expect(day('Fri Prelims')).toEqual({ date: '2031-03-14', guessed: false })
  expect(day('2 Jornada Sábado')).toEqual({ date: '2031-03-15', guessed: false })
  expect(day('Day 3 Finals')).toEqual({ date: '2031-03-16', guessed: false })
  expect(day('Finals 3/17/2031')).toEqual({ date: '2031-03-17', guessed: false })
  expect(day('Wednesday Distance')).toEqual({ date: '2031-03-14', guessed: true })
  expect(day('Swimming')).toEqual({ date: '2031-03-14', guessed: true })
  expect(sessionDay('Swimming', { start: '2031-03-14', end: '2031-03-14' }, false).guessed).toBe(false)
  expect(sessionDay('Swimming', null, false)).toEqual({ date: null, guessed: false })
})
