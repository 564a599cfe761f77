/** Recovery after a crash: whose jobs a new worker takes back before their leases run out, and whose it leaves alone. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { claim } from '../../src/engine/transitions/claim.ts'
import { forgetVanishedWorkers, knownWorkers, signIn } from '../../src/engine/transitions/sweep.ts'
import { recoverOrphanedJobs } from '../../src/engine/worker/recover-orphaned-jobs.ts'
import type { ProcessVerdict } from '../../src/ports.ts'
import { openEngine } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

const HOST = 'machine boot pid:[1]'
const ALIVE = 4_242
const DEAD = 999_999
const REUSED = 777_777
const judge = ({ pid }: { pid: number }): ProcessVerdict =>
  pid === ALIVE ? 'alive' : pid === REUSED ? 'unsure' : 'gone'

/** A worker that runs one job. @returns its id */
async function workerAtWork(host: string, pid: number): Promise<string> {
  const id = crypto.randomUUID()
  await signIn(engine, { id, host, pid })
  await engine.submit([{}])
  expect(await claim(engine, { lease: `${id}.1`, limit: 1, leaseMs: 600_000 })).toHaveLength(1)
  return id
}

/** Ids of the workers that still hold a job. */
async function atWork(): Promise<string[]> {
  const rows = await engine.db.all<{ id: string }>(
    sql`SELECT substr(lease, 1, 36) AS id FROM jobs WHERE status = 'running'`,
  )
  return rows.map(({ id }) => id).toSorted()
}

it('takes back at once what workers of this host held whose process is gone, and nothing else', async () => {
  const own = await workerAtWork(HOST, DEAD)
  await workerAtWork(HOST, DEAD)
  const living = await workerAtWork(HOST, ALIVE)
  const inAnotherContainer = await workerAtWork('machine boot pid:[2]', DEAD)
  // As a server before this release signs in, by the host name alone.
  const ofAnEarlierRelease = await workerAtWork('machine', DEAD)
  const options = { id: own, host: HOST, judge, silentMs: 1e9, signal: new AbortController().signal }
  expect(await recoverOrphanedJobs(engine, options)).toBe(1)
  const spared = [own, living, inAnotherContainer, ofAnEarlierRelease].toSorted()
  expect(await atWork()).toEqual(spared)
  expect((await knownWorkers(engine.db)).map(({ id }) => id).toSorted()).toEqual(spared)
})

it('waits for a second sign where a process may be another, and spares one that beats, by whichever clock', async () => {
  const beating = await workerAtWork(HOST, REUSED)
  const silent = await workerAtWork(HOST, REUSED)
  const judged = Promise.withResolvers<void>()
  const looking = (worker: { pid: number }) => {
    judged.resolve()
    return judge(worker)
  }
  const options = { id: 'new', host: HOST, judge: looking, silentMs: 1_000, signal: new AbortController().signal }
  const recovered = recoverOrphanedJobs(engine, options)
  await judged.promise
  // Backwards: machines need not agree on the time.
  await engine.db.run(sql`UPDATE workers SET seen_at = seen_at - 1 WHERE id = ${beating}`)
  expect(await recovered).toBe(1)
  expect(await atWork()).toEqual([beating])
  expect((await knownWorkers(engine.db)).map(({ id }) => id)).not.toContain(silent)
})

it('waits no longer where the last heartbeat is long ago', async () => {
  await workerAtWork(HOST, REUSED)
  engine.clock.advance(600_000)
  const options = { id: 'new', host: HOST, judge, silentMs: 600_000, signal: new AbortController().signal }
  expect(await recoverOrphanedJobs(engine, options)).toBe(1)
  expect(await atWork()).toEqual([])
})

it('ends when it is told to, and leaves the rest to the leases', async () => {
  const gone = await workerAtWork(HOST, REUSED)
  const ending = new AbortController()
  const options = { id: 'new', host: HOST, judge, silentMs: 600_000, signal: ending.signal }
  const recovered = recoverOrphanedJobs(engine, options)
  ending.abort()
  expect(await recovered).toBe(0)
  expect(await atWork()).toEqual([gone])
})

it('workers that vanished where nobody could tell are struck off after a day', async () => {
  const vanished = crypto.randomUUID()
  await signIn(engine, { id: vanished, host: 'a container that is no more', pid: 1 })
  engine.clock.advance(23 * 60 * 60 * 1_000)
  await forgetVanishedWorkers(engine)
  expect(await knownWorkers(engine.db)).toMatchObject([{ id: vanished }])
  const living = crypto.randomUUID()
  await signIn(engine, { id: living, host: HOST, pid: ALIVE })
  engine.clock.advance(2 * 60 * 60 * 1_000)
  await forgetVanishedWorkers(engine)
  expect(await knownWorkers(engine.db)).toMatchObject([{ id: living }])
})
