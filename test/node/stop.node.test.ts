/** Told to stop, a server is gone within the ten seconds that are promised, whatever the database does, and the next one goes on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Connection from 'libsql'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { type Exit, freshFolder, startServer, type TestServer } from '../support/server.ts'

const PROMISED_MS = 10_000
const LOCK_HOLDER = join(import.meta.dirname, '..', 'crash', 'lock-holder.ts')

let dataDir: string
beforeEach(async () => {
  dataDir = await freshFolder()
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

/** What the file says of the only job. */
function readJob(): unknown {
  const db = new Connection(join(dataDir, 'millrace.db'))
  const row: unknown = db.prepare('SELECT status, attempt, losses FROM jobs').get()
  db.close()
  return row
}

/** A server that runs a job for a minute. */
async function busyServer(): Promise<TestServer> {
  const server = await startServer({ dataDir })
  const response = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items: [{ waitMs: 60_000 }] }),
  })
  BatchAccepted.parse(await response.json())
  while (!JSON.stringify(readJob()).includes('running')) await new Promise((resolve) => setTimeout(resolve, 20))
  return server
}

/** How it ends, and after how long. */
async function stopped(server: TestServer): Promise<Exit & { ms: number }> {
  const asked = performance.now()
  const exit = await server.end('SIGTERM')
  return { ...exit, ms: performance.now() - asked }
}

it('hands back in time what would run for longer, and does not leave it to its lease', async () => {
  await using server = await busyServer()
  const { ms, ...exit } = await stopped(server)
  expect(exit).toEqual({ code: 0, signal: null })
  expect(ms).toBeLessThan(PROMISED_MS)
  expect(readJob()).toMatchObject({ status: 'scheduled', attempt: 0, losses: 0 })
})

it('goes in time while another process holds the write lock, and the next takes back what it ran', async () => {
  await using server = await busyServer()
  const holder = spawn(process.execPath, [LOCK_HOLDER, join(dataDir, 'millrace.db'), '30000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const ended = once(holder, 'close')
    await once(holder.stdout, 'data')
    const { ms, ...exit } = await stopped(server)
    expect(exit).toEqual({ code: 0, signal: null })
    expect(ms).toBeLessThan(PROMISED_MS)
    expect(readJob()).toMatchObject({ status: 'running' })
    holder.kill('SIGKILL')
    await ended
  } finally {
    holder.kill('SIGKILL')
  }
  await using next = await startServer({ dataDir })
  while (!next.output.includes('took back jobs')) await new Promise((resolve) => setTimeout(resolve, 20))
})
