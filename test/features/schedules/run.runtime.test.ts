import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import * as batches from '../../../src/features/batches/submit-batch.ts'
import {
  changeSchedule,
  createSchedule,
  deleteSchedule,
  pauseSchedule,
  resumeSchedule,
} from '../../../src/features/schedules/commands.ts'
import { listRuns, readSchedule } from '../../../src/features/schedules/queries.ts'
import { type RunnerDeps, runDueSchedules, runNow } from '../../../src/features/schedules/run.ts'
import type { CreateSchedule } from '../../../src/features/schedules/schemas.ts'
import type { Database } from '../../../src/ports.ts'
import { openEngine } from '../../support/fixture.ts'

const HOUR = 3_600_000

let engine: Awaited<ReturnType<typeof openEngine>>
let deps: RunnerDeps
beforeEach(async () => {
  engine = await openEngine()
  deps = { ...engine, loadBatches: async () => batches }
})
afterEach(() => engine.close())

const hourly = { name: 'hourly', cron: '@hourly', operation: 'echo', items: [{ value: 1 }, { value: 2 }] }
const add = (more: Partial<CreateSchedule> = {}) => createSchedule(deps, 'me', { ...hourly, ...more })
const runsOf = (id: string) => listRuns(engine.db, id, 100)
const look = async (id: string) => {
  const row = await readSchedule(engine.db, 'me', id)
  if (row === undefined) throw new Error('the schedule is gone')
  return row
}
const batchCount = async () => {
  const rows = await engine.db.all<{ n: number }>(sql`SELECT count(*) AS n FROM batches`)
  return rows[0]?.n
}
const endAll = () => engine.db.run(sql`UPDATE batches SET status = 'completed', finished_at = ${engine.clock.now()}`)

describe('a schedule', () => {
  it('begins a batch when it is due, tells which, and is due an hour later', async () => {
    const { id, nextAt } = await add()
    expect(await runDueSchedules(deps)).toBe(nextAt)
    expect(await batchCount()).toBe(0)
    engine.clock.advance(HOUR)
    expect(await runDueSchedules(deps)).toBe((nextAt ?? 0) + HOUR)
    const [run] = await runsOf(id)
    expect(run).toMatchObject({ dueAt: nextAt, outcome: 'started', byHand: false })
    expect((await look(id)).lastBatchId).toBe(run?.batchId)
    const events = await engine.eventsOf(run?.batchId ?? '')
    expect(events[0]?.body).toMatchObject({
      totalJobs: 2,
      scheduleId: id,
      scheduledFor: new Date(nextAt ?? 0).toISOString(),
    })
  })

  it('begins one batch each time, however many processes look', async () => {
    await add({ overlap: 'allow' })
    for (const hour of [1, 2, 3]) {
      engine.clock.advance(HOUR)
      await Promise.all(Array.from({ length: 8 }, () => runDueSchedules(deps)))
      expect(await batchCount()).toBe(hour)
    }
  })

  it('is run once for all the times that were missed', async () => {
    const { id, nextAt } = await add({ overlap: 'allow' })
    engine.clock.advance(50 * HOUR)
    await runDueSchedules(deps)
    expect(await runsOf(id)).toMatchObject([{ dueAt: nextAt, outcome: 'started' }])
    expect((await look(id)).nextAt).toBeGreaterThan(engine.clock.now())
  })

  it('begins no second batch where a process died before it moved on, though the schedule was changed meanwhile', async () => {
    const schedule = await add()
    engine.clock.advance(HOUR)
    let left = 1
    const dying: Database = new Proxy(engine.db, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (name !== 'batch' || typeof value !== 'function')
          return typeof value === 'function' ? value.bind(target) : value
        // The first commit makes the batch; the second would move on.
        return (...args: unknown[]) => (left-- > 0 ? value.apply(target, args) : Promise.reject(new Error('killed')))
      },
    })
    await expect(runDueSchedules({ ...deps, db: dying })).rejects.toThrow('killed')
    expect(await batchCount()).toBe(1)
    expect(await runsOf(schedule.id)).toEqual([])
    await changeSchedule(deps, schedule, { items: [{ value: 3 }] })
    await runDueSchedules(deps)
    expect(await batchCount()).toBe(1)
    expect(await runsOf(schedule.id)).toMatchObject([{ outcome: 'started' }])
  })

  it('is passed over while its last batch still runs, and begins the next when that has ended', async () => {
    const { id } = await add()
    for (const _ of [1, 2]) {
      engine.clock.advance(HOUR)
      await runDueSchedules(deps)
    }
    await endAll()
    engine.clock.advance(HOUR)
    await runDueSchedules(deps)
    expect((await runsOf(id)).map(({ outcome }) => outcome)).toEqual(['started', 'skipped', 'started'])
    expect(await batchCount()).toBe(2)
  })

  it('is not due while it is paused, and does not make up for it', async () => {
    const schedule = await add()
    await pauseSchedule(deps, schedule)
    engine.clock.advance(5 * HOUR)
    expect(await runDueSchedules(deps)).toBeNull()
    const resumed = await resumeSchedule(deps, await look(schedule.id))
    expect(resumed.nextAt).toBeGreaterThan(engine.clock.now())
    await runDueSchedules(deps)
    expect(await batchCount()).toBe(0)
  })

  it('is run by hand while it is paused and while its batch runs, and stays as it is', async () => {
    const schedule = await add({ paused: true })
    const first = await runNow(deps, schedule)
    engine.clock.advance(1)
    const second = await runNow(deps, schedule)
    expect(first.batchId).not.toBe(second.batchId)
    expect(await runsOf(schedule.id)).toMatchObject([
      { batchId: second.batchId, byHand: true },
      { batchId: first.batchId, byHand: true },
    ])
    expect((await look(schedule.id)).nextAt).toBeNull()
  })

  it('says why no batch could be made, and goes on at its next time', async () => {
    const { id } = await add()
    engine.clock.advance(HOUR)
    const refuse = () => Promise.reject(new MillraceError('QUOTA_EXCEEDED', 'There is no room.'))
    await runDueSchedules({ ...deps, admit: () => refuse })
    expect(await runsOf(id)).toMatchObject([
      { outcome: 'failed', errorCode: 'QUOTA_EXCEEDED', errorMessage: 'There is no room.', batchId: null },
    ])
    engine.clock.advance(HOUR)
    await runDueSchedules(deps)
    expect((await runsOf(id))[0]).toMatchObject({ outcome: 'started' })
  })

  it('keeps its latest hundred runs', async () => {
    const { id } = await add({ overlap: 'allow' })
    for (let hour = 0; hour < 103; hour++) {
      engine.clock.advance(HOUR)
      await runDueSchedules({ ...deps, admit: () => () => Promise.reject(new MillraceError('RATE_LIMIT', 'No more.')) })
    }
    expect(await engine.db.all(sql`SELECT 1 FROM schedule_runs WHERE schedule_id = ${id}`)).toHaveLength(100)
  })

  it('leaves nothing of its own when it is deleted', async () => {
    const { id } = await add()
    engine.clock.advance(HOUR)
    await runDueSchedules(deps)
    await deleteSchedule(engine.db, id)
    expect(await runsOf(id)).toEqual([])
    expect(await batchCount()).toBe(1)
    engine.clock.advance(HOUR)
    await runDueSchedules(deps)
    expect(await batchCount()).toBe(1)
  })

  it('looks only for what is due, by an index', async () => {
    const rows = await engine.db.all<{ detail: string }>(
      sql`EXPLAIN QUERY PLAN SELECT id FROM schedules WHERE next_at IS NOT NULL AND next_at <= 5 ORDER BY next_at LIMIT 4`,
    )
    expect(rows.map(({ detail }) => detail).join()).toContain('schedules_next')
  })
})

describe('schedules that are refused', () => {
  it('are those whose batch would be', async () => {
    const refused = (more: Partial<CreateSchedule>) =>
      add(more).then(
        () => null,
        (error: unknown) => error,
      )
    expect(await refused({ items: [{ value: 1 }, { waitMs: -1 }] })).toMatchObject({
      details: { field: 'items.1.waitMs' },
    })
    expect(await refused({ operation: 'ecko' })).toMatchObject({ details: { field: 'operation' } })
    expect(await refused({ items: ['x'.repeat(999_999)] })).toMatchObject({ details: { field: 'items' } })
    expect(await refused({ options: { webhook: { url: 'https://example.com' } } })).toMatchObject({
      details: { field: 'options.webhook.secret' },
    })
    await add()
    expect(await refused({})).toMatchObject({ code: 'CONFLICT', details: { field: 'name' } })
  })
})
