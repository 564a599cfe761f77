/** One round of Millrace, as a process of its own: `node queue-millrace.ts throughput <jobs>` or `latency <jobs>`. Prints JSON. */
import { sql } from 'drizzle-orm'
import { openEngine } from './engine.ts'
import { CONCURRENCY, JOBS_A_CALL, type Latency, type Throughput } from './queue.ts'

async function throughput(jobs: number): Promise<Throughput> {
  await using engine = await openEngine()
  await engine.work(CONCURRENCY)
  const ended = new Set<string>()
  const items = Array.from({ length: JOBS_A_CALL }, (_, value) => ({ value }))
  const beganAt = performance.now()
  const all = Promise.withResolvers<void>()
  for (let made = 0; made < jobs; made += JOBS_A_CALL) {
    const { batchId } = await engine.submit(items)
    // Events of a batch are `batch_started`, one for each job and `batch_completed`; a notice names the last event of a job.
    engine.notifier.subscribe(batchId, (notice) => {
      if ('seq' in notice && notice.seq > JOBS_A_CALL) ended.add(batchId)
      if (ended.size === jobs / JOBS_A_CALL) all.resolve()
    })
  }
  const addedMs = performance.now() - beganAt
  await all.promise
  const ms = performance.now() - beganAt
  const done = await engine.db.get<{ n: number; batches: number; events: number }>(sql`
    SELECT (SELECT count(*) FROM jobs WHERE status = 'completed') AS n, (SELECT count(*) FROM batches WHERE status = 'completed') AS batches,
      (SELECT count(*) FROM events) AS events`)
  if (done.n !== jobs || done.events !== jobs + 2 * done.batches || done.batches !== jobs / JOBS_A_CALL) {
    throw new Error(`Not all was done: ${JSON.stringify(done)}`)
  }
  return { ms, addedMs }
}

async function latency(jobs: number): Promise<Latency> {
  await using engine = await openEngine()
  await engine.work(CONCURRENCY)
  const samples: Latency = { fromAsked: [], fromAccepted: [] }
  for (let i = 0; i < jobs; i++) {
    const askedAt = performance.now()
    const { batchId } = await engine.submit([{ value: i }])
    const acceptedAt = performance.now()
    const done = await new Promise<number>((resolve) => {
      engine.notifier.subscribe(batchId, () => resolve(performance.now()))
    })
    samples.fromAsked.push(done - askedAt)
    samples.fromAccepted.push(done - acceptedAt)
  }
  const done = await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM events WHERE type = 'job_completed'`)
  if (done.n !== jobs) throw new Error(`${done.n} of ${jobs} jobs completed.`)
  return samples
}

const [what, jobs] = process.argv.slice(2)
console.log(JSON.stringify(await (what === 'latency' ? latency : throughput)(Number(jobs))))
