/**
 * What the Worker holds in memory while it does what is large, beside what it holds for what is small. Garbage is collected all the while, so
 * that only what is held counts.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ExportResult, TaskAccepted, TaskStatus } from '../../src/features/cards/schemas.ts'
import { seedCards } from '../features/cards/seed.ts'
import { buildWatchedWorker, openWatchedWorker, type WatchedWorker } from '../support/cloudflare/watched-worker.ts'
import { d1DatabaseFile, freshFolder } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'
import { scaled } from '../support/time-limits.ts'
import { until } from '../support/until.ts'

const MB = 1024 * 1024
const COLLECT_EVERY_MS = 300
const LONG_MS = scaled(180_000)

let folder = ''
let build = ''
let dataDir = ''
beforeAll(async () => {
  folder = await freshFolder()
  build = join(folder, 'worker')
  dataDir = join(folder, 'data')
  await buildWatchedWorker(build)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function withWorker<T>(work: (worker: WatchedWorker) => Promise<T>): Promise<T> {
  const worker = await openWatchedWorker(build, dataDir)
  try {
    return await work(worker)
  } finally {
    await worker.close()
  }
}

/** Exports all cards and reads the file. */
async function exportAll({ url }: WatchedWorker): Promise<{ lines: number; bytes: number }> {
  const asked = await fetch(`${url}/bulk/export`, {
    method: 'POST',
    body: JSON.stringify({ format: 'ndjson' }),
    headers: { 'Content-Type': 'application/json' },
  })
  const { task_id } = TaskAccepted.parse(await asked.json())
  const result = await until(async () => {
    const status = TaskStatus.parse(await (await fetch(`${url}/bulk/status/${task_id}`)).json())
    if (status.status === 'FAILURE') throw new Error(status.error)
    return status.status === 'SUCCESS' ? ExportResult.parse(status.result) : null
  }, LONG_MS)
  const file = await fetch(new URL(result.download_url, url))
  const hash = createHash('sha256')
  let bytes = 0
  let lines = 0
  for await (const chunk of file.body ?? []) {
    hash.update(chunk)
    bytes += chunk.byteLength
    for (const byte of chunk) if (byte === 10) lines++
  }
  expect(hash.digest('hex')).toBe(result.sha256)
  expect(lines).toBe(result.cards_exported)
  return { lines, bytes }
}

/** Readings of which the least counts: what is held is so each time, and what V8 has not collected yet not. */
const READINGS = 3

/** Measures again, while it is more than it may be. @returns the least */
async function leastOf(limit: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < READINGS && least >= limit; i++) least = Math.min(least, await measure())
  return least
}

describe('an export', () => {
  it('holds no more of many cards than of few', { timeout: LONG_MS }, async () => {
    // Makes its schema.
    await withWorker(async () => {})
    const file = d1DatabaseFile(dataDir)
    const card = (number: number) => ({
      title: `Card ${number}`,
      body: `${'What the card says. '.repeat(20)}${number}`,
      category: 'BUSINESS',
      privacy_level: 'BUSINESS',
      tags: ['test'],
      source_platform: 'web',
      source_url: `https://example.com/${number}`,
    })
    const exporting = (count: number) =>
      withWorker(async (worker) => {
        let found = { lines: 0, bytes: 0 }
        const { held } = await worker.memory.during(async () => {
          found = await exportAll(worker)
        }, COLLECT_EVERY_MS)
        expect(found.lines).toBe(count)
        expect(held).toBeGreaterThan(MB)
        return { held, bytes: found.bytes }
      })
    seedCards(file, 0, 1_000, card)
    const few = await exporting(1_000)
    seedCards(file, 1_000, 60_000, card)
    // Far from the size of the file.
    const limit = 24 * MB
    const more = await leastOf(limit, async () => {
      const many = await exporting(60_000)
      expect(many.bytes).toBeGreaterThan(40 * MB)
      return many.held - few.held
    })
    expect(more).toBeLessThan(limit)
  })
})

const Created = z.object({ batchId: z.string() })
const Batch = z.object({ batch: z.object({ status: z.string(), completedJobs: z.int() }) })

/** Most that is held while documents are sent, and then while they are read. */
async function extract({ url, memory }: WatchedWorker, sheets: readonly Uint8Array[]) {
  const form = new FormData()
  form.append('swimmer', SWIMMER)
  for (const sheet of sheets) form.append('pdfs', new Blob([new Uint8Array(sheet)]), 'meet.pdf')
  let batchId = ''
  const sending = await memory.during(async () => {
    const answer = await fetch(`${url}/api/batch/extract`, { method: 'POST', body: form })
    batchId = Created.parse(await answer.json()).batchId
  }, COLLECT_EVERY_MS)
  const reading = await memory.during(async () => {
    const { batch } = await until(async () => {
      const now = Batch.parse(await (await fetch(`${url}/api/batch/${batchId}`)).json())
      return /^(pending|processing)$/.test(now.batch.status) ? null : now
    }, LONG_MS)
    expect(batch).toEqual({ status: 'completed', completedJobs: sheets.length })
  }, COLLECT_EVERY_MS)
  return { sending: sending.held, reading: reading.held }
}

describe('a document of nearly 50 MB', () => {
  it('streams in among others, and is held once while it is read', { timeout: LONG_MS }, async () => {
    const sheet = (meet: string, pictureMb: number) =>
      heatSheet({ meet, pages: 4, pictureBytes: Math.floor(pictureMb * MB) })
    const large = await sheet('Millpond Open', 12.4)
    const size = large.byteLength
    expect(size).toBeGreaterThan(49 * MB)
    const three = [await sheet('Weir Relays', 0.1), large, await sheet('Sluice Cup', 4)]
    const small = [await sheet('Pond Sprint', 0.1)]
    const [few, many] = await withWorker(async (worker) => [await extract(worker, small), await extract(worker, three)])
    expect(many?.sending).toBeLessThan(Number(few?.sending) + size / 2)
    expect(many?.reading).toBeGreaterThan(size)
    expect(many?.reading).toBeLessThan(Number(few?.reading) + 1.25 * size)
  })
})

/** Loads chunks of nearly so many bytes each. @returns their references */
async function loadChunks({ url }: WatchedWorker, kind: string, count: number, rest: string): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `k_${kind}_${i}`)
  for (let at = 0; at < count; at += 5) {
    const chunks = ids.slice(at, at + 5).map((id) => `{"id":"${id}",${rest}}`)
    const loaded = await fetch(`${url}/api/chunks`, {
      method: 'POST',
      body: `{"chunks":[${chunks.join()}]}`,
      headers: { 'Content-Type': 'application/json' },
    })
    expect([loaded.status, await loaded.text()]).toEqual([201, expect.any(String)])
  }
  return ids
}

describe('a batch read', () => {
  const Read = z.object({ results: z.array(z.object({ status_code: z.int() })) })

  it.each([
    ['long texts', 30, `"text":"${'水'.repeat(330_000)}"`],
    ['many values', 30, `"text":"","more":[${Array(49_000).fill('{}').join()}]`],
  ])(
    'of more than a Worker has memory for, of %s, holds as much of it as there is room for',
    {
      timeout: LONG_MS,
    },
    async (kind, count, rest) => {
      await withWorker(async (worker) => {
        const ids = await loadChunks(worker, kind.replace(' ', '_'), count, rest)
        const read = async (some: readonly string[]) => {
          const answer = await fetch(`${worker.url}/api/v1/batch/get`, {
            method: 'POST',
            body: JSON.stringify({ resource_type: 'chunks', ids: some }),
            headers: { 'Content-Type': 'application/json' },
          })
          return Read.parse(await answer.json()).results.map(({ status_code }) => status_code)
        }
        // All of them held 98 MB and more. Garbage between two collections counts, so that the bound is that of an isolate with some room for requests beside it.
        const limit = 110 * MB
        const most = await leastOf(limit, async () => {
          let codes: number[] = []
          const all = await worker.memory.during(async () => {
            codes = await read(ids)
          }, COLLECT_EVERY_MS)
          const fit = codes.filter((code) => code === 200).length
          console.log(
            `batch read, ${kind}: ${fit} of ${count}, ${Math.round(all.most / MB)} MB at most, ${Math.round(all.held / MB)} held`,
          )
          expect(codes).toEqual([...Array(fit).fill(200), ...Array(count - fit).fill(503)])
          expect(fit).toBeGreaterThan(0)
          expect(fit).toBeLessThan(count / 2)
          return all.most
        })
        expect(most).toBeLessThan(limit)
      })
    },
  )
})
