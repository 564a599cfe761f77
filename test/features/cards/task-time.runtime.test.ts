/** The time that a task may take and the time that it took, by a clock that is turned. Runs on Node and inside workerd. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pauseBatch, resumeBatch, retryBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { MillraceError } from '../../../src/errors.ts'
import { importCards } from '../../../src/features/cards/operations/import.ts'
import { readCardTask } from '../../../src/features/cards/queries/tasks.ts'
import type { Operation } from '../../../src/operation.ts'
import { openEngine, until } from '../../support/fixture.ts'

const HOUR_MS = 3_600_000
const DAY_S = 86_400
const TASK = { key: 'none', form: 'lines', header: [], publishBusiness: true, publishIdeas: true, onDuplicate: null }
const SLICE = { first: 0, count: 500, offset: 0, length: 0, oversize: false }

/** Does what a run of the import does here. */
let run: Operation['run']
const operation: Operation = { ...importCards, run: (job, ctx) => run(job, ctx) }
const done = { result: {}, summary: {}, tallies: { cards: 500 } }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [operation] })
})
afterEach(() => engine.close())

async function begin(slices = 1): Promise<string> {
  const request = {
    ...TASK,
    validateOnly: false,
    totalCards: 500 * slices,
    slices: Array.from({ length: slices }, (_, at) => ({ ...SLICE, first: 500 * at })),
  }
  const { batchId } = await submit(engine, { owner: 'me', operation, request, options: { limitMs: HOUR_MS } })
  await engine.work()
  return batchId
}

const taskOf = (id: string) => readCardTask(engine.db, 'me', id)
const reaches = (id: string, state: string) =>
  until(async () => {
    const found = await taskOf(id)
    return found?.state === state ? found : null
  })
const advance = (seconds: number) => engine.clock.advance(1_000 * seconds)

describe('the time of a task', () => {
  it('is bounded, again when it is resumed', async () => {
    run = (_, ctx) => new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))
    const id = await begin()
    for (let time = 0; time < 2; time++) {
      await reaches(id, 'STARTED')
      advance(3_700)
      expect(await reaches(id, 'FAILURE')).toMatchObject({ error: 'The batch was not done by its deadline.' })
      advance(DAY_S)
      await retryBatch(engine, id)
    }
  })

  it('that is told is that of its work, not what lay between', async () => {
    run = async () => {
      advance(10)
      throw new MillraceError('UNKNOWN', 'Broken.')
    }
    const id = await begin()
    await reaches(id, 'FAILURE')
    for (let time = 0; time < 2; time++) {
      advance(DAY_S)
      await retryBatch(engine, id)
      await reaches(id, 'FAILURE')
    }
    advance(DAY_S)
    run = async () => {
      advance(5)
      return done
    }
    await retryBatch(engine, id)
    const { duration } = await reaches(id, 'SUCCESS')
    expect(duration).toBeGreaterThanOrEqual(35)
    expect(duration).toBeLessThan(DAY_S)
  })

  it('does not begin before it does', async () => {
    run = async () => done
    const request = { ...TASK, validateOnly: false, totalCards: 500, slices: [SLICE] }
    const runAt = engine.clock.now() + 1_000 * DAY_S
    const options = { runAt, deadlineAt: runAt - HOUR_MS }
    const { batchId } = await submit(engine, { owner: 'me', operation, request, options })
    await engine.work()
    advance(DAY_S - 1_800)
    expect(await reaches(batchId, 'FAILURE')).toMatchObject({ duration: 0 })
    advance(DAY_S)
    await retryBatch(engine, batchId)
    expect((await reaches(batchId, 'SUCCESS')).duration).toBeLessThan(DAY_S)
  })

  it('stands still while it is paused', async () => {
    run = async (job) => {
      if (job.sequence === 1) await pauseBatch(engine, job.batchId)
      return done
    }
    const id = await begin(4)
    await until(async () => ((await taskOf(id))?.current === 1_000 ? true : null))
    advance(DAY_S / 48)
    await resumeBatch(engine, id)
    expect((await reaches(id, 'SUCCESS')).duration).toBeLessThan(DAY_S / 48)
  })
})
