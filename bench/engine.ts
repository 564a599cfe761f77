/** Measures the cost of the engine: beside BullMQ, beside raw inserts, and as the tables grow. Each part checks that the work was really done. */

import { claimTable } from './parts/claiming.ts'
import { createAgainst } from './parts/creating.ts'
import { CONCURRENCY, JOBS_A_CALL, Latency, round, startRedis, Throughput } from './parts/queue.ts'
import { median, quantile, shown } from './parts/report.ts'
import { besideEachOther } from './parts/sharing.ts'

const JOBS = 50_000
const ROUNDS = 7
const LONE_JOBS = 1_000
const WARM_UP = 100

async function throughput(port: number): Promise<string> {
  const rates: { ours: number; theirs: number }[] = []
  // One after the other, so that both meet the same moments of the machine.
  for (let i = 0; i < ROUNDS; i++) {
    const ours = await round(Throughput, 'queue-millrace.ts', 'throughput', JOBS)
    const theirs = await round(Throughput, 'queue-bullmq.ts', 'throughput', JOBS, port)
    rates.push({ ours: (JOBS / ours.ms) * 1_000, theirs: (JOBS / theirs.ms) * 1_000 })
  }
  const ratios = rates.map(({ ours, theirs }) => ours / theirs)
  return `### Throughput

${JOBS.toLocaleString('en')} no-op jobs, added ${JOBS_A_CALL.toLocaleString('en')} a call, ${CONCURRENCY} at once; from the first add until the last is completed. Millrace syncs every commit to disk
(\`synchronous=FULL\`) and writes an event a job; jobs that are over within milliseconds it claims ahead of their places, and writes by the hundred, while no more than
${CONCURRENCY} run. BullMQ's Redis runs with \`appendonly yes\`, \`appendfsync everysec\`. ${ROUNDS} rounds of each in turn,
every round in a fresh process on an empty store; afterwards all jobs are counted as completed, and on our side all events.

| | jobs/s, median | best | worst |
|---|---|---|---|
| Millrace | ${row(rates.map(({ ours }) => ours))} |
| BullMQ | ${row(rates.map(({ theirs }) => theirs))} |

Ratio by the median round: **${median(ratios).toFixed(1)}** (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}).`
}

function row(rates: readonly number[]): string {
  return [median(rates), Math.max(...rates), Math.min(...rates)].map(shown).join(' | ')
}

async function latency(port: number): Promise<string> {
  const ours: Latency = { fromAsked: [], fromAccepted: [] }
  const theirs: Latency = { fromAsked: [], fromAccepted: [] }
  for (let i = 0; i < 3; i++) {
    for (const [all, one] of [
      [ours, await round(Latency, 'queue-millrace.ts', 'latency', WARM_UP + LONE_JOBS)],
      [theirs, await round(Latency, 'queue-bullmq.ts', 'latency', WARM_UP + LONE_JOBS, port)],
    ] as const) {
      all.fromAsked.push(...one.fromAsked.slice(WARM_UP))
      all.fromAccepted.push(...one.fromAccepted.slice(WARM_UP))
    }
  }
  const cells = (values: readonly number[]) =>
    [0.5, 0.99].map((share) => quantile(values, share).toFixed(2)).join(' | ')
  return `### One job alone

${shown(ours.fromAsked.length)} jobs one after the other, milliseconds until its completed event is heard (on our side a notice of the committed event, on BullMQ's a \`QueueEvents\`).

| | from asked, p50 | p99 | from accepted, p50 | p99 |
|---|---|---|---|---|
| Millrace | ${cells(ours.fromAsked)} | ${cells(ours.fromAccepted)} |
| BullMQ | ${cells(theirs.fromAsked)} | ${cells(theirs.fromAccepted)} |`
}

/** @returns the section of the report */
export async function run(): Promise<string> {
  await using redis = await startRedis()
  const parts = [
    await throughput(redis.port),
    await latency(redis.port),
    await createAgainst(),
    await claimTable(),
    await besideEachOther(),
  ]
  return `## The engine\n\n${parts.join('\n\n')}`
}
