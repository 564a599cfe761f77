import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { openLibsql } from '../../../src/drivers/db-libsql.ts'
import { Activity, NewActivity, NewParticipation } from '../../../src/features/resources/activity-schemas.ts'
import { createRows } from '../../../src/features/resources/queries/create.ts'
import { recommend } from '../../../src/features/resources/queries/recommend.ts'
import {
  type Candidate,
  historyPoints,
  holdsAge,
  type Occasion,
  scoreOccasion,
  toScore,
} from '../../../src/features/resources/scoring.ts'
import { TABLE_RESOURCES } from '../../../src/features/resources/tables.ts'
import { isIsoWeek, isoWeek } from '../../../src/features/resources/weeks.ts'
import type { Database } from '../../../src/ports.ts'
import { findRows, readPage } from '../../../src/rows/owned-rows.ts'
import { counted } from '../../support/counting-database.ts'
import { MIGRATIONS } from '../../support/platform.ts'

let folder: string
let db: Database
let close: () => void
const NOW = Date.UTC(2026, 5, 15, 12)
const clock = { now: () => NOW }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-reads-'))
  ;({ db, close } = await openLibsql(pathToFileURL(join(folder, 'm.db')).href, { migrations: MIGRATIONS }))
})
afterEach(async () => {
  close()
  await rm(folder, { recursive: true })
})

const make = (owner: string, items: unknown[]) =>
  createRows({ db, clock }, 'activities', owner, NewActivity.array().parse(items))
const took = (owner: string, items: unknown[]) =>
  createRows({ db, clock }, 'participations', owner, NewParticipation.array().parse(items))
const named = (name: string, more: object = {}) => ({ id: name, name, activity_type: 'motor', ...more })

describe('rows', () => {
  it('are given back as they were made', async () => {
    const [made] = await make('me', [
      named('a', {
        description: 'Says "hi" — ünïcödé \\ \n 🎈',
        materials_needed: ['rope', "it's"],
        age_range: { min_months: 3, max_months: null },
        group_size: { min: 2 },
        setting: 'both',
        is_active: false,
        special_needs_adaptations: 'yes',
      }),
    ])
    expect(Activity.parse(made)).toEqual({
      id: 'a',
      name: 'a',
      description: 'Says "hi" — ünïcödé \\ \n 🎈',
      activity_type: 'motor',
      difficulty: 'medium',
      duration_minutes: 30,
      materials_needed: ['rope', "it's"],
      age_range: { min_months: 3, max_months: null },
      special_needs_adaptations: 'yes',
      setting: 'both',
      group_size: { min: 2, max: null },
      is_active: false,
      created_at: '2026-06-15T12:00:00.000Z',
      updated_at: '2026-06-15T12:00:00.000Z',
    })
  })

  it('keep every millisecond of a time', async () => {
    await make('me', [named('a')])
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: Date.UTC(2200, 0, 1) }), async (ms) => {
        const at = new Date(ms).toISOString()
        const [row] = await took('me', [{ child_id: 'c', activity_id: 'a', participated_at: at }])
        expect(row?.participated_at).toBe(at)
      }),
      { numRuns: 200 },
    )
  })

  it("are one's own and the shared ones, the own before a shared one of the same id", async () => {
    await make('other', [named('a'), named('b')])
    await make('me', [named('a', { description: 'mine' }), named('shared-sock-pairs', { description: 'my socks' })])
    const found = await findRows(db, TABLE_RESOURCES.activities, 'me', [
      'a',
      'b',
      'shared-sock-pairs',
      'shared-sound-walk',
    ])
    expect([...found].map(([id, row]) => [id, row.description]).sort()).toEqual([
      ['a', 'mine'],
      ['shared-sock-pairs', 'my socks'],
      ['shared-sound-walk', 'Walk in silence, then tell what was heard.'],
    ])
  })

  it('are paged without a gap or a double, own and shared together', async () => {
    await make('me', [named('a'), named('shared-sock-pairs'), named('shared-zz'), named('zz')])
    await make('other', [named('b')])
    const ids: unknown[] = []
    let after = ''
    for (;;) {
      const { rows, next } = await readPage(db, TABLE_RESOURCES.activities, 'me', { after, limit: 7 })
      ids.push(...rows.map(({ id }) => id))
      if (next === null) break
      expect(rows).toHaveLength(7)
      after = next
    }
    expect(ids).toHaveLength(61 + 3)
    expect(ids).toEqual([...new Set(ids)].sort())
    expect(ids).not.toContain('b')
  })

  it('are made all or none', async () => {
    await make('me', [named('a')])
    await expect(make('me', [named('b'), named('a')])).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(make('me', [named('c'), named('c')])).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    await expect(
      took('me', [
        { child_id: 'x', activity_id: 'a' },
        { child_id: 'x', activity_id: 'no such'.replace(' ', '-') },
      ]),
    ).rejects.toMatchObject({ code: 'UNPROCESSABLE', message: 'Activity with id no-such not found' })
    expect([...(await findRows(db, TABLE_RESOURCES.activities, 'me', ['b', 'c'])).keys()]).toEqual([])
    expect((await readPage(db, TABLE_RESOURCES.participations, 'me', { after: '', limit: 10 })).rows).toEqual([])
  })
})

/** Activities of all kinds, and what they are asked for. */
const KIND = fc.record({
  activity_type: fc.constantFrom('motor', 'social', 'creative'),
  age_range: fc.option(
    fc.record({
      min_months: fc.option(fc.integer({ min: 0, max: 30 })),
      max_months: fc.option(fc.integer({ min: 31, max: 90 })),
    }),
  ),
  setting: fc.option(fc.constantFrom('indoor', 'outdoor', 'both')),
  group_size: fc.option(
    fc.record({ min: fc.option(fc.integer({ min: 1, max: 5 })), max: fc.option(fc.integer({ min: 6, max: 9 })) }),
  ),
  special_needs_adaptations: fc.option(fc.constantFrom('', 'yes')),
})
const OCCASION = fc.record({
  ageMonths: fc.option(fc.integer({ min: 0, max: 100 })),
  weather: fc.option(fc.constantFrom('rainy', 'sunny')),
  groupSize: fc.option(fc.integer({ min: 1, max: 12 })),
  specialNeeds: fc.boolean(),
})

/** The score of every activity that is for that age, best first. */
function scoresOf(
  items: readonly z.infer<typeof NewActivity>[],
  parts: readonly { activity_id: string; participated_at: string }[],
  occasion: Occasion,
): number[] {
  return items
    .filter((item) => occasion.ageMonths === null || holdsAge(item.age_range, occasion.ageMonths))
    .map((item) => {
      const own = parts.filter((part) => part.activity_id === item.id)
      const lastAt = Math.max(...own.map((part) => Date.parse(part.participated_at)))
      const candidate: Candidate = {
        ...item,
        id: String(item.id),
        has_adaptations: Boolean(item.special_needs_adaptations),
      }
      const history = own.length === 0 ? undefined : { times: own.length, lastAt }
      return toScore(scoreOccasion(candidate, occasion).points + historyPoints(history, NOW))
    })
    .sort((a, b) => b - a)
}

describe('recommendations', () => {
  const plain = { ageMonths: null, weather: null, groupSize: null, specialNeeds: true }
  const ask = (question: Partial<Parameters<typeof recommend>[2]>) =>
    recommend({ db, clock }, 'me', { childIds: ['c'], limit: 5, types: [], occasion: plain, ...question })

  it('take three statements, whatever there is', async () => {
    await make(
      'me',
      Array.from({ length: 300 }, (_, i) => named(`a${i}`)),
    )
    await took(
      'me',
      Array.from({ length: 900 }, (_, i) => ({ child_id: `c${i % 30}`, activity_id: `a${i % 300}` })),
    )
    const few = counted(db)
    await recommend({ db: few.db, clock }, 'me', { childIds: ['x'], limit: 1, types: [], occasion: plain })
    const many = counted(db)
    const childIds = Array.from({ length: 50 }, (_, i) => `c${i}`)
    const found = await recommend({ db: many.db, clock }, 'me', { childIds, limit: 20, types: [], occasion: plain })
    expect([...found.values()].every((list) => list.length === 20)).toBe(true)
    expect([few.statements(), many.statements()]).toEqual([3, 3])
  })

  it("leave out what is not active, another owner's, or for another age", async () => {
    await make('other', [named('theirs', { activity_type: 'woodwork' })])
    await make('me', [
      named('mine', { activity_type: 'woodwork' }),
      named('resting', { activity_type: 'woodwork', is_active: false }),
      named('babies', { activity_type: 'woodwork', age_range: { max_months: 12 } }),
      // Hides the shared one of this id.
      named('shared-sock-pairs', { activity_type: 'cognitive', is_active: false }),
    ])
    const found = await ask({ types: ['Woodwork'], occasion: { ...plain, ageMonths: 36 } })
    expect(found.get('c')?.map(({ activity }) => activity.id)).toEqual(['mine'])
    const cognitive = await ask({ types: ['cognitive', 'nonsense'], limit: 20 })
    const ids = cognitive.get('c')?.map(({ activity }) => activity.id) ?? []
    expect(ids).toHaveLength(9)
    expect(ids).not.toContain('shared-sock-pairs')
    expect((await ask({ types: ['nonsense'], limit: 20 })).get('c')).toHaveLength(20)
  })

  it('are those that scoring everything would give', async () => {
    let owner = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(KIND, { minLength: 1, maxLength: 30 }),
        fc.array(fc.tuple(fc.nat(29), fc.integer({ min: 0, max: 20 })), { maxLength: 60 }),
        OCCASION,
        fc.integer({ min: 1, max: 20 }),
        async (kinds, done, occasion, limit) => {
          const me = `owner-${owner++}`
          const items = NewActivity.array().parse(kinds.map((kind, i) => ({ ...kind, id: `a${i}`, name: `n${i % 7}` })))
          await createRows({ db, clock }, 'activities', me, items)
          const parts = done.map(([n, days]) => ({
            child_id: 'c',
            activity_id: `a${n % kinds.length}`,
            participated_at: new Date(NOW - days * 86_400_000).toISOString(),
          }))
          if (parts.length > 0) await took(me, parts)
          const naive = scoresOf(items, parts, occasion)
          const answer = await recommend({ db, clock }, me, {
            childIds: ['c'],
            limit,
            types: ['motor', 'social', 'creative', me],
            occasion,
          })
          const own = (answer.get('c') ?? []).filter(({ activity }) => /^a\d+$/.test(activity.id))
          // The shared ones compete; among the best, one's own must be just the best of one's own.
          expect(own.map(({ relevance_score }) => relevance_score)).toEqual(naive.slice(0, own.length))
          const worst = answer.get('c')?.at(-1)?.relevance_score ?? 0
          if (answer.get('c')?.length === limit) expect(naive[own.length] ?? 0).toBeLessThanOrEqual(worst)
          else expect(own).toHaveLength(naive.length)
        },
      ),
      { numRuns: 60 },
    )
  })
})

it('counts weeks as ISO 8601 does', () => {
  const week = (text: string) => isoWeek(Date.parse(text))
  expect(week('2026-01-01T00:00:00Z')).toBe('2026-W01')
  expect(week('2027-01-03T23:59:59.999Z')).toBe('2026-W53')
  expect(week('2027-01-04T00:00:00Z')).toBe('2027-W01')
  expect(week('2024-12-30T00:00:00Z')).toBe('2025-W01')
  expect(week('2023-01-01T12:00:00Z')).toBe('2022-W52')
  expect(week('2026-02-16T20:00:00Z')).toBe('2026-W08')
})

it('knows the weeks that there are: exactly those that days are in', () => {
  const weeks = new Set<string>()
  for (let day = Date.UTC(1970, 0, 1); day < Date.UTC(2401, 0, 1); day += 86_400_000) weeks.add(isoWeek(day))
  for (let year = 1970; year <= 2400; year++) {
    for (let week = 0; week <= 99; week++) {
      const name = `${year}-W${String(week).padStart(2, '0')}`
      expect([name, isIsoWeek(name)]).toEqual([name, weeks.has(name)])
    }
  }
  for (const name of ['2026', '2026-W7', '2026-W007', '26-W07', '2026-w07', ' 2026-W07', '2026-W07\n', '']) {
    expect([name, isIsoWeek(name)]).toEqual([name, false])
  }
})
