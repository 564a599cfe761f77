/** How the import of a slice runs: it reports as it goes, and hears that it is to stop. Runs on Node and inside workerd. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stopBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { importCards } from '../../../src/features/cards/operations/import.ts'
import type { Operation } from '../../../src/operation.ts'
import type { Progress } from '../../../src/ports.ts'
import { openEngine, until } from '../../support/fixture.ts'
import { someCards } from './client.ts'

const CARDS = 2_000

/** Reports of the runs, in order; what is told after a turn of the event loop is told after it. */
let reports: string[]
/** Called at each report. */
let onReport: () => void
const watched: Operation = {
  ...importCards,
  run: (job, ctx) =>
    importCards.run(job, {
      ...ctx,
      progress(percent, message) {
        reports.push(`${percent} ${message}`)
        ctx.progress(percent, message)
        onReport()
      },
    }),
}

let engine: Awaited<ReturnType<typeof openEngine>>
let batchId = ''

beforeEach(async () => {
  reports = []
  onReport = () => {}
  engine = await openEngine({ operations: [watched] })
})
afterEach(() => engine.close())

/** Submits so many cards as one slice. */
async function begin(count: number): Promise<void> {
  const bytes = new TextEncoder().encode(
    someCards(count)
      .map((one) => `${JSON.stringify(one)}\n`)
      .join(''),
  )
  await engine.blobs.put('uploads/cards', bytes)
  const task = { key: 'uploads/cards', form: 'lines', header: [], onDuplicate: null, validateOnly: false }
  const slice = { first: 0, count, offset: 0, length: bytes.byteLength, oversize: false }
  const request = { ...task, publishBusiness: true, publishIdeas: true, totalCards: count, slices: [slice] }
  batchId = (await submit(engine, { owner: 'me', operation: watched, request })).batchId
}

const ended = () =>
  until(async () => {
    const [row] = await engine.db.all<{ status: string; finished_at: number | null }>(
      sql`SELECT status, finished_at FROM batches WHERE id = ${batchId}`,
    )
    return row?.finished_at ? row.status : null
  })
const imported = async () => (await engine.db.all(sql`SELECT id FROM cards`)).length

describe('a slice', () => {
  it('tells how far it is every hundred cards, and others get their turn between', async () => {
    await begin(CARDS)
    const turns: number[] = []
    onReport = () => {
      const report = reports.length
      setTimeout(() => turns.push(reports.length - report), 0)
    }
    const told: Progress[] = []
    engine.notifier.subscribe(batchId, (notice) => {
      if ('progress' in notice) told.push(...notice.progress)
    })
    await engine.work()
    expect(await ended()).toBe('completed')
    expect(reports).toEqual(
      Array.from({ length: CARDS / 100 }, (_, at) => `${5 * (at + 1)} ${100 * (at + 1)} of ${CARDS} cards`),
    )
    expect(await imported()).toBe(CARDS)
    // A timer that was set at the first report went off long before the last.
    expect(turns[0]).toBeLessThan(CARDS / 100 - 1)
    expect(told[0]?.percent).toBeLessThan(100)
    expect(told[0]?.message).toMatch(/^\d+00 of 2000 cards$/)
  })

  it('ends where it is when its batch is cancelled, with nothing written', async () => {
    // So many that the news comes before their end, however long it takes.
    await begin(10 * CARDS)
    onReport = () => {
      if (reports.length === 1) void stopBatch(engine, batchId, 'CANCELLED')
    }
    await engine.work({ beatMs: 5, sweepMs: 5 })
    expect(await ended()).toBe('cancelled')
    expect(reports.length).toBeLessThan(CARDS / 10)
    expect(await imported()).toBe(0)
  })
})
