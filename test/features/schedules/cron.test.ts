import { describe, expect, it } from 'vitest'
import { checkCron, nextTimes } from '../../../src/features/schedules/cron.ts'

const iso = (cron: string, timezone: string, after: string, count: number) =>
  nextTimes({ cron, timezone }, Date.parse(after), count).map((at) => new Date(at).toISOString())
const refusal = (cron: string, timezone = 'UTC') => {
  try {
    checkCron({ cron, timezone }, Date.parse('2027-01-01T00:00:00Z'))
    return null
  } catch (error) {
    return error
  }
}

describe('the times of a schedule', () => {
  it('are read in its time zone', () => {
    expect(iso('0 8 * * 1-5', 'Europe/Berlin', '2027-01-01T12:00:00Z', 2)).toEqual([
      '2027-01-04T07:00:00.000Z',
      '2027-01-05T07:00:00.000Z',
    ])
    expect(iso('@daily', 'America/New_York', '2027-07-01T00:00:00Z', 1)).toEqual(['2027-07-01T04:00:00.000Z'])
  })

  it('come once where clocks are turned back, and when they have been turned where they are turned forward', () => {
    expect(iso('30 2 * * *', 'Europe/Berlin', '2027-03-27T12:00:00Z', 2)).toEqual([
      '2027-03-28T01:00:00.000Z',
      '2027-03-29T00:30:00.000Z',
    ])
    expect(iso('30 2 * * *', 'Europe/Berlin', '2027-10-30T12:00:00Z', 2)).toEqual([
      '2027-10-31T00:30:00.000Z',
      '2027-11-01T01:30:00.000Z',
    ])
  })

  it('go on every half hour through both', () => {
    expect(iso('*/30 * * * *', 'Europe/Berlin', '2027-10-30T23:30:00Z', 4)).toEqual([
      '2027-10-31T00:00:00.000Z',
      '2027-10-31T00:30:00.000Z',
      '2027-10-31T01:00:00.000Z',
      '2027-10-31T01:30:00.000Z',
    ])
  })
})

describe('what is no schedule', () => {
  it('is refused by the field, with an example', () => {
    for (const cron of ['hello', '61 * * * *', '*/5 * * * * *', '0 0 30 2 *', '2030-01-01T00:00:00', '', '@never']) {
      expect(refusal(cron), cron).toMatchObject({
        code: 'UNPROCESSABLE',
        status: 422,
        message: expect.stringMatching(/^cron: .*0 8 \* \* 1-5/),
        details: { field: 'cron' },
      })
    }
    expect(refusal('* * * * *', 'Mars/Phobos')).toMatchObject({
      message: expect.stringContaining('"Europe/Berlin"'),
      details: { field: 'timezone' },
    })
    expect(refusal('0 8 L * *', 'Asia/Kolkata')).toBeNull()
  })
})
