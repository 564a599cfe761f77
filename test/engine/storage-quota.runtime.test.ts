/** What is kept for an owner is counted by the commits that keep it, and bounded: on either runtime. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageQuota } from '../../src/engine/storage-quota.ts'
import { appendJobs } from '../../src/engine/transitions/open-batches.ts'
import { sweepRetention } from '../../src/engine/transitions/retention.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { portsOfOwner } from '../../src/engine/worker/owner-ports.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { openEngine } from '../support/fixture.ts'

const QUOTA = 100_000
let engine: Awaited<ReturnType<typeof openEngine>>
let quota: StorageQuota

beforeEach(async () => {
  engine = await openEngine()
  quota = new StorageQuota(engine.db, QUOTA)
})
afterEach(() => engine.close())

const bytes = (length: number) => new Uint8Array(length)
const streamed = (...lengths: number[]) =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      const length = lengths.shift()
      if (length === undefined) controller.close()
      else controller.enqueue(bytes(length))
    },
  })
const keys = async () => {
  const found: string[] = []
  for await (const { key } of engine.blobs.list('')) found.push(key)
  return found
}
const upload = (size: number) => ({ key: crypto.randomUUID(), filename: 'a', size, md5: '', sha256: '' })
const create = (options: { owner?: string; size?: number; items?: readonly unknown[]; key?: string; open?: boolean }) =>
  submit(
    { ...engine, quota },
    {
      owner: options.owner ?? 'me',
      operation: echo,
      request: { items: options.items ?? [{ value: 1 }] },
      uploads: options.size === undefined ? [] : [upload(options.size)],
      ...(options.key === undefined ? {} : { idempotency: { key: options.key, content: options.size } }),
      ...(options.open === true ? { options: { openUntil: engine.clock.now() + 60_000 } } : {}),
    },
  )
const exceeded = { code: 'QUOTA_EXCEEDED', status: 413, message: expect.stringContaining('MAX_BYTES_PER_OWNER') }
const sweep = async () => {
  engine.clock.advance(1)
  await sweepRetention(engine, 1e12)
}

describe('a commit', () => {
  it('that would keep more than the quota fails whole, and says what is used', async () => {
    await create({ size: 60_000 })
    const used = await quota.readUsed('me')
    expect(used).toBeGreaterThan(60_000)
    expect(used).toBeLessThan(60_500)
    await expect(create({ size: 50_000 })).rejects.toMatchObject({
      ...exceeded,
      details: { limitBytes: QUOTA, usedBytes: used },
    })
    expect(await quota.readUsed('me')).toBe(used)
    await create({ size: 30_000 })
    await create({ owner: 'you', size: 60_000 })
  })

  it('beside others never passes it together with them', async () => {
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => create({ size: 30_000 })))
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(await quota.readUsed('me')).toBeLessThanOrEqual(QUOTA)
  })

  it('that was made before is answered, however full the quota is', async () => {
    const first = await create({ size: 90_000, key: 'k' })
    expect(await create({ size: 90_000, key: 'k' })).toEqual({ ...first, created: false })
  })

  it('counts what jobs are given, also in stages and in slices', async () => {
    const item = { value: 'x'.repeat(1_000) }
    await expect(create({ items: Array.from({ length: 120 }, () => item) })).rejects.toMatchObject(exceeded)
    await expect(create({ items: Array.from({ length: 4_500 }, () => ({ value: 1 })) })).rejects.toMatchObject(exceeded)
    await sweep()
    expect(await quota.readUsed('me')).toBe(0)
    const { batchId } = await create({ items: [], open: true })
    const batch = { id: batchId, owner: 'me' }
    const jobs = Array.from({ length: 60 }, () => ({ input: item }))
    expect(await appendJobs({ ...engine, quota }, batch, 1, jobs)).toBe(60)
    const used = await quota.readUsed('me')
    expect(used).toBeGreaterThan(60_000)
    expect(await appendJobs({ ...engine, quota }, batch, 1, jobs)).toBe(0)
    expect(await quota.readUsed('me')).toBe(used)
    await expect(appendJobs({ ...engine, quota }, batch, 61, jobs)).rejects.toMatchObject(exceeded)
    expect(await quota.readUsed('me')).toBe(used)
  })

  it('that deletes gives the space back', async () => {
    const { batchId } = await create({ size: 90_000, items: [{ value: 'x'.repeat(1_000) }] })
    await expect(create({ size: 20_000 })).rejects.toMatchObject(exceeded)
    // What is left of a delete until the next sweep.
    await engine.db.run(sql`UPDATE batches SET deleted_at = 1 WHERE id = ${batchId}`)
    await sweep()
    expect(await quota.readUsed('me')).toBe(0)
    expect(await engine.db.all(sql`SELECT * FROM stored_bytes`)).toEqual([])
    await create({ size: 90_000 })
  })

  it('is bounded by nothing where there is no quota, and is counted all the same', async () => {
    quota = new StorageQuota(engine.db, 0)
    await create({ size: 10 * QUOTA })
    expect(await quota.readUsed('me')).toBeGreaterThan(10 * QUOTA)
  })
})

describe('what streams into the blob store', () => {
  it('is refused when it is too much, and leaves nothing', async () => {
    await create({ size: 60_000 })
    const pending = await quota.open('me')
    const blobs = pending.count(engine.blobs)
    await blobs.put('uploads/a', streamed(10_000, 10_000))
    await expect(blobs.put('uploads/b', streamed(10_000, 10_000))).rejects.toMatchObject(exceeded)
    expect(await keys()).toEqual(['uploads/a'])
  })

  it('shares what is left with what streams in beside it', async () => {
    const one = await quota.open('me')
    const other = await quota.open('me')
    await one.count(engine.blobs).put('uploads/a', bytes(60_000))
    await expect(other.count(engine.blobs).put('uploads/b', streamed(60_000))).rejects.toMatchObject(exceeded)
    other.release()
    one.release()
    await (await quota.open('me')).count(engine.blobs).put('uploads/c', streamed(60_000, 30_000))
  })

  it('is refused by its length, before it is read', async () => {
    const pending = await quota.open('me')
    expect(() => pending.checkLength('100001')).toThrow(/100,?000|0\.1 MB/)
    pending.checkLength('99999')
    pending.checkLength(undefined)
  })

  it('begins not at all when nothing is left, unless it may have been accepted before', async () => {
    await create({ size: 99_900, items: [], open: true })
    await create({ owner: 'me', items: [], open: true, size: 100 })
    await expect(quota.open('me')).rejects.toMatchObject(exceeded)
    const pending = await quota.open('me', { replay: true })
    await pending.count(engine.blobs).put('uploads/a', bytes(90_000))
    await expect(pending.count(engine.blobs).put('uploads/b', bytes(20_000))).rejects.toMatchObject(exceeded)
  })

  it('is counted where a job writes it, until its run is over', async () => {
    await create({ size: 60_000 })
    const run = portsOfOwner({ ...engine, quota }, 'me')
    await run.ports.blobs.put('uploads/a', streamed(30_000))
    const other = portsOfOwner({ ...engine, quota }, 'me')
    await expect(other.ports.blobs.put('uploads/b', streamed(30_000))).rejects.toMatchObject(exceeded)
    run.release()
    other.release()
    await portsOfOwner({ ...engine, quota }, 'me').ports.blobs.put('uploads/b', streamed(30_000))
  })
})

it('tells how much is kept for all, and how many owners are nearly full', async () => {
  expect(await quota.readUsage()).toEqual({ totalBytes: 0, owners: 0, largestBytes: 0, nearlyFull: 0 })
  await create({ size: 90_000 })
  await create({ owner: 'you', size: 10_000 })
  const { totalBytes, largestBytes, ...counts } = await quota.readUsage()
  expect(counts).toEqual({ owners: 2, nearlyFull: 1 })
  expect(totalBytes).toBeGreaterThan(100_000)
  expect(largestBytes).toBeGreaterThan(90_000)
  expect(largestBytes).toBeLessThan(91_000)
})
