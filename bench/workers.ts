/** Workers over HTTP: no-op jobs done by four processes of Python, beside BullMQ with four processes of Node, in the same run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { z } from 'zod'
import { startServer, type TestServer } from '../test/support/server.ts'
import { cpuOf } from './parts/contestants.ts'
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
const Listed = z.object({ batches: z.array(z.object({ status: z.string(), completedJobs: z.int() })) })
/** Looks at the batches, in milliseconds apart. A look lists batches, not jobs: BullMQ's side counts as well. */
const LOOK_MS = 20

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

/** A round, and the microseconds of CPU that the server's process used for a job. */
async function ours(): Promise<Throughput & { readonly cpuUs: number }> {
  await using server = await startServer()
  await send(server, 'PUT', '/api/operations/no-op', {})
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(server.url)))
  const items = Array.from({ length: JOBS_A_CALL }, (_, value) => ({ value }))
  const cpuBefore = cpuOf(server.pid)
  const beganAt = performance.now()
  const made = JOBS / JOBS_A_CALL
  for (let i = 0; i < made; i++) Made.parse(await send(server, 'POST', '/api/batch', { operation: 'no-op', items }))
  const addedMs = performance.now() - beganAt
  for (;;) {
    const { batches } = Listed.parse(await send(server, 'GET', `/api/batch?limit=${made}`))
    if (batches.every(({ status, completedJobs }) => status === 'completed' && completedJobs === JOBS_A_CALL)) break
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  const ms = performance.now() - beganAt
  const cpuUs = (cpuOf(server.pid) - cpuBefore) / JOBS
  for (const worker of workers) worker.kill('SIGKILL')
  return { ms, addedMs, cpuUs }
}

/** @returns the section of the report */
export async function run(): Promise<string> {
  await using redis = await startRedis()
  const rates: { ours: number; theirs: number; cpuUs: number }[] = []
  // One after the other, so that both meet the same moments of the machine.
  for (let i = 0; i < ROUNDS; i++) {
    const own = await ours()
    const theirs = await round(Throughput, 'workers-bullmq.ts', 'round', JOBS, redis.port, WORKERS, A_CLAIM)
    rates.push({ ours: (JOBS / own.ms) * 1_000, theirs: (JOBS / theirs.ms) * 1_000, cpuUs: own.cpuUs })
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

Ratio by the median round: **${median(ratios).toFixed(1)}** (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}); the aim is 1.
CPU of Millrace's server for a job: ${shown(median(rates.map(({ cpuUs }) => cpuUs)))} µs (median).`
}
