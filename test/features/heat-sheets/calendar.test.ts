/** Calendars of swims, as two other programs than the one that wrote them read them. */
import ical, { type VEvent } from 'node-ical'
import { convertIcsCalendar, type IcsCalendar } from 'ts-ics'
import { describe, expect, it } from 'vitest'
import { calendarOf, type Swim } from '../../../src/features/heat-sheets/calendar/entries.ts'
import { type CalendarOptions, writeCalendar } from '../../../src/features/heat-sheets/calendar/icalendar.ts'
import { instantOf, isTimeZone } from '../../../src/features/heat-sheets/calendar/time-zone.ts'
import type { SwimEvent } from '../../../src/features/heat-sheets/schemas.ts'

const EVENT: SwimEvent = {
  eventNumber: 12,
  eventName: 'Girls 11-12 100 Yard Freestyle; "fast", \\ Größe',
  heatNumber: 3,
  lane: 4,
  swimmerName: 'Ada Quill',
  seedTime: '59.10',
  heatStartTime: '09:05',
  sessionDate: '2031-03-07',
}
const MEET = {
  meetName: 'Millpond Open',
  meetDateRange: { start: '2031-03-07', end: '2031-03-09' },
  venue: 'Mill; Pool, 1',
}
const READ_AT = Date.parse('2031-03-01T12:00:30Z')

const swim = (event: Partial<SwimEvent> = {}, rest: Partial<Swim> = {}): Swim => ({
  event: { ...EVENT, ...event },
  swimmer: 'Ada Quill',
  meet: MEET,
  readAt: READ_AT,
  url: 'https://mill.example.com/results/k7yw2qz0',
  ...rest,
})
const untimed = () => {
  const { heatStartTime, ...event } = EVENT
  return { ...swim(), event }
}

async function textOf(swims: readonly Swim[], options: Partial<CalendarOptions> = {}): Promise<string> {
  return writeCalendar(await calendarOf('Ada Quill – Millpond Open', swims), {
    reminder: 10,
    timeZone: undefined,
    ...options,
  })
}

function byNodeIcal(text: string): VEvent[] {
  return Object.values(ical.sync.parseICS(text)).filter((one): one is VEvent => one?.type === 'VEVENT')
}
const byTsIcs = (text: string): IcsCalendar => convertIcsCalendar(undefined, text)
const uidsOf = (text: string) => byNodeIcal(text).map(({ uid }) => uid)

describe('a swim with a start', () => {
  it('is an entry that two programs read alike', async () => {
    const text = await textOf([swim()], { timeZone: 'America/New_York' })
    const [one] = byNodeIcal(text)
    const { events: [other] = [], name } = byTsIcs(text)
    expect(name).toBe('Ada Quill – Millpond Open')
    const title = `Ada Quill: Event 12, heat 3, lane 4 – ${EVENT.eventName}`
    expect([one?.summary, other?.summary]).toEqual([title, title])
    // 09:05 before the clocks go forward.
    const start = new Date('2031-03-07T14:05:00Z')
    expect([one?.start.toISOString(), other?.start.date.toISOString()]).toEqual([
      start.toISOString(),
      start.toISOString(),
    ])
    expect(other?.end?.date.toISOString()).toBe('2031-03-07T14:15:00.000Z')
    expect([one?.location, other?.location]).toEqual([MEET.venue, MEET.venue])
    for (const fact of ['Millpond Open', 'Seed: 59.10', 'https://mill.example.com/results/k7yw2qz0']) {
      expect(one?.description).toContain(fact)
    }
    expect(other?.description).toBe(one?.description)
    expect([one?.uid, other?.uid]).toEqual([other?.uid, one?.uid])
    expect([Number(one?.sequence), other?.sequence]).toEqual([READ_AT / 60_000, READ_AT / 60_000].map(Math.floor))
    expect(other?.stamp.date.getTime()).toBe(READ_AT)
  })

  it.each([5, 10, 15])('rings %i minutes before', async (reminder) => {
    const { events: [entry] = [] } = byTsIcs(await textOf([swim()], { reminder }))
    expect(entry?.alarms).toMatchObject([
      { action: 'DISPLAY', trigger: { type: 'relative', value: { before: true, minutes: reminder } } },
    ])
  })

  it('has no alarm where none is wanted', async () => {
    expect(await textOf([swim()], { reminder: null })).not.toContain('VALARM')
  })

  it('is at the same time of day everywhere where no zone is given', async () => {
    const text = await textOf([swim({ heatStartTime: '23:55' })])
    expect(text).toMatch(/^DTSTART:20310307T235500\r$/m)
    expect(text).toMatch(/^DTEND:20310308T000500\r$/m)
  })
})

it('a swim without a time takes the day of its session, quietly', async () => {
  const text = await textOf([untimed()])
  expect(text).toMatch(/^DTSTART;VALUE=DATE:20310307\r$/m)
  expect(text).toMatch(/^DTEND;VALUE=DATE:20310308\r$/m)
  expect(text).not.toContain('VALARM')
  expect(byNodeIcal(text)).toMatchObject([{ datetype: 'date', transparency: 'TRANSPARENT' }])
})

it('a swim without a day takes the days of its meet, and without these is named by the calendar', async () => {
  const { sessionDate, ...event } = EVENT
  const text = await textOf([{ ...swim(), event }])
  expect(text).toMatch(/^DTSTART;VALUE=DATE:20310307\r$/m)
  expect(text).toMatch(/^DTEND;VALUE=DATE:20310310\r$/m)
  const none = byTsIcs(await textOf([{ ...swim(), event, meet: { meetName: 'Millpond Open' } }]))
  expect(none.events ?? []).toEqual([])
  expect((await textOf([{ ...swim(), event, meet: { meetName: 'X' } }])).replaceAll('\r\n ', '')).toContain(
    'because their sheets say no day: Ada Quill: Event 12',
  )
})

describe('a newer sheet of the meet', () => {
  it('updates the entry: another heat, lane and time, the same id, a higher number', async () => {
    const before = byTsIcs(await textOf([swim()])).events?.[0]
    const changed = { heatNumber: 4, lane: 5, heatStartTime: '09:12', eventName: 'Girls 11-12 100 Yard Freestyle' }
    const later = swim(changed, {
      readAt: READ_AT + 3_600_000,
      meet: { meetName: 'MILLPOND OPEN', meetDateRange: MEET.meetDateRange },
    })
    const after = byTsIcs(await textOf([later])).events?.[0]
    expect(after?.uid).toBe(before?.uid)
    expect(after?.sequence).toBeGreaterThan(before?.sequence ?? 0)
  })

  it('updates the entry of a psych sheet', async () => {
    const { heatStartTime, ...rest } = EVENT
    const listed = { ...swim(), event: { ...rest, heatNumber: null, lane: null, rank: 7 } }
    expect(uidsOf(await textOf([listed]))).toEqual(uidsOf(await textOf([swim({ round: 'Finals' })])))
  })

  it('keeps apart what are other swims', async () => {
    const swims = [
      swim(),
      swim({ eventNumber: 14 }),
      swim({ round: 'A - Final' }),
      swim({ relay: { team: 'MILL', letter: 'A', leg: 2 } }),
      swim({}, { swimmer: 'Bo Reed' }),
      swim({}, { meet: { ...MEET, meetDateRange: { start: '2032-03-05', end: '2032-03-07' } } }),
      swim({ lane: 5 }),
    ]
    const uids = uidsOf(await textOf(swims))
    expect(new Set(uids).size).toBe(swims.length)
  })
})

it('folds lines at 75 bytes, between letters, and ends each by CRLF', async () => {
  const eventName = '東京 Größe '.repeat(30).trim()
  const text = await textOf([swim({ eventName })])
  const lines = text.split('\r\n')
  expect(lines.at(-1)).toBe('')
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  for (const line of lines) expect(new TextEncoder().encode(line).byteLength).toBeLessThanOrEqual(75)
  expect(byNodeIcal(text)[0]?.summary).toContain(eventName)
})

describe('time zones', () => {
  it.each([
    ['2031-03-07T09:05', 'America/New_York', '2031-03-07T14:05'],
    ['2031-07-07T09:05', 'America/New_York', '2031-07-07T13:05'],
    ['2031-07-07T09:05', 'Asia/Kolkata', '2031-07-07T03:35'],
    ['2031-01-01T00:10', 'Pacific/Auckland', '2030-12-31T11:10'],
    // Skipped in spring, and twice in autumn.
    ['2031-03-09T02:30', 'America/New_York', '2031-03-09T07:30'],
    ['2031-11-02T01:30', 'America/New_York', '2031-11-02T05:30'],
    ['2031-10-26T02:30', 'Europe/Berlin', '2031-10-26T00:30'],
  ])('%s in %s is %s in UTC', (local, zone, utc) => {
    expect(new Date(instantOf(local, zone)).toISOString().slice(0, 16)).toBe(utc)
  })

  it('are known by their names', () => {
    expect(['Europe/Berlin', 'UTC', 'Mars/Base', '+02:00', ''].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
