/** Estimates of card tasks, by what earlier ones took: read from a real database. Runs on Node and inside workerd. */

import { uuidv7 } from 'uuidv7'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fitPace } from '../../../src/engine/pace.ts'
import { estimateSeconds } from '../../../src/features/cards/queries/estimates.ts'
import { batches } from '../../../src/schema/batches.ts'
import { openEngine } from '../../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

const IMPORT = 'cards.import'
let at = Date.UTC(2031, 0, 1)

/** A task that took so long; the later it is noted, the later it ended. */
function ended(cards: number, ms: number, more: Partial<typeof batches.$inferInsert> = {}) {
  at += 60_000
  return {
    id: uuidv7(),
    owner: 'me',
    operation: IMPORT,
    status: 'completed' as const,
    input: { validateOnly: false },
    total: 1,
    facts: {},
    tallies: { cards },
    createdAt: at,
    startedAt: at,
    finishedAt: at + ms,
    ...more,
  }
}

async function note(rows: readonly ReturnType<typeof ended>[]): Promise<void> {
  for (let from = 0; from < rows.length; from += 2) {
    await engine.db.insert(batches).values(rows.slice(from, from + 2))
  }
}

const times = (count: number, cards: number, ms: number, more?: Partial<typeof batches.$inferInsert>) =>
  Array.from({ length: count }, () => ended(cards, ms, more))

const estimate = (cards: number, operation = IMPORT) => estimateSeconds(engine.db, operation, cards)

/** Looks whether a number is within a third of another. */
function near(found: number, seconds: number): void {
  expect(found).toBeGreaterThan(seconds * 0.66)
  expect(found).toBeLessThan(seconds * 1.5)
}

describe('an estimate', () => {
  it('of a large task does not take what tiny ones cost for what a card costs', async () => {
    await note(times(100, 3, 15))
    expect(await estimate(100_000)).toBeLessThan(20)
    await note(times(1, 20_000, 1_000))
    await note(times(40, 3, 15))
    near(await estimate(100_000), 5)
    expect(await estimate(3)).toBe(1)
  })

  it('goes by large ones where there are no others', async () => {
    await note(times(3, 50_000, 100_000))
    near(await estimate(100_000), 200)
    near(await estimate(25_000), 50)
  })

  it('knows what a task costs beside its cards', async () => {
    await note([...times(5, 10, 4_000), ...times(5, 10_000, 9_000)])
    near(await estimate(1), 4)
    near(await estimate(20_000), 14)
  })

  it('is not led astray by one task that was held up', async () => {
    await note([...times(6, 10_000, 1_000), ...times(1, 10_000, 3_000_000)])
    near(await estimate(100_000), 10)
  })

  it('leaves out what wrote nothing, was resumed, was stopped or never began', async () => {
    await note(times(2, 10_000, 5_000))
    await note(times(10, 100_000, 100, { input: { validateOnly: true } }))
    await note(times(10, 10_000, 86_400_000, { idleMs: 86_000_000 }))
    await note(times(10, 10_000, 3_600_000, { status: 'partial', stopCode: 'DEADLINE_EXCEEDED' }))
    await note(times(10, 10_000, 10, { startedAt: null, status: 'cancelled' }))
    near(await estimate(100_000), 50)
  })

  it('is of its own kind, however much of other kinds came after', async () => {
    await note(times(3, 10_000, 20_000))
    await note(times(300, 1, 1, { operation: 'echo' }))
    await note(times(3, 10_000, 1_000, { operation: 'cards.export' }))
    near(await estimate(100_000), 200)
    near(await estimate(100_000, 'cards.export'), 10)
  })

  it('is a guess where nothing was measured', async () => {
    expect(await estimate(0)).toBe(1)
    expect(await estimate(100_000)).toBe(11)
    expect(await estimate(100_000, 'cards.delete')).toBe(6)
  })
})

it('a pace is never below nothing', () => {
  const guess = { task: 20, item: 0.1 }
  for (const measured of [
    [
      { items: 1, ms: 0 },
      { items: 1_000_000, ms: 0 },
    ],
    [
      { items: 1, ms: 10_000 },
      { items: 10_000, ms: 10 },
    ],
    [
      { items: 10, ms: 1 },
      { items: 20, ms: 100 },
    ],
  ]) {
    const { task, item } = fitPace(measured, guess)
    expect(task).toBeGreaterThanOrEqual(0)
    expect(item).toBeGreaterThanOrEqual(0)
  }
})
