/** Days as sheets print them. */
import { expect, it } from 'vitest'
import { findDates, readDayOrder } from '../../../../src/features/heat-sheets/parser/date-texts.ts'
import { sessionDay, spokenDays } from '../../../../src/features/heat-sheets/parser/dates.ts'

const US = { slash: false, dash: true }

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
  ['Open - 2031/01/16 to 2031/01/18', '2031-01-16', '2031-01-18', 'Open'],
  ['Open - 16-01-2031', '2031-01-16', '2031-01-16', 'Open'],
  ['Open - 1/16/31 to 1/18/31', '2031-01-16', '2031-01-18', 'Open'],
  ['Open - 01-Dec-27 to 02-Dec-27', '2027-12-01', '2027-12-02', 'Open'],
  ['Open - 16 Jan 2031 to 18 Jan 2031', '2031-01-16', '2031-01-18', 'Open'],
  ['Open, Saturday 17th January 2031', '2031-01-17', '2031-01-17', 'Open'],
  ['Saturday 17th and Sunday 18th January 2031', '2031-01-17', '2031-01-18', ''],
  ['Abierto Bahía, 16 al 18 de enero de 2031', '2031-01-16', '2031-01-18', 'Abierto Bahía'],
  ['Torneio, 30 de março a 2 de abril de 2031', '2031-03-30', '2031-04-02', 'Torneio'],
  ['Coupe du Moulin, 1er août 2031', '2031-08-01', '2031-08-01', 'Coupe du Moulin'],
  ['Mühlencup 7.-9. März 2031', '2031-03-07', '2031-03-09', 'Mühlencup'],
  ['Mühlencup 07.03.-09.03.2031', '2031-03-07', '2031-03-09', 'Mühlencup'],
  ['Mühlencup 7.-9.3.2031', '2031-03-07', '2031-03-09', 'Mühlencup'],
  ['Open - 3/7-9/2031', '2031-03-07', '2031-03-09', 'Open'],
  ['Open - March 7th - 9th, 2031', '2031-03-07', '2031-03-09', 'Open'],
  ['Open - Dec 30, 2031 - Jan 2, 2032', '2031-12-30', '2032-01-02', 'Open'],
  ['Marlins 10 & Under Open 3-7-2031 to 5-7-2031', '2031-07-03', '2031-07-05', 'Marlins 10 & Under Open'],
  ['Open (16 January 2031)', '2031-01-16', '2031-01-16', 'Open'],
])('reads %s', (text, start, end, rest) => {
  expect(findDates(text, readDayOrder([text]))).toEqual({ range: { start, end }, rest })
})

it('reads no days where there are none', () => {
  expect(findDates('2031 Open, 14 & Under', US)).toBeNull()
  expect(findDates('Open - 2/31/2031', US)).toBeNull()
})

it('knows the day of a session', () => {
  const meet = { start: '2031-03-14', end: '2031-03-17' }
  const day = (name: string) => sessionDay(name, meet, US)
  expect(day('Saturday Evening')).toBe('2031-03-15')
  expect(day('Fri Prelims')).toBe('2031-03-14')
  expect(day('2 Jornada Sábado')).toBe('2031-03-15')
  expect(day('Segunda Jornada Sábado')).toBe('2031-03-15')
  expect(day('Segunda-feira')).toBe('2031-03-17')
  expect(day('Day 3 Finals')).toBe('2031-03-16')
  expect(day('Finals 3/17/2031')).toBe('2031-03-17')
  expect(sessionDay('Swimming', { start: '2031-03-14', end: '2031-03-14' }, US)).toBe('2031-03-14')
})

it.each([
  ['4/7/2031', '3/28/2031', '2031-04-07'],
  ['4/7/2031', '28/6/2031', '2031-07-04'],
  ['4-7-2031', '6/28/2031', '2031-07-04'],
  ['4-7-2031', '3/28/2031', '2031-04-07'],
  ['4/7/2031', '3/4/2031', '2031-04-07'],
  ['7/4/2031', '1/4/2031', '2031-04-07'],
])('reads %s on a sheet printed on %s', (day, printed, start) => {
  const order = readDayOrder([`Open - ${day}`], [`MEET MANAGER 8.0 - 9:00 AM ${printed} Page 1`])
  expect(order).not.toHaveProperty('unsure')
  expect(findDates(day, order)?.range.start).toBe(start)
})

it('says which day it could not decide on', () => {
  expect(readDayOrder(['Open - 4/7/2031'])).toEqual({ slash: false, dash: true, unsure: '4/7/2031' })
  expect(readDayOrder(['Open - 4/7/2031'], ['9:00 AM 1/15/2031']).unsure).toBeUndefined()
  expect(readDayOrder(['Open - 04-07-2031'], ['9:00 AM 1/15/2031']).unsure).toBe('04-07-2031')
  expect(readDayOrder(['Open - 4/4/2031', '7.4.2031'])).toEqual({ slash: false, dash: true })
})

it('knows the day of a session that a date without a year names', () => {
  const meet = { start: '2031-01-16', end: '2031-01-18' }
  for (const name of [
    '17 January PM',
    'Saturday 17th Jan',
    'January 17 Finals',
    '17 de enero',
    'Sábado 17 enero, tarde',
  ]) {
    expect([name, sessionDay(name, meet, US)]).toEqual([name, '2031-01-17'])
  }
  expect(sessionDay('17 January PM', null, US, 2031)).toBe('2031-01-17')
  expect(sessionDay('17 January PM', null, US)).toBeNull()
  expect(sessionDay('16-17 January', meet, US)).toBeNull()
})

it('guesses no day', () => {
  const meet = { start: '2031-03-14', end: '2031-03-17' }
  for (const name of [
    'Psych Sheet',
    'Wednesday Distance',
    'Swimming',
    'Friday - Sunday',
    'Day 1-3',
    'Day 9',
    'Entries 3/14/2031 - 3/16/2031',
  ]) {
    expect([name, sessionDay(name, meet, US)]).toEqual([name, null])
  }
  const twoFridays = { start: '2031-03-14', end: '2031-03-22' }
  expect(sessionDay('Friday Finals', twoFridays, US)).toBeNull()
  expect(sessionDay('Sunday Finals', twoFridays, US)).toBe('2031-03-16')
  expect(sessionDay('Swimming', null, US)).toBeNull()
})

it('writes days as one says them', () => {
  expect(spokenDays({ start: '2031-03-05', end: '2031-03-07' })).toBe('5–7 March 2031')
  expect(spokenDays({ start: '2031-03-30', end: '2031-04-02' })).toBe('30 March – 2 April 2031')
  expect(spokenDays({ start: '2031-03-05', end: '2031-03-05' })).toBe('5 March 2031')
})
