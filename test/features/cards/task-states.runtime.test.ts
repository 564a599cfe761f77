/** The states of a task that need something to go wrong: read from a real engine whose import fails as it is told. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { countWorkers } from '../../../src/engine/queue-depth.ts'
import { stopBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { MillraceError } from '../../../src/errors.ts'
import { exportCards } from '../../../src/features/cards/operations/export.ts'
import { importCards } from '../../../src/features/cards/operations/import.ts'
import { readCardTask, readCardTaskResult } from '../../../src/features/cards/queries/tasks.ts'
import { presentUnfinished } from '../../../src/features/cards/task-results.ts'
import type { Operation } from '../../../src/operation.ts'
import { openEngine, until } from '../../support/fixture.ts'

const task = {
  key: 'uploads/none',
  form: 'lines',
  header: [],
  publishBusiness: true,
  publishIdeas: true,
  onDuplicate: null,
  validateOnly: false,
}
const slice = (first: number) => ({ first, count: 500, offset: 0, length: 0, oversize: false })
const request = { ...task, totalCards: 1_000, slices: [slice(0), slice(500)] }

/** The import, with another way to run. */
const importThat = (run: Operation['run']): Operation => ({ ...importCards, run })
const done = { result: {}, summary: {}, tallies: { cards: 500 } }

let engine: Awaited<ReturnType<typeof openEngine>>

async function begin(run: Operation['run'], options: { deadlineAt?: number } = {}): Promise<string> {
  const operation = importThat(run)
  engine = await openEngine({ operations: [operation] })
  return (await submit(engine, { owner: 'me', operation, request, options })).batchId
}

const reaches = (id: string, state: string) =>
  until(async () => {
    const found = await readCardTask(engine.db, 'me', id)
    return found?.state === state ? found : null
  })

afterEach(() => engine.close())

describe('a task', () => {
  it('is RETRY, with the reason, while all that is left waits for another try', async () => {
    const id = await begin(async (job) => {
      if (job.sequence === 2) throw new MillraceError('SERVICE_UNAVAILABLE', 'The disk is away.')
      return done
    })
    await engine.work()
    expect(await reaches(id, 'RETRY')).toMatchObject({
      error: expect.stringContaining('The disk is away.'),
      current: 500,
      total: 1_000,
    })
  })

  it('is STARTED while one of its slices runs, with the cards gone through so far', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const id = await begin(async (job, ctx) => {
      if (job.sequence === 1) return done
      ctx.progress(60, '300 of 500 cards')
      await held
      return done
    })
    await engine.work()
    const seen = await until(async () => {
      const found = await readCardTask(engine.db, 'me', id)
      return found?.current === 800 ? found : null
    })
    expect(seen).toMatchObject({ state: 'STARTED', total: 1_000, error: null })
    release()
    await reaches(id, 'SUCCESS')
  })

  it('of which some slices failed for good is a SUCCESS that counts their cards as failed', async () => {
    const id = await begin(async (job) => {
      if (job.sequence === 2) throw new MillraceError('UNKNOWN', 'Broken.')
      return done
    })
    await engine.work()
    await reaches(id, 'SUCCESS')
    expect(await readCardTaskResult(engine.db, id)).toMatchObject({
      lostCards: 500,
      lost: [{ input: { first: 500, count: 500 }, error: 'Broken.' }],
    })
  })

  it('that runs out of time is a FAILURE, also when part of it was done', async () => {
    const id = await begin(
      async (job, ctx) => {
        if (job.sequence === 1) return done
        return new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))
      },
      { deadlineAt: Date.now() + 3_600_000 },
    )
    await engine.work()
    await until(async () => ((await readCardTask(engine.db, 'me', id))?.current === 500 ? true : null))
    engine.clock.advance(3_700_000)
    expect(await reaches(id, 'FAILURE')).toMatchObject({ error: 'The batch was not done by its deadline.' })
    expect(await readCardTaskResult(engine.db, id)).toMatchObject({ lostCards: 500 })
  })

  it('that is an export tells how far it came when it was stopped on its way', async () => {
    let runs = 0
    const inPages: Operation = {
      ...exportCards,
      async run(job, ctx) {
        if (++runs === 3) {
          const heard = new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
          await stopBatch(engine, job.batchId, 'CANCELLED')
          // Or the third page might be kept before the news comes.
          await heard
        }
        return exportCards.run(job, { ...ctx, budgetExhausted: () => true })
      },
    }
    engine = await openEngine({ operations: [inPages] })
    await engine.db.run(sql`
      INSERT INTO cards (owner, id, hash, title, body, category, privacy_level, tags, metadata, created_at, updated_at)
      SELECT 'me', format('card-%06d', key), 'h', 'Title', 'Body', 'note', 'IDEAS', '[]', '{}', 0, 0 FROM json_each(${JSON.stringify(Array(500).fill(0))})`)
    const ids = Array.from({ length: 500 }, (_, at) => `card-${String(at * 3).padStart(6, '0')}`)
    const { batchId } = await submit(engine, {
      owner: 'me',
      operation: inPages,
      request: {
        ...{ ids, privacyLevels: null, categories: null, publishedOnly: false, format: 'ndjson', withMetadata: true },
        ...{ gzip: false, pages: 'https://example.org/cards/', filename: 'cards', totalCards: ids.length },
      },
    })
    await engine.work()
    const ended = await reaches(batchId, 'FAILURE')
    const found = await readCardTaskResult(engine.db, batchId)
    expect(found.first).toBeNull()
    // Two pages of 100 ids: every third of the 500 is there.
    expect(presentUnfinished(ended, found)).toMatchObject({
      cards_exported: 167,
      cards_failed: 33,
      export_format: 'ndjson',
      errors: ids.slice(167, 200).map((card_id) => ({ card_id, error: 'Card not found or access denied' })),
    })
  })

  it('whose body is gone fails with a sentence', async () => {
    const id = await begin(importCards.run)
    await engine.work()
    expect(await reaches(id, 'FAILURE')).toMatchObject({ error: 'The cards that were sent are no longer kept.' })
  })
})

describe('workers', () => {
  it('are counted while they sign in', async () => {
    await begin(importCards.run)
    expect(await countWorkers(engine.db, engine.clock.now())).toBe(0)
    const worker = await engine.work()
    expect(await countWorkers(engine.db, engine.clock.now())).toBe(1)
    await worker.stop(0)
    expect(await countWorkers(engine.db, engine.clock.now())).toBe(0)
  })
})
