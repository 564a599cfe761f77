/**
 * Asked to stop, a server ends long before what it waits for, whatever the database does, and the next one continues. It promises ten seconds;
 * what it is compared with takes three and six times as long, so that a slow machine fails nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Connection from 'libsql'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { freshFolder, startServer, type TestServer } from '../support/server.ts'

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

it('hands back in time what would run for longer, and does not leave it to its lease', async () => {
  await using server = await busyServer()
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
  // Not completed: its minute is not over.
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
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
    // The lock's half minute is not over.
    expect(holder.exitCode).toBe(null)
    expect(readJob()).toMatchObject({ status: 'running' })
    holder.kill('SIGKILL')
    await ended
  } finally {
    holder.kill('SIGKILL')
  }
  await using next = await startServer({ dataDir })
  while (!next.output.includes('took back jobs')) await new Promise((resolve) => setTimeout(resolve, 20))
})
