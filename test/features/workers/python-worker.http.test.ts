/** The Python client: workers and batches, by the python3 of the system. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Follower } from '../../support/follow.ts'
import { find } from '../../support/programs.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { scaled } from '../../support/time-limits.ts'
import { HttpWorker } from './http-worker.ts'
import { PythonWorker, scriptPath } from './python-worker.ts'

const python = find('python3')
let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startServer()
  folder = await mkdtemp(join(tmpdir(), 'millrace-python-'))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})
const started: PythonWorker[] = []
afterEach(() => Promise.all(started.splice(0).map((worker) => worker.end('SIGKILL'))))
const start = async (options: object) => {
  const worker = new PythonWorker(python ?? '', server.url, options)
  started.push(worker)
  await worker.says('started')
  await expect
    .poll(() => local.read('/api/operations/py.work'), { timeout: scaled(20_000) })
    .toMatchObject({ success: true })
  return worker
}
const local = new HttpWorker(() => server)

const Item = z.looseObject({ set: z.string(), result: z.unknown().optional(), errorMessage: z.string().nullish() })
const Seen = z.object({
  same: z.boolean(),
  events: z.array(z.string()),
  status: z.looseObject({ status: z.string() }),
  items: z.array(Item),
  failed: z.int(),
  working: z.boolean(),
  refused: z.unknown(),
})

describe.skipIf(python === null)('A worker in Python', () => {
  it('runs what it is decorated for, and a client in Python makes and follows its batch', async () => {
    const worker = await start({ concurrency: 4 })
    const { stdout } = await promisify(execFile)(python ?? '', ['-B', scriptPath('client.py'), server.url])
    const seen = Seen.parse(JSON.parse(stdout))
    expect(seen).toMatchObject({ same: true, failed: 4, working: true, refused: { status: 400, field: 'items.0.do' } })
    expect(seen.status.status).toBe('partial')
    expect([seen.events.length, seen.events[0], seen.events.at(-1)]).toEqual([9, 'batch_started', 'batch_completed'])
    expect(seen.items.map(({ set, result, errorMessage }) => (set === 'failed' ? errorMessage : result))).toEqual([
      { attempt: 1, do: 'work' },
      'It is no good.',
      { attempt: 2, do: 'once' },
      { pages: 3, attempt: 1 },
      'Busy.',
      "The worker's result is not as declared: result: Expected object, not number.",
      expect.stringContaining('no JSON'),
    ])
    expect(await worker.end('SIGTERM')).toBe(0)
    expect(worker.output).toContain('stopped')
  })

  it('tells progress by its heartbeats, learns of a cancel, and hands back what it can not end when it is stopped', async () => {
    const worker = await start({ concurrency: 2, lease: 5, grace: 0.2 })
    const until = join(folder, 'go-on')
    const { streamUrl } = await local.create('py.work', [{ do: 'progress', until }])
    const follower = new Follower(`${server.url}${streamUrl}`)
    const told = await follower.until(({ event, data }) => event === 'job_progress' && data.progressPercent === 25)
    expect(told.data).toMatchObject({ progressMessage: 'A quarter' })
    await writeFile(until, '')
    expect((await follower.until(({ event }) => event === 'batch_completed')).data).toMatchObject({
      status: 'completed',
      tallies: { runs: 1 },
    })
    follower.close()
    const hanging = await local.create('py.work', [{ do: 'hang' }])
    await worker.says('hanging')
    await local.send('POST', `/api/batch/${hanging.batchId}/cancel`)
    const State = z.object({ batch: z.looseObject({ status: z.string() }) })
    const statusOf = async (id: string) => State.parse(await local.read(`/api/batch/${id}`)).batch.status
    await expect.poll(() => statusOf(hanging.batchId), { timeout: 20_000 }).toBe('cancelled')
    const left = await local.create('py.work', [{ do: 'hang' }])
    await worker.says('hanging\nhanging')
    expect(await worker.end('SIGTERM')).toBe(0)
    const [job] = await local.claim('py.work', { wait: 10 })
    expect(job).toMatchObject({ batchId: left.batchId, attempt: 1 })
  })
})
