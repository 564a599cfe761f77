/**
 * Sockets opened at random moments of jobs that complete, fail, are cancelled or deleted: none is told an end that the job does not have yet,
 * or another than it has. `SOCKETS=1000` opens so many.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { between, chosenSeed, seeded } from '../../crash/random.ts'
import { processBody } from '../../support/documents.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { followSocket, type Message } from '../../support/socket-client.ts'
import { scaled } from '../../support/time-limits.ts'

const SOCKETS = Number(process.env.SOCKETS ?? 120)
const SOCKETS_A_JOB = 20
/** Jobs whose sockets are open at once. */
const JOBS_AT_ONCE = 4
/** Time in which the sockets of a job are opened; most jobs take less. */
const SPREAD_MS = 3_000
const API = '/api/public/bulk'
const FATES = ['completed', 'completed', 'failed', 'cancelled', 'deleted'] as const
type Fate = (typeof FATES)[number]

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { RATE_LIMITS: 'rag.process=none,rag.status=none' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function begin(job_id: string, fate: Fate, random: () => number): Promise<void> {
  const note = (at: number) => ({
    id: `${job_id}-${at}`,
    text: `Note ${at} of ${job_id} tells of ropes and piers. `.repeat(between(random, 1, 20)),
  })
  // A document without a word fails, and with it a job that has no other.
  const documents = fate === 'failed' ? [{ id: `${job_id}-0`, text: ' ' }] : [note(0), note(1), note(2)]
  const response = await server.fetch(`${API}/process`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(processBody(job_id, documents)),
  })
  expect(response.status, await response.text()).toBe(200)
}

async function meet(job: string, fate: Fate, random: () => number): Promise<void> {
  await pause(random() * SPREAD_MS)
  if (fate === 'cancelled') await server.fetch(`/api/batch/${job}/cancel`, { method: 'POST' })
  // What runs can't be deleted; it is cancelled first.
  if (fate !== 'deleted') return
  await server.fetch(`/api/batch/${job}/cancel`, { method: 'POST' })
  await expect
    .poll(async () => (await server.fetch(`/api/batch/${job}`, { method: 'DELETE' })).status, {
      timeout: scaled(30_000),
    })
    .not.toBe(409)
}

/** The status that the server tells of a job; null where there is none. */
async function statusOf(job: string): Promise<string | null> {
  const response = await server.fetch(`${API}/job/${job}/status`)
  const body: { status?: string } = await response.json()
  return response.status === 404 ? null : (body.status ?? '')
}

/** Faults of one socket: sentences. */
async function follow(job: string): Promise<string[]> {
  const follower = followSocket(`${server.url}${API}/ws/bulk-processing/${job}`)
  const last = await follower.until(({ type }) => type !== 'progress')
  const told = last.status
  const is = await statusOf(job)
  const code = await follower.closed
  const faults: string[] = []
  if (is !== null && is !== told) faults.push(`told ${told} while the job is ${is}`)
  if (is === null && !['not_found', 'completed', 'failed', 'cancelled'].includes(String(told)))
    faults.push(`told ${told} of a job that is gone`)
  if ((last.type === 'completed') !== (told === 'completed')) faults.push(`the type ${last.type} for ${told}`)
  if (code !== (told === 'not_found' ? 4404 : 1000)) faults.push(`closed with ${code} after ${told}`)
  if (follower.messages.at(-1) !== last) faults.push('something came after the end')
  return [...faults, ...backward(follower.messages)].map((fault) => `${job}: ${fault}`)
}

/** Progress that goes back. */
function backward(messages: readonly Message[]): string[] {
  const percents = messages.flatMap(({ type, progress }) => (type === 'progress' ? [Number(progress)] : []))
  return percents.some((percent, at) => percent < (percents[at - 1] ?? 0)) ? [`progress went back: ${percents}`] : []
}

it(`no one of ${SOCKETS} sockets is told a wrong end`, { timeout: scaled(120_000 + 400 * SOCKETS) }, async () => {
  const seed = chosenSeed()
  console.log(`CRASH_SEED=${seed} SOCKETS=${SOCKETS}`)
  const random = seeded(seed)
  const jobs = Array.from({ length: Math.ceil(SOCKETS / SOCKETS_A_JOB) }, (_, at) => `job-${at}`)
  const faults: string[] = []
  const seen = { sockets: 0 }
  const runJobs = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const name = job
      const fate = FATES[between(random, 0, FATES.length - 1)] ?? 'completed'
      await begin(name, fate, random)
      const sockets = Array.from({ length: SOCKETS_A_JOB }, async () => {
        await pause(random() * SPREAD_MS)
        faults.push(...(await follow(name)))
        seen.sockets++
      })
      await Promise.all([meet(name, fate, random), ...sockets])
    }
  }
  await Promise.all(Array.from({ length: JOBS_AT_ONCE }, runJobs))
  expect(faults).toEqual([])
  expect(seen.sockets).toBeGreaterThanOrEqual(SOCKETS)
})
