/** The two commands of the edge on this machine: `npm run dev:edge`, and `npm run keys:edge` beside it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { until } from '../engine/rig.ts'
import { freshFolder } from './harness.ts'

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts')
const LONG_MS = 120_000
const OWN_KEY = 'the-key-that-the-environment-names'

const Created = z.object({ batchId: z.string() })
const Batch = z.object({ batch: z.object({ status: z.string(), completedJobs: z.int() }) })
const Page = z.object({ batches: z.array(z.object({ id: z.string() })) })

let dataDir = ''
let env: NodeJS.ProcessEnv = {}
let server: ChildProcess | null = null
let url = ''
beforeAll(async () => {
  dataDir = await freshFolder()
  const { PATH, HOME } = process.env
  env = { PATH, HOME, DATA_DIR: dataDir, PORT: '0', MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: OWN_KEY }
}, LONG_MS)
afterAll(async () => {
  await stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Starts the Worker; `url` is where it listens. */
async function start(): Promise<void> {
  await stop()
  const child = spawn(process.execPath, [join(SCRIPTS, 'dev-edge.ts')], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  server = child
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  url = await until(() => {
    if (child.exitCode !== null) throw new Error(said)
    return Promise.resolve(/Millrace listens on (http:\S+)/.exec(said)?.[1] ?? null)
  }, LONG_MS)
}

async function stop(): Promise<void> {
  if (server === null || server.exitCode !== null) return
  const ended = once(server, 'close')
  server.kill('SIGTERM')
  await ended
}

/** Runs the command on keys to its end. */
const keys = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(SCRIPTS, 'keys-edge.ts'), ...args], { env })
const secretIn = (text: string) => /mr_\S+/.exec(text)?.[0] ?? ''

async function call(key: string, path: string, body?: unknown): Promise<Response> {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
  return fetch(
    new URL(path, url),
    body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) },
  )
}

describe('the edge on this machine', { timeout: LONG_MS }, () => {
  let batchId = ''

  it('starts from nothing and does work for who has the key of the environment', async () => {
    await start()
    expect((await fetch(`${url}/api/batch`)).status).toBe(401)
    const created = await call(OWN_KEY, '/api/batch', { operation: 'echo', items: [{ value: 1 }, { value: 2 }] })
    batchId = Created.parse(await created.json()).batchId
    const done = await until(async () => {
      const { batch } = Batch.parse(await (await call(OWN_KEY, `/api/batch/${batchId}`)).json())
      return batch.status === 'completed' ? batch : null
    }, LONG_MS)
    expect(done.completedJobs).toBe(2)
  })

  it('takes keys that are made, rotated and revoked while it runs', async () => {
    const { stdout } = await keys('create', "al'ice?", 'laptop; --', '--scopes', 'batch:read,batch:write')
    const secret = secretIn(stdout)
    const mine = await call(secret, '/api/batch', { operation: 'echo', items: [{ value: 1 }] })
    const { batchId: own } = Created.parse(await mine.json())
    // Its scopes, and rows of its own, are all that it opens.
    expect((await call(secret, '/bulk/tokens')).status).toBe(403)
    expect((await call(secret, `/api/batch/${batchId}`)).status).toBe(404)
    expect(Page.parse(await (await call(secret, '/api/batch')).json()).batches).toMatchObject([{ id: own }])

    const [id = ''] = (await keys('list')).stdout.split(' ')
    const next = secretIn((await keys('rotate', id)).stdout)
    expect((await call(secret, '/api/batch')).status).toBe(401)
    expect((await call(next, `/api/batch/${own}`)).status).toBe(200)
    const listed = (await keys('list')).stdout.trim().split('\n')
    expect(listed).toEqual([
      expect.stringMatching(/ {2}al'ice\? {2}in force {2}batch:read,batch:write .*laptop; --$/),
      expect.stringMatching(/ {2}al'ice\? {2}replaced /),
    ])
    await keys('revoke', listed[0]?.split(' ')[0] ?? '')
    expect((await call(next, '/api/batch')).status).toBe(401)
  })

  it('says how keys are made where it was called otherwise', async () => {
    const refused = expect.objectContaining({ stderr: expect.stringMatching(/npm run keys:edge -- create OWNER/) })
    await expect(keys('create')).rejects.toEqual(refused)
    await expect(keys('create', 'bo', '--scopes', 'all')).rejects.toEqual(refused)
  })

  it('keeps what it has from one start to the next', async () => {
    await start()
    expect((await call(OWN_KEY, `/api/batch/${batchId}`)).status).toBe(200)
  })
})
