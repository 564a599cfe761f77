/** A round of BullMQ with workers in processes of their own: `node workers-bullmq.ts round <jobs> <redis port> <workers> <at once>`. Prints JSON. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Queue, Worker } from 'bullmq'
import { JOBS_A_CALL, type Throughput } from './queue.ts'

const [what, ...args] = process.argv.slice(2)

/** A worker, which says when it is ready. */
async function work(name: string, port: string, atOnce: string): Promise<void> {
  const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
  const worker = new Worker(name, async () => null, { connection, concurrency: Number(atOnce) })
  await worker.waitUntilReady()
  process.send?.('ready')
}

async function round(jobs: number, port: string, workers: number, atOnce: string): Promise<Throughput> {
  const name = `bench-${process.pid}`
  const queue = new Queue(name, { connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null } })
  await queue.waitUntilReady()
  const children: ChildProcess[] = []
  for (let i = 0; i < workers; i++) {
    const child = fork(import.meta.filename, ['work', name, port, atOnce])
    await once(child, 'message')
    children.push(child)
  }
  const group = Array.from({ length: JOBS_A_CALL }, (_, value) => ({ name: 'no-op', data: { value } }))
  const beganAt = performance.now()
  for (let made = 0; made < jobs; made += JOBS_A_CALL) await queue.addBulk(group)
  const addedMs = performance.now() - beganAt
  while ((await queue.getCompletedCount()) < jobs) await new Promise((resolve) => setTimeout(resolve, 10))
  const ms = performance.now() - beganAt
  for (const child of children) child.kill('SIGKILL')
  await queue.obliterate({ force: true })
  await queue.close()
  return { ms, addedMs }
}

if (what === 'work') await work(args[0] ?? '', args[1] ?? '', args[2] ?? '')
else {
  console.log(JSON.stringify(await round(Number(args[0]), args[1] ?? '', Number(args[2]), args[3] ?? '')))
  process.exit(0)
}
