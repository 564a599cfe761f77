import { describe, expect, it } from 'vitest'
import {
  type Candidate,
  historyPoints,
  historyReasons,
  holdsAge,
  type Occasion,
  scoreOccasion,
  toScore,
} from '../../../src/features/resources/scoring.ts'

const activity = (has: Partial<Candidate> = {}): Candidate => ({
  id: 'a',
  name: 'A',
  activity_type: 'motor',
  age_range: null,
  setting: null,
  group_size: null,
  has_adaptations: false,
  ...has,
})
const occasion = (is: Partial<Occasion> = {}): Occasion => ({
  ageMonths: null,
  weather: null,
  groupSize: null,
  specialNeeds: false,
  ...is,
})
const months = (min_months: number | null, max_months: number | null) => ({ age_range: { min_months, max_months } })
const people = (min: number | null, max: number | null) => ({ group_size: { min, max } })
/** Points over the base and the reasons, of an activity whose age range says nothing. */
const added = (has: Partial<Candidate>, is: Partial<Occasion>) => {
  const { points, reasons } = scoreOccasion(activity({ ...months(0, 100), ...has }), occasion(is))
  return [points - 50, reasons.filter((reason) => reason !== 'Age not specified').join('; ')]
}

describe('an occasion', () => {
  it.each([
    [null, 36, 10, 'Suitable for all ages'],
    [[null, null], 36, 10, 'Suitable for all ages'],
    [null, null, 10, 'Suitable for all ages'],
    [[24, 48], null, 0, 'Age not specified'],
    [[20, 40], 24, 20, 'Perfect age match'],
    [[20, 40], 36, 20, 'Perfect age match'],
    [[20, 40], 23, 10, 'Good age match'],
    [[20, 40], 37, 10, 'Good age match'],
    [[20, 40], 20, 10, 'Good age match'],
    [[20, 40], 40, 10, 'Good age match'],
    [[20, 40], 41, 0, 'Age at boundary of range'],
    [[36, 36], 36, 20, 'Perfect age match'],
    // Open below begins at birth: the middle of 0–40 is 8–32.
    [[null, 40], 8, 20, 'Perfect age match'],
    [[null, 40], 7, 10, 'Good age match'],
    [[20, null], 500, 10, 'Good age match'],
  ])('of age: range %j, %j months', (range, ageMonths, points, reason) => {
    const [min, max] = range ?? []
    const has = range === null ? {} : months(min ?? null, max ?? null)
    const scored = scoreOccasion(activity(has), occasion({ ageMonths }))
    expect([scored.points - 50, scored.reasons]).toEqual([points, [reason]])
  })

  it.each([
    ['rainy', null, 5, 'Indoor activity available'],
    ['Stormy ', 'indoor', 5, 'Indoor activity available'],
    ['cold', 'both', 5, 'Indoor activity available'],
    ['cold', 'outdoor', -10, 'Outdoor activity in cold weather'],
    ['sunny', null, 5, 'Great for any environment'],
    ['warm', 'indoor', 5, 'Great for any environment'],
    ['clear', 'outdoor', 10, 'Great for any environment; Good to be outdoors'],
    ['foggy', 'outdoor', 0, ''],
    [null, 'outdoor', 0, ''],
  ] as const)('of weather: %s, %s', (weather, setting, points, reasons) => {
    expect(added({ setting }, { weather })).toEqual([points, reasons])
  })

  it.each([
    ['social', null, 10, 10, 'Great for groups'],
    ['social', null, 2, 10, 'Great for groups'],
    ['social', null, 1, 5, 'Suitable for individual activity'],
    ['motor', null, 1, 5, 'Suitable for individual activity'],
    ['motor', null, 10, 0, ''],
    ['social', [2, 12], 12, 15, 'Great for groups; Fits a group of 12'],
    ['motor', [2, 12], 2, 5, 'Fits a group of 2'],
    ['social', [2, 12], 13, -10, 'Meant for a group of 2 to 12'],
    ['social', [4, null], 3, -10, 'Meant for a group of 4 or more'],
    ['motor', [null, 4], 1, 10, 'Suitable for individual activity; Fits a group of 1'],
    ['social', [2, 12], null, 0, ''],
  ] as const)('of a group: %s, for %j, of %j', (type, size, groupSize, points, reasons) => {
    const has = size === null ? {} : people(size[0], size[1])
    expect(added({ activity_type: type, ...has }, { groupSize })).toEqual([points, reasons])
  })

  it('counts adaptations only where they are asked for', () => {
    expect(added({ has_adaptations: true }, { specialNeeds: true })).toEqual([5, 'Has special needs adaptations'])
    expect(added({ has_adaptations: true }, { specialNeeds: false })).toEqual([0, ''])
    expect(added({ has_adaptations: false }, { specialNeeds: true })).toEqual([0, ''])
  })
})

describe('a history', () => {
  const NOW = Date.UTC(2026, 0, 31)
  const DAY = 24 * 60 * 60 * 1_000
  it.each([
    [undefined, 10, ['Fresh activity suggestion']],
    [{ times: 1, lastAt: NOW - 8 * DAY }, 5, ['Fresh activity suggestion', 'Participated 1 time(s) before']],
    [{ times: 1, lastAt: NOW - 7 * DAY - 1 }, 5, ['Fresh activity suggestion', 'Participated 1 time(s) before']],
    [{ times: 1, lastAt: NOW - 7 * DAY }, -5, ['Recently participated', 'Participated 1 time(s) before']],
    [{ times: 4, lastAt: NOW - 8 * DAY }, -10, ['Fresh activity suggestion', 'Participated 4 time(s) before']],
    [{ times: 90, lastAt: NOW }, -20, ['Recently participated', 'Participated 90 time(s) before']],
  ])('%j', (history, points, reasons) => {
    expect([historyPoints(history, NOW), historyReasons(history, NOW)]).toEqual([points, reasons])
  })
})

it('scores from 0 to 1, exactly', () => {
  expect([-5, 0, 55, 58, 100, 115].map(toScore)).toEqual([0, 0, 0.55, 0.58, 1, 1])
})

it('holds any age at an open end', () => {
  const range = (min: number | null, max: number | null) => ({ min_months: min, max_months: max })
  expect(holdsAge(null, 5)).toBe(true)
  expect([9, 10, 20, 21].map((age) => holdsAge(range(10, 20), age))).toEqual([false, true, true, false])
  expect([9, 10, 999].map((age) => holdsAge(range(10, null), age))).toEqual([false, true, true])
  expect([0, 20, 21].map((age) => holdsAge(range(null, 20), age))).toEqual([true, true, false])
})
