/** Point 6: a disk that is full for a while loses nothing and fails nothing; who asks is told. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { batchEnd, call, KEYS, pick, textAt, until } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, type Report, Skip } from '../report.ts'
import { mountSmall, type Server, startServer } from '../server.ts'

const DISK = '32m'
const FULL_MS = 5_000
const JOBS = 60
const OWNERS = ['ann', 'bob', 'cal']
/** Large enough that results do not fit into what the database has set aside. */
const VALUE = 'v'.repeat(30_000)

/** A small disk. @throws Skip where this machine does not let us mount one */
function smallDisk(): string {
  try {
    return mountSmall(DISK)
  } catch (error) {
    const reason = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error)
    throw new Skip(`no file system of our own can be mounted here: ${reason}`)
  }
}

/** Writes into a file until nothing more fits. */
function fill(path: string): void {
  for (const size of [256 * 1024, 4_096]) {
    const file = openSync(path, 'a')
    try {
      for (;;) writeSync(file, Buffer.alloc(size))
    } catch {
      // Full.
    } finally {
      closeSync(file)
    }
  }
}

const jobs = () => Array.from({ length: JOBS }, (_, i) => ({ value: `${i}${VALUE}`, waitMs: 200 + (i % 7) * 100 }))

/** What a create is answered while the disk is full, many times over. */
async function refusals(server: Server, ms: number) {
  const end = Date.now() + ms
  const statuses = new Map<number, number>()
  const accepted: { owner: string; id: string }[] = []
  let untold = 0
  let notReady = 0
  while (Date.now() < end) {
    const owner = OWNERS[accepted.length % OWNERS.length] ?? 'ann'
    const answer = await call(server, '/api/batch', {
      as: owner,
      body: { operation: 'echo', items: [{ value: VALUE }] },
    })
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    if (answer.status === 202) accepted.push({ owner, id: textAt(answer, 'batchId') })
    else if (answer.headers.get('Retry-After') === null || ![503, 507].includes(answer.status)) untold++
    if ((await call(server, '/readyz')).status === 503) notReady++
    await pause(100)
  }
  return { statuses, accepted, untold, notReady }
}

async function fullForAWhile(): Promise<string> {
  const dataDir = smallDisk()
  const server = await startServer({ dataDir, env: KEYS })
  try {
    const batches = await Promise.all(
      OWNERS.map(async (owner) => {
        const answer = await call(server, '/api/batch', { as: owner, body: { operation: 'echo', items: jobs() } })
        return { owner, id: textAt(answer, 'batchId') }
      }),
    )
    await pause(400)
    const ballast = join(dataDir, 'ballast')
    fill(ballast)
    const { statuses, accepted, untold, notReady } = await refusals(server, FULL_MS)
    rmSync(ballast)
    const ends = await Promise.all(
      [...batches, ...accepted].map(({ owner, id }) => batchEnd(server, id, { as: owner, ms: 40_000 })),
    )
    const failed = ends.reduce((sum: number, batch) => sum + Number(pick(batch, 'failedJobs')), 0)
    const done = ends.reduce((sum: number, batch) => sum + Number(pick(batch, 'completedJobs')), 0)
    const all = JOBS * OWNERS.length + accepted.length
    const answers = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
    const told = `${done} of ${all} jobs done, ${failed} failed; creates ${answers}; /readyz 503 ${notReady} times`
    demand(failed === 0 && done === all, told)
    demand(untold === 0, `${told}; ${untold} refusals were no 503 or 507 with Retry-After`)
    demand(notReady > 0 && statuses.size > (accepted.length > 0 ? 1 : 0), `${told}: /readyz never said so`)
    return told
  } finally {
    await server.kill()
  }
}

async function removed(): Promise<string> {
  const server = await startServer()
  try {
    demand((await call(server, '/readyz')).status === 200, 'not ready to begin with')
    for (const end of ['', '-wal', '-shm']) rmSync(join(server.dataDir, `millrace.db${end}`), { force: true })
    const answer = await until('503 of /readyz', 8_000, async () => {
      const now = await call(server, '/readyz')
      return now.status === 200 ? null : now
    })
    return `${answer.status} ${answer.text.slice(0, 100)}`
  } finally {
    await server.kill()
  }
}

async function run(report: Report): Promise<void> {
  const full = {
    name: `a disk of ${DISK} full for ${FULL_MS / 1_000} s under load`,
    expected: 'nothing lost, nothing failed, 503/507 + Retry-After',
    withinMs: 90_000,
  }
  await report.alone('6', full, fullForAWhile)
  await report.alone('6', { name: 'a database file that was removed', expected: '/readyz 503' }, removed)
}

export const disk: Point = { point: '6', title: 'disk', lane: 'storage', run }
