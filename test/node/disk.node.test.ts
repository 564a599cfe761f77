/** A server whose disk fills up and is freed again: a real file system of a few megabytes. */
import { execFile } from 'node:child_process'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { freshFolder, runEntry, startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const SIZE_MB = 24
const FIRST_JOBS = 200
const JSON_TYPE = { 'Content-Type': 'application/json' }
const Totals = z.object({
  batch: z.looseObject({ status: z.string(), totalJobs: z.int(), completedJobs: z.int(), failedJobs: z.int() }),
})

/** A folder with a file system of its own; null where this user may not mount one. */
async function smallDisk(): Promise<string | null> {
  const folder = await freshFolder()
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=0700`, 'tmpfs', folder])
    return folder
  } catch {
    console.warn('This user may not mount a file system: the tests of a full disk are left out.')
    await rm(folder, { recursive: true })
    return null
  }
}

const disk = await smallDisk()
afterAll(async () => {
  if (disk === null) return
  await run('umount', ['-l', disk])
  await rm(disk, { recursive: true, force: true })
})

/** Takes every byte that is left, also what a server that works gives back meanwhile. */
async function fill(folder: string): Promise<void> {
  const file = await open(join(folder, 'ballast'), 'a')
  do {
    for (const bytes of [65_536, 4_096, 1]) {
      const block = new Uint8Array(bytes)
      for (;;) {
        const written = await file.write(block).catch(() => null)
        if (written === null || written.bytesWritten < bytes) break
      }
    }
  } while ((await statfs(folder)).bavail > 0)
  await file.close()
}

const free = (folder: string) => rm(join(folder, 'ballast'))

const create = (server: TestServer, items: readonly object[]) =>
  server.fetch('/api/batch', { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ operation: 'echo', items }) })

describe.skipIf(disk === null)('a disk that is full for a while', () => {
  const folder = disk ?? ''
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ dataDir: folder, env: { CONCURRENCY: '8', LOW_DISK_MB: '1000' } })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('loses nothing and fails nothing, whatever was under way', async () => {
    // So many that some of them run at the moment when the disk is full, however slow the machine is to fill it.
    const first = await create(
      server,
      Array.from({ length: FIRST_JOBS }, () => ({ waitMs: 200 })),
    )
    const accepted = [BatchAccepted.parse(await first.json()).batchId]
    const statuses = new Map<number, number>()
    let stop = false
    // Creates keep coming from four clients before, while and after the disk is full.
    const clients = Array.from({ length: 4 }, async () => {
      while (!stop) {
        const value = 'x'.repeat(2_000)
        const response = await create(
          server,
          Array.from({ length: 10 }, () => ({ value, waitMs: 200 })),
        )
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
        const body: unknown = await response.json()
        if (response.status === 202) accepted.push(BatchAccepted.parse(body).batchId)
        else {
          expect([507, 503]).toContain(response.status)
          expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0)
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    })
    await until(async () => (accepted.length > 8 ? true : null))
    const began = performance.now()
    await fill(folder)
    await until(async () => ((statuses.get(507) ?? 0) > 20 ? true : null))
    const ready = await server.fetch('/readyz')
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('has no space left')])
    expect((await server.fetch('/healthz')).status).toBe(200)
    // Work that ended waits, more often tried than a refusal is, and for longer than a lease lasts.
    await until(async () => {
      const text = await (await server.fetch('/metrics')).text()
      const waits = Number(/^millrace_unwritten_outcomes (\d+)/m.exec(text)?.[1])
      const faults = Number(/^millrace_storage_faults_total\{fault="full"\} (\d+)/m.exec(text)?.[1])
      return waits > 0 && faults > 20 && performance.now() - began > 17_000 ? true : null
    }, 60_000)
    const fullFor = performance.now() - began
    await free(folder)
    const freed = performance.now()
    const before = accepted.length
    await until(async () => (accepted.length > before ? true : null))
    stop = true
    await Promise.all(clients)
    let jobs = 0
    for (const [place, id] of accepted.entries()) {
      const all = place === 0 ? FIRST_JOBS : 10
      const { batch } = await until(async () => {
        const read = Totals.parse(await (await server.fetch(`/api/batch/${id}`)).json())
        return ['pending', 'processing'].includes(read.batch.status) ? null : read
      })
      expect(batch).toMatchObject({ status: 'completed', completedJobs: all, failedJobs: 0 })
      jobs += batch.completedJobs
    }
    expect((await server.fetch('/readyz')).status).toBe(200)
    console.info(
      `full for ${Math.round(fullFor)} ms: ${accepted.length} batches accepted, ${jobs} jobs done, 0 lost, 0 failed; all done ` +
        `${Math.round(performance.now() - freed)} ms after it was freed; answers ${JSON.stringify([...statuses])}`,
    )
    expect(jobs).toBe(FIRST_JOBS + (accepted.length - 1) * 10)
    expect(server.output).toContain('finished jobs wait for the storage')
    expect(server.output).toContain('the storage works again')
    const db = createClient({ url: pathToFileURL(server.databaseFile).href })
    const { rows } = await db.execute('SELECT sum(losses) AS losses, count(*) AS jobs FROM jobs')
    db.close()
    expect({ ...rows[0] }).toEqual({ losses: 0, jobs })
  }, 180_000)

  it('refuses an upload with 507, and keeps nothing of it', async () => {
    const before = (await server.blobs()).length
    await fill(folder)
    const form = new FormData()
    form.set('swimmer', 'Ada Lovelace')
    form.append('pdfs', new Blob([`%PDF-1.7\n${'x'.repeat(500_000)}`]), 'sheet.pdf')
    const response = await server.fetch('/api/batch/extract', { method: 'POST', body: form })
    expect([response.status, await response.json()]).toEqual([
      507,
      expect.objectContaining({ success: false, error: 'INSUFFICIENT_STORAGE' }),
    ])
    await free(folder)
    expect((await server.blobs()).length).toBe(before)
  })

  it('was warned of before it was full, and shows in the metrics', async () => {
    expect(server.output).toContain('disk space is low')
    const text = await (await server.fetch('/metrics')).text()
    expect(text).toMatch(new RegExp(`^millrace_disk_total_bytes ${SIZE_MB * 1024 * 1024}$`, 'm'))
    expect(text).toMatch(/^millrace_disk_free_bytes [1-9]/m)
  })

  it('stops in order while it is full, and a start on it says so in a sentence', async () => {
    await create(server, [{ waitMs: 1_000 }])
    await fill(folder)
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
    await fill(folder)
    const fresh = join(folder, 'fresh')
    const { code, output } = await runEntry([], { DATA_DIR: fresh, PORT: '0' })
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/(^|\n)The disk of DATA_DIR=\S+fresh is full\. Free some space, then start again\.\n$/),
    ])
    await free(folder)
    server = await startServer({ dataDir: folder })
    await until(async () => {
      const { batches } = z
        .object({ batches: z.array(z.looseObject({ status: z.string() })) })
        .parse(await (await server.fetch('/api/batch')).json())
      return batches.every(({ status }) => status === 'completed') ? true : null
    })
  }, 60_000)
})
