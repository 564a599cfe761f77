/** What every BlobStore must do. Names no runtime, so that drivers on Cloudflare run it too. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlobStore } from '../../src/ports.ts'

/** A store to try, and how to be rid of it. */
export interface BlobStoreUnderTest {
  store: BlobStore
  /** Frees what the factory made. */
  dispose?(): Promise<void>
}

const text = (value: string) => new TextEncoder().encode(value)

function streamOf(chunks: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.iterator]()
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = iterator.next()
      if (next.done) controller.close()
      else controller.enqueue(next.value)
    },
  })
}

async function read(store: BlobStore, key: string, range?: { offset: number; length?: number }) {
  const stream = await store.get(key, range)
  return stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer())
}

async function readText(store: BlobStore, key: string, range?: { offset: number; length?: number }) {
  const bytes = await read(store, key, range)
  return bytes === null ? null : new TextDecoder().decode(bytes)
}

async function keysUnder(store: BlobStore, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys.sort()
}

/** Runs the suite against the stores that `make` gives: one for all its tests, each test under keys of its own. */
export function blobStoreContract(name: string, make: () => Promise<BlobStoreUnderTest>): void {
  describe(`${name} as a BlobStore`, () => {
    let made: BlobStoreUnderTest
    let store: BlobStore
    beforeAll(async () => {
      made = await make()
      store = made.store
    })
    afterAll(() => made.dispose?.())

    putting(() => store)
    failing(() => store)
    reading(() => store)
    listing(() => store)
  })
}

function putting(store: () => BlobStore): void {
  it('keeps bytes and answers their size and hashes', async () => {
    expect(await store().put('put/bytes', text('hello'))).toEqual({
      size: 5,
      md5: '5d41402abc4b2a76b9719d911017c592',
      sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    })
    expect(await readText(store(), 'put/bytes')).toBe('hello')
  })

  it('keeps a stream, chunk by chunk, as one', async () => {
    const info = await store().put('put/stream', streamOf([text('he'), text(''), text('l'), text('lo')]))
    expect(info).toMatchObject({ size: 5, md5: '5d41402abc4b2a76b9719d911017c592' })
    expect(await readText(store(), 'put/stream')).toBe('hello')
  })

  it('keeps nothing at all, as bytes and as a stream', async () => {
    const empty = { size: 0, md5: 'd41d8cd98f00b204e9800998ecf8427e' }
    expect(await store().put('put/empty', new Uint8Array())).toMatchObject(empty)
    expect(await store().put('put/empty-stream', streamOf([]))).toMatchObject(empty)
    expect(await readText(store(), 'put/empty')).toBe('')
    expect(await readText(store(), 'put/empty-stream')).toBe('')
  })

  it('keeps megabytes exactly, in chunks of odd sizes', async () => {
    const bytes = Uint8Array.from({ length: 3_000_017 }, (_, i) => (i * 31 + (i >> 8)) & 255)
    const chunks: Uint8Array[] = []
    for (let at = 0, size = 1; at < bytes.length; at += size, size = size * 3 + 1) {
      chunks.push(bytes.slice(at, at + size))
    }
    expect((await store().put('put/megabytes', streamOf(chunks))).size).toBe(bytes.length)
    const found = await read(store(), 'put/megabytes')
    expect(found?.length).toBe(bytes.length)
    // Not toEqual, which takes seconds for millions of bytes.
    expect(found?.findIndex((byte, i) => byte !== bytes[i])).toBe(-1)
  })

  it('replaces a blob whole when its key is put again', async () => {
    await store().put('put/twice', text('a long first one'))
    await store().put('put/twice', text('second'))
    expect(await readText(store(), 'put/twice')).toBe('second')
  })

  it('takes many puts at once', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `put/many/${i}`)
    await Promise.all(names.map((key) => store().put(key, streamOf([text(key)]))))
    expect(await Promise.all(names.map((key) => readText(store(), key)))).toEqual(names)
  })
}

function failing(store: () => BlobStore): void {
  it('leaves nothing when the body fails half-way, and throws what the body threw', async () => {
    const fault = new Error('cut off')
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(text('half')),
      pull: (controller) => controller.error(fault),
    })
    await expect(store().put('fail/half', body)).rejects.toBe(fault)
    expect(await store().get('fail/half')).toBeNull()
    expect(await keysUnder(store(), 'fail/')).toEqual([])
  })

  it('keeps the earlier blob when a put over it fails', async () => {
    await store().put('over/it', text('first'))
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('no')) })
    await expect(store().put('over/it', body)).rejects.toThrow('no')
    expect(await readText(store(), 'over/it')).toBe('first')
  })

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '..',
    'a/../b',
    './a',
    'a/.',
    'a b',
    'ä',
    'a\\b',
    'a\0b',
    '~incoming/x',
    'a%2fb',
  ])('refuses the key %j', async (key) => {
    await expect((async () => store().put(key, text('x')))()).rejects.toThrow(TypeError)
    await expect((async () => store().get(key))()).rejects.toThrow(TypeError)
    await expect((async () => store().delete([key]))()).rejects.toThrow(TypeError)
  })
}

function reading(store: () => BlobStore): void {
  it('answers null for a key that is not there, also beside or below one that is', async () => {
    await store().put('read/here', text('x'))
    expect(await store().get('read/nowhere')).toBeNull()
    expect(await store().get('read')).toBeNull()
    expect(await store().get('read/here/below')).toBeNull()
  })

  it.each([
    [{ offset: 0 }, '0123456789'],
    [{ offset: 3 }, '3456789'],
    [{ offset: 3, length: 4 }, '3456'],
    [{ offset: 0, length: 0 }, ''],
    [{ offset: 8, length: 100 }, '89'],
    [{ offset: 10 }, ''],
    [{ offset: 11, length: 1 }, ''],
  ])('reads the range %j', async (range, expected) => {
    await store().put('read/range', text('0123456789'))
    expect(await readText(store(), 'read/range', range)).toBe(expected)
  })

  it.each([{ offset: -1 }, { offset: 0.5 }, { offset: Number.NaN }, { offset: 0, length: -1 }])(
    'refuses the range %j',
    async (range) => {
      await store().put('read/range', text('0123456789'))
      await expect(store().get('read/range', range)).rejects.toThrow(RangeError)
    },
  )

  it('goes on after a reader gave up half-way', async () => {
    await store().put('read/cancelled', new Uint8Array(2_000_000))
    const stream = await store().get('read/cancelled')
    const reader = stream?.getReader()
    expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0)
    await reader?.cancel()
    expect((await read(store(), 'read/cancelled'))?.byteLength).toBe(2_000_000)
  })
}

function listing(store: () => BlobStore): void {
  it('deletes several at once; absent keys are no error', async () => {
    await store().put('delete/a', text('a'))
    await store().put('delete/b/c', text('c'))
    await store().delete(['delete/a', 'delete/never', 'delete/a/under', 'delete/b/c'])
    expect(await store().get('delete/a')).toBeNull()
    expect(await keysUnder(store(), 'delete/')).toEqual([])
    await store().put('delete/b/c', text('again'))
    expect(await readText(store(), 'delete/b/c')).toBe('again')
    await store().delete([])
  })

  it('lists the keys that start with a prefix, which may end inside a segment', async () => {
    const keys = ['list/one', 'list/one.pdf', 'list/on/e', 'list/two/three/four', 'listing']
    for (const key of keys) await store().put(key, text('x'))
    expect(await keysUnder(store(), 'list/')).toEqual(['list/on/e', 'list/one', 'list/one.pdf', 'list/two/three/four'])
    expect(await keysUnder(store(), 'list')).toEqual([...keys].sort())
    expect(await keysUnder(store(), 'list/on')).toEqual(['list/on/e', 'list/one', 'list/one.pdf'])
    expect(await keysUnder(store(), 'list/one')).toEqual(['list/one', 'list/one.pdf'])
    expect(await keysUnder(store(), 'list/nothing/')).toEqual([])
    expect(await keysUnder(store(), '')).toEqual(expect.arrayContaining(keys))
    await expect(keysUnder(store(), '../')).rejects.toThrow(TypeError)
  })

  it('tells the age of a blob', async () => {
    const before = Date.now()
    await store().put('age/now', text('x'))
    for await (const { modifiedAt } of store().list('age/')) {
      expect(Math.abs(modifiedAt - before)).toBeLessThan(60_000)
    }
  })

  it('survives deletes and puts of neighbours in the same folder', async () => {
    await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const key = `race/${i % 4}/x${i}`
        await store().put(key, text(key))
        expect(await readText(store(), key)).toBe(key)
        await store().delete([key])
      }),
    )
    expect(await keysUnder(store(), 'race/')).toEqual([])
  })
}
