/** One round of BullMQ, as a process of its own: `node queue-bullmq.ts throughput|latency <jobs> <redis port>`. Prints JSON. */
import { Queue, QueueEvents, Worker } from 'bullmq'
import { CONCURRENCY, JOBS_A_CALL, type Latency, type Throughput } from './queue.ts'

const [what, count, port] = process.argv.slice(2)
const jobs = Number(count)
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
const name = `bench-${process.pid}`

async function open() {
  const queue = new Queue(name, { connection })
  const worker = new Worker(name, async () => null, { connection, concurrency: CONCURRENCY })
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  return { queue, worker }
}

async function checked<T>(queue: Queue, worker: Worker, result: T): Promise<T> {
  const completed = await queue.getCompletedCount()
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs completed.`)
  await worker.close()
  await queue.obliterate({ force: true })
  await queue.close()
  return result
}

async function throughput(): Promise<Throughput> {
  const { queue, worker } = await open()
  let done = 0
  const all = Promise.withResolvers<void>()
  worker.on('completed', () => {
    if (++done === jobs) all.resolve()
  })
  const group = Array.from({ length: JOBS_A_CALL }, (_, value) => ({ name: 'no-op', data: { value } }))
  const beganAt = performance.now()
  for (let made = 0; made < jobs; made += JOBS_A_CALL) await queue.addBulk(group)
  const addedMs = performance.now() - beganAt
  await all.promise
  return checked(queue, worker, { ms: performance.now() - beganAt, addedMs })
}

async function latency(): Promise<Latency> {
  const { queue, worker } = await open()
  const events = new QueueEvents(name, { connection })
  await events.waitUntilReady()
  const doneAt = new Map<string, number>()
  let heard = () => {}
  events.on('completed', ({ jobId }) => {
    doneAt.set(jobId, performance.now())
    heard()
  })
  const samples: Latency = { fromAsked: [], fromAccepted: [] }
  for (let i = 0; i < jobs; i++) {
    const askedAt = performance.now()
    const { id = '' } = await queue.add('no-op', { value: i })
    const acceptedAt = performance.now()
    while (!doneAt.has(id)) {
      await new Promise<void>((resolve) => {
        heard = resolve
      })
    }
    const done = doneAt.get(id) ?? Number.NaN
    samples.fromAsked.push(done - askedAt)
    samples.fromAccepted.push(done - acceptedAt)
  }
  await events.close()
  return checked(queue, worker, samples)
}

console.log(JSON.stringify(await (what === 'latency' ? latency : throughput)()))
process.exit(0)
