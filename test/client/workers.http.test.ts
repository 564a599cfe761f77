/** The client of workers over HTTP, and the worker that it runs. */
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import {
  ApiError,
  type Client,
  createClient,
  operationsClient,
  type RunningWorker,
  runWorker,
  type WorkerJob,
  workersClient,
} from '../../src/client/index.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: Client
beforeAll(async () => {
  server = await startServer()
  client = createClient({ baseUrl: server.url })
})
afterAll(() => server[Symbol.asyncDispose]())

const workers: RunningWorker[] = []
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop(0)))
})
const RESIZE = {
  item: { type: 'object', properties: { width: { type: 'integer' } }, required: ['width'] },
  result: { type: 'object', properties: { bytes: { type: 'integer' } }, required: ['bytes'] },
  backoff: { firstSeconds: 0 },
}
const widthOf = (job: WorkerJob) => Number(Object(job.item).width)

describe('declared operations', () => {
  it('are declared, read, listed and taken back', async () => {
    const operations = operationsClient(client)
    expect(await operations.declare('temporary', { maxAttempts: 2 })).toMatchObject({
      name: 'temporary',
      working: false,
    })
    expect((await operations.read('temporary')).definition).toEqual({ maxAttempts: 2 })
    expect((await operations.list()).map(({ name }) => name)).toContain('temporary')
    expect(JSON.stringify(await operations.openApi())).toContain('CreateBatch.temporary')
    await operations.delete('temporary')
    await expect(operations.read('temporary')).rejects.toMatchObject({ code: 'NOT_FOUND', surface: 'workers' })
    await expect(operations.declare('wrong', { maxAttempts: 0 })).rejects.toMatchObject({ field: 'maxAttempts' })
  })
})

describe('the calls of a worker', () => {
  it('claim, renew and hand in, and tell a lost lease from a wrong result', async () => {
    await operationsClient(client).declare('calls', RESIZE)
    const { batchId } = await client.create({ operation: 'calls', items: [{ width: 1 }, { width: 2 }] })
    const calls = workersClient(client)
    const [one, two] = await calls.claim({ operations: ['calls'], max: 2, wait: 10 })
    if (one === undefined || two === undefined) throw new Error('too few jobs')
    const lost = { id: two.id, lease: 'another' }
    const beat = await calls.heartbeat({ jobs: [{ id: one.id, lease: one.lease, progress: { percent: 50 } }, lost] })
    expect(beat).toMatchObject({ held: [one.id], cancelled: [], lost: [two.id] })
    expect(await calls.complete([{ ...lost, result: { bytes: 1 } }])).toMatchObject([{ id: two.id, status: 409 }])
    const held = ({ id, lease }: typeof one) => ({ id, lease })
    expect(await calls.complete([{ ...held(one), result: { bytes: 'x' } }])).toMatchObject([
      { status: 422, field: 'jobs.0.result.bytes' },
    ])
    const done = await calls.complete([one, two].map((job) => ({ ...held(job), result: { bytes: job.index } })))
    expect(done.map(({ status }) => status)).toEqual([200, 200])
    expect((await client.wait(batchId)).batch.status).toBe('completed')
    await expect(calls.claim({ operations: [] })).rejects.toBeInstanceOf(ApiError)
  })
})

describe('a worker that the client runs', () => {
  it('runs jobs at once, retries those that fail, and sums up what they emit', async () => {
    await operationsClient(client).declare('run', { ...RESIZE, maxAttempts: 3 })
    const attempts: number[] = []
    workers.push(
      runWorker(
        client,
        {
          run: async (job) => {
            expectTypeOf(job).toEqualTypeOf<WorkerJob>()
            if (widthOf(job) === 1) attempts.push(job.attempt)
            if (widthOf(job) === 1 && job.attempt < 3) throw new Error('not yet')
            if (widthOf(job) === 2) throw Object.assign(new Error('never'), { retryable: false })
            if (widthOf(job) === 3) return { bytes: 'many' }
            job.emit(10, 'bytes')
            return { bytes: widthOf(job) }
          },
        },
        { concurrency: 4 },
      ),
    )
    const items = Array.from({ length: 40 }, (_, n) => ({ width: n + 1 }))
    const { batchId } = await client.create({ operation: 'run', items })
    const { batch } = await client.wait(batchId)
    expect(batch).toMatchObject({ status: 'partial', completedJobs: 38, failedJobs: 2 })
    expect(attempts).toEqual([1, 2, 3])
    const failed = await client.items(batchId, { set: 'failed' })
    expect(failed.items.map(({ index, errorMessage }) => [index, errorMessage])).toEqual([
      [1, 'never'],
      [2, expect.stringMatching(/^jobs\.\d+\.result\.bytes/)],
    ])
  })

  it('continues a job in a fresh run from its state, and releases what it holds when it stops', async () => {
    await operationsClient(client).declare('long', {})
    const states: unknown[] = []
    const first = runWorker(client, {
      long: (job) => {
        states.push(job.state)
        return job.state === null ? job.continueLater({ page: 2 }) : { attempt: job.attempt }
      },
    })
    workers.push(first)
    const { batchId } = await client.create({ operation: 'long', items: [{}] })
    await client.wait(batchId)
    expect(states).toEqual([null, { page: 2 }])
    await first.stop()
    let aborted = false
    let begun = () => {}
    const running = new Promise<void>((resolve) => {
      begun = resolve
    })
    const second = runWorker(client, {
      long: ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted = true
            resolve(null)
          })
          begun()
        }),
    })
    const later = await client.create({ operation: 'long', items: [{}] })
    await running
    await second.stop(0)
    expect(aborted).toBe(true)
    workers.push(runWorker(client, { long: ({ attempt }) => ({ attempt }) }))
    await client.wait(later.batchId)
    const { items } = await client.items(later.batchId, { set: 'succeeded' })
    expect(items.map(({ result }) => result)).toEqual([{ attempt: 1 }])
  })

  it('stops a job whose batch was cancelled, and hands nothing of it in', async () => {
    await operationsClient(client).declare('cancelled', {})
    let begun = () => {}
    const running = new Promise<void>((resolve) => {
      begun = resolve
    })
    let reason = ''
    workers.push(
      runWorker(
        client,
        {
          cancelled: ({ signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => {
                reason = String(signal.reason)
                resolve(null)
              })
              begun()
            }),
        },
        { leaseSeconds: 5 },
      ),
    )
    const { batchId } = await client.create({ operation: 'cancelled', items: [{}] })
    await running
    await client.cancel(batchId)
    expect((await client.wait(batchId)).batch).toMatchObject({ status: 'cancelled', cancelledJobs: 1 })
    expect(reason).toContain('CANCELLED')
  })
})
