/** The BlobStore on Cloudflare, on R2 as Miniflare runs it. */
import { env } from 'cloudflare:workers'
import type { R2Bucket, R2MultipartUpload } from '@cloudflare/workers-types'
import { describe, expect, it } from 'vitest'
import { createR2BlobStore } from '../../src/drivers/blob-r2.ts'
import { blobStoreContract } from '../contracts/blob-store.ts'

blobStoreContract('R2', async () => ({ store: createR2BlobStore(env.BLOBS) }))

const PART = 5 * 1024 * 1024
const store = createR2BlobStore(env.BLOBS)

/** A stream of so many bytes, each of which tells where it stands, in chunks of an odd size. */
function counted(bytes: number, failAt = Number.POSITIVE_INFINITY) {
  let at = 0
  let cancelled: unknown
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at >= failAt) return controller.error(new Error('cut off'))
        if (at === bytes) return controller.close()
        const chunk = new Uint8Array(Math.min(65_521, bytes - at))
        for (let i = 0; i < chunk.byteLength; i++) chunk[i] = byteAt(at + i)
        at += chunk.byteLength
        controller.enqueue(chunk)
      },
      cancel(reason) {
        cancelled = reason
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, sent: () => at, cancelled: () => cancelled }
}

const byteAt = (i: number) => (i * 31 + (i >> 16)) & 255

async function firstWrong(key: string, bytes: number): Promise<number> {
  const found = new Uint8Array(await new Response(await store.get(key)).arrayBuffer())
  for (let i = 0; i < Math.max(bytes, found.byteLength); i++) if (found[i] !== byteAt(i)) return i
  return -1
}

describe('a body of unknown length', () => {
  it.each([PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])('of %i bytes is kept whole', async (bytes) => {
    const { stream } = counted(bytes)
    const info = await store.put(`parts/${bytes}`, stream)
    const md5 = await crypto.subtle.digest('MD5', await new Response(counted(bytes).stream).arrayBuffer())
    expect(info).toMatchObject({ size: bytes, md5: Buffer.from(md5).toString('hex') })
    expect(await firstWrong(`parts/${bytes}`, bytes)).toBe(-1)
  })

  it('that breaks off in its third part leaves nothing, and an earlier blob of that key as it was', async () => {
    await expect(store.put('parts/broken', counted(4 * PART, 2.5 * PART).stream)).rejects.toThrow('cut off')
    expect(await store.get('parts/broken')).toBeNull()
    await store.put('parts/broken', new TextEncoder().encode('earlier'))
    await expect(store.put('parts/broken', counted(4 * PART, 2.5 * PART).stream)).rejects.toThrow('cut off')
    expect(await new Response(await store.get('parts/broken')).text()).toBe('earlier')
  })

  it('is read no further than it can be written, and let go when R2 refuses', async () => {
    const abort: R2MultipartUpload['abort'][] = []
    const refusing: Pick<R2Bucket, 'createMultipartUpload'> = {
      async createMultipartUpload(key) {
        const upload = await env.BLOBS.createMultipartUpload(key)
        abort.push(() => upload.abort())
        return env.BLOBS.resumeMultipartUpload(key, `${upload.uploadId}-which-is-not-there`)
      },
    }
    const bucket = new Proxy(env.BLOBS, {
      get: (target, name) =>
        name === 'createMultipartUpload' ? refusing[name] : Reflect.get(target, name).bind(target),
    })
    const { stream, sent, cancelled } = counted(10 * PART)
    await expect(createR2BlobStore(bucket).put('parts/refused', stream)).rejects.toThrow()
    expect(sent()).toBeLessThan(PART + 2 * 65_521)
    expect(cancelled()).toBeInstanceOf(Error)
    expect(await store.get('parts/refused')).toBeNull()
    await Promise.all(abort.map((end) => end()))
  })
})

it('lists and deletes more keys than R2 does in one call', async () => {
  const keys = Array.from({ length: 1_201 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
  for (let at = 0; at < keys.length; at += 100) {
    await Promise.all(keys.slice(at, at + 100).map((key) => store.put(key, new Uint8Array(1))))
  }
  const found: string[] = []
  for await (const { key } of store.list('many/')) found.push(key)
  expect(found).toEqual(keys)
  await store.delete(keys)
  for await (const { key } of store.list('many/')) expect(key).toBe('nothing')
})
