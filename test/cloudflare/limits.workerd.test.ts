/** What the platform gives one invocation is enough by construction: memory for large uploads, queries for the work of a claim. */

import { env } from 'cloudflare:workers'
import type { R2Bucket, R2MultipartUpload } from '@cloudflare/workers-types'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { createR2BlobStore } from '../../src/drivers/blob-r2.ts'
import { openD1 } from '../../src/drivers/db-d1.ts'
import { claim } from '../../src/engine/transitions/claim.ts'
import { completeJobs, type Outcome } from '../../src/engine/transitions/complete-jobs.ts'
import { sweepRetention } from '../../src/engine/transitions/retention.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readMultipart } from '../../src/http/request/multipart.ts'
import { openEngine, until } from '../support/fixture.ts'
import { scaled } from '../support/time-limits.ts'
import { openPlatform } from '../support/workerd/platform.ts'

const MB = 1024 * 1024
const CHUNK = 64 * 1024

/** The bucket, and how many bytes R2 has taken so far. */
function counting(bucket: R2Bucket) {
  let taken = 0
  const uploadOf = (upload: R2MultipartUpload): R2MultipartUpload => ({
    key: upload.key,
    uploadId: upload.uploadId,
    abort: () => upload.abort(),
    complete: (parts) => upload.complete(parts),
    async uploadPart(number, value) {
      const part = await upload.uploadPart(number, value)
      if (value instanceof Uint8Array) taken += value.byteLength
      return part
    },
  })
  const counted: R2Bucket = new Proxy(bucket, {
    get: (target, name) =>
      name === 'createMultipartUpload'
        ? async (key: string) => uploadOf(await target.createMultipartUpload(key))
        : Reflect.get(target, name).bind(target),
  })
  return { bucket: counted, taken: () => taken }
}

/** A form of one file of so many bytes, made as it is read; `onChunk` hears of how many were. */
function formOf(bytes: number, onChunk: (sent: number) => void): Request {
  const head = new TextEncoder().encode(
    '--XX\r\nContent-Disposition: form-data; name="pdfs"; filename="large.pdf"\r\nContent-Type: application/pdf\r\n\r\n',
  )
  const tail = new TextEncoder().encode('\r\n--XX--\r\n')
  let sent = -1
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent === -1) {
          controller.enqueue(head)
          sent = 0
        } else if (sent < bytes) {
          const chunk = new Uint8Array(Math.min(CHUNK, bytes - sent)).fill(sent / CHUNK)
          sent += chunk.byteLength
          onChunk(sent)
          controller.enqueue(chunk)
        } else {
          controller.enqueue(tail)
          controller.close()
        }
      },
    },
    { highWaterMark: 0 },
  )
  return new Request('http://localhost/', {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=XX' },
    body,
  })
}

describe('memory', () => {
  it('of an upload of 50 MB is one part of it, however slow R2 is', { timeout: scaled(120_000) }, async () => {
    await openPlatform()
    const { bucket, taken } = counting(env.BLOBS)
    let ahead = 0
    const request = formOf(50 * MB, (sent) => {
      ahead = Math.max(ahead, sent - taken())
    })
    const store = createR2BlobStore(bucket)
    const limits = { maxFieldBytes: 1_024, maxFileBytes: 50 * MB, maxParts: 2 }
    let info: unknown
    await readMultipart(request, limits, {
      onField: () => {},
      onFile: async ({ body }) => {
        info = await store.put('uploads/large', body)
      },
    })
    expect(info).toMatchObject({ size: 50 * MB })
    expect(ahead).toBeLessThan(5 * MB + 8 * CHUNK)
    const part = await store.get('uploads/large', { offset: 20 * MB, length: 3 })
    expect([...new Uint8Array(await new Response(part).arrayBuffer())]).toEqual([64, 64, 64])
  })
})

describe('queries', () => {
  it('of a create of 10,000 jobs, of claiming and of finishing 200 together are a few a commit', async () => {
    const engine = await openEngine()
    const asked = async (work: (deps: typeof engine) => Promise<unknown>) => {
      const { db, meter } = openD1(env.DB)
      await work({ ...engine, db })
      return meter.used
    }
    const create = (count: number) =>
      asked((deps) =>
        submit(deps, {
          owner: 'me',
          operation: echo,
          request: { items: Array.from({ length: count }, (_, value) => ({ value })) },
        }),
      )
    const [few, many] = [await create(10), await create(10_000)]
    expect(few).toBeLessThan(10)
    // A few more for each commit of 2,000 jobs.
    expect(many).toBeLessThan(few + 4 * (10_000 / 2_000))
    for (const limit of [1, 200]) {
      const jobs = await claim(engine, { lease: `l${limit}`, limit, leaseMs: 60_000 })
      expect(jobs).toHaveLength(limit)
      const outcomes = jobs.map(
        (job): Outcome => ({ ...job, kind: 'completed', run: { result: 1, summary: {}, tallies: { amount: 1 } } }),
      )
      const queries = await asked(async (deps) => {
        expect((await completeJobs(deps, outcomes)).written).toHaveLength(limit)
      })
      expect(queries).toBeLessThan(25)
    }
    expect(await engine.db.all(sql`SELECT sum(completed) AS n FROM batches`)).toEqual([{ n: 201 }])
    await engine.close()
  })
})

describe('the queries of one invocation', () => {
  it('are enough to delete many small batches that are no longer kept', async () => {
    const engine = await openEngine()
    for (let made = 0; made < 60; made++) await engine.submit([{}])
    await engine.work()
    const left = async () => (await engine.db.all<{ n: number }>(sql`SELECT count(*) AS n FROM batches`))[0]?.n
    const running = sql`SELECT 1 AS one FROM batches WHERE finished_at IS NULL LIMIT 1`
    await until(async () => ((await engine.db.all(running)).length === 0 ? true : null))
    engine.clock.advance(1_000)
    const { db, meter } = openD1(env.DB, { statements: 50 })
    expect(await sweepRetention({ ...engine, db }, 10, () => meter.left > 30)).toBe(60)
    expect(meter.left).toBeGreaterThan(20)
    expect(await left()).toBe(0)
    await engine.close()
  })
})
