/** Workers over HTTP: no-op jobs done by four processes of Python, beside BullMQ with four processes of Node, in the same run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { z } from 'zod'
import { startServer, type TestServer } from '../test/support/server.ts'
import { JOBS_A_CALL, round, startRedis, Throughput } from './parts/queue.ts'
import { median, shown } from './parts/report.ts'

const JOBS = 20_000
const ROUNDS = 3
const WORKERS = 4
/** Jobs of one claim; with BullMQ, jobs that a worker has under way at once. */
const A_CLAIM = 50
const PYTHON = '/usr/bin/python3'
const SCRIPT = join(import.meta.dirname, 'parts', 'workers_python.py')

const Made = z.object({ batchId: z.string() })
const State = z.object({ batch: z.object({ status: z.string(), completedJobs: z.int() }) })

async function send(server: TestServer, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json' }
  const answer = await server.fetch(path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return JSON.parse(text)
}

async function startWorker(url: string): Promise<ChildProcess> {
  const child = spawn(PYTHON, ['-B', SCRIPT, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

async function ours(): Promise<Throughput> {
  await using server = await startServer()
  await send(server, 'PUT', '/api/operations/no-op', {})
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(server.url)))
  const items = Array.from({ length: JOBS_A_CALL }, (_, value) => ({ value }))
  const beganAt = performance.now()
  const ids: string[] = []
  for (let made = 0; made < JOBS; made += JOBS_A_CALL) {
    ids.push(Made.parse(await send(server, 'POST', '/api/batch', { operation: 'no-op', items })).batchId)
  }
  const addedMs = performance.now() - beganAt
  for (const id of ids) {
    for (;;) {
      const { batch } = State.parse(await send(server, 'GET', `/api/batch/${id}?wait=25`))
      if (batch.status === 'completed' && batch.completedJobs === JOBS_A_CALL) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const ms = performance.now() - beganAt
  for (const worker of workers) worker.kill('SIGKILL')
  return { ms, addedMs }
}

/** @returns the section of the report */
export async function run(): Promise<string> {
  await using redis = await startRedis()
  const rates: { ours: number; theirs: number }[] = []
  // One after the other, so that both meet the same moments of the machine.
  for (let i = 0; i < ROUNDS; i++) {
    const own = await ours()
    const theirs = await round(Throughput, 'workers-bullmq.ts', 'round', JOBS, redis.port, WORKERS, A_CLAIM)
    rates.push({ ours: (JOBS / own.ms) * 1_000, theirs: (JOBS / theirs.ms) * 1_000 })
    console.error(rates.at(-1))
  }
  const ratios = rates.map((rate) => rate.ours / rate.theirs)
  const row = (values: readonly number[]) =>
    [median(values), Math.max(...values), Math.min(...values)].map(shown).join(' | ')
  return `## Workers over HTTP

${JOBS.toLocaleString('en')} no-op jobs, added ${JOBS_A_CALL.toLocaleString('en')} a call over HTTP, done by ${WORKERS} processes of \`clients/python/millrace.py\`, ${A_CLAIM} a claim; from the first add until the last is completed.
Beside it BullMQ with ${WORKERS} processes of Node that have ${A_CLAIM} under way each. Millrace syncs every commit to disk and writes an event a job; Redis runs with \`appendonly yes\`,
\`appendfsync everysec\`. ${ROUNDS} rounds of each in turn, on an empty store.

| | jobs/s, median | best | worst |
|---|---|---|---|
| Millrace, Python workers | ${row(rates.map((rate) => rate.ours))} |
| BullMQ, Node workers | ${row(rates.map((rate) => rate.theirs))} |

Ratio by the median round: **${median(ratios).toFixed(1)}** (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}); the aim is 1.`
}
