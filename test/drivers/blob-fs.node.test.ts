import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ABANDONED_AFTER_MS, createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { MAX_UPLOAD_MS } from '../../src/drivers/upload-time.ts'
import { createOperations } from '../../src/operations.ts'
import { blobStoreContract } from '../contracts/blob-store.ts'

const operations = createOperations()

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Bytes that something still holds. */
function liveBytes(): number {
  // Buffers found unused in one collection are counted as freed by the next.
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

blobStoreContract('blob-fs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-blobs-'))
  return { store: createFsBlobStore(folder), dispose: () => rm(folder, { recursive: true }) }
})

/** The id of a process that has ended. */
const deadProcessId = () =>
  new Promise<number>((done) => {
    const child = execFile(process.execPath, ['-e', ''], () => done(child.pid ?? 0))
  })

describe('blob-fs on its own', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-blobs-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('leaves no temporary file behind a put that failed', async () => {
    const store = createFsBlobStore(folder)
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('no')) })
    await expect(store.put('a', body)).rejects.toThrow('no')
    expect(await readdir(join(folder, '~incoming'))).toEqual([])
  })

  it('ends the body when the disk refuses', async () => {
    const store = createFsBlobStore(folder)
    await store.put('file', new Uint8Array(1))
    // A blob can't be a folder: the rename fails after the whole body was written.
    await expect(store.put('file/below', new Uint8Array(1))).rejects.toThrow()
    expect(await readdir(join(folder, '~incoming'))).toEqual([])
  })

  it('removes what nobody wrote to for longer than a put may last, at creation and by a sweep, and spares all else', async () => {
    const incoming = join(folder, '~incoming')
    const agoMs = { gone: ABANDONED_AFTER_MS + 60_000, slow: MAX_UPLOAD_MS + 60_000, fresh: 0 }
    const dead = await deadProcessId()
    // The process of another container: its id is here no process, or one of ours.
    const write = async () => {
      for (const [name, ms] of Object.entries(agoMs)) {
        for (const id of [dead, process.pid]) {
          const path = join(incoming, `${id}.${name}`)
          await writeFile(path, 'half')
          await utimes(path, (Date.now() - ms) / 1_000, (Date.now() - ms) / 1_000)
        }
      }
    }
    const spared = [dead, process.pid].flatMap((id) => [`${id}.slow`, `${id}.fresh`])
    await write()
    const store = createFsBlobStore(folder)
    expect((await readdir(incoming)).toSorted()).toEqual(spared.toSorted())
    await write()
    expect(await store.sweep?.()).toBe(2)
    expect((await readdir(incoming)).toSorted()).toEqual(spared.toSorted())
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual(['file'])
    for (const name of spared) await rm(join(incoming, name))
  })

  it('keeps half-written files for longer than any request and any operation may take', () => {
    const limits = Object.values(operations).map(({ timeLimitMs }) => timeLimitMs)
    expect(ABANDONED_AFTER_MS).toBeGreaterThan(Math.max(MAX_UPLOAD_MS, ...limits))
  })

  it('keeps every put that was answered, and no half of another, when its process is killed', async () => {
    const place = join(folder, 'killed')
    const script = `
      import { createFsBlobStore } from '${new URL('../../src/drivers/blob-fs.ts', import.meta.url)}'
      const store = createFsBlobStore(${JSON.stringify(place)})
      for (let lane = 0; lane < 4; lane++) void (async () => {
        for (let i = 0; ; i++) {
          await store.put(lane + '/' + i, new Uint8Array(300_000).fill(i))
          process.stdout.write(lane + '/' + i + '\\n')
        }
      })()
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
      if (said.length > 200) child.kill('SIGKILL')
    })
    await new Promise((closed) => child.on('close', closed))

    const incoming = join(place, '~incoming')
    // Half-written ones go when they are old, since nobody can tell from elsewhere that their process is gone.
    for (const name of await readdir(incoming)) await utimes(join(incoming, name), 0, 0)
    const store = createFsBlobStore(place)
    expect(await readdir(incoming)).toEqual([])
    const kept: string[] = []
    for await (const { key } of store.list('')) {
      kept.push(key)
      const body = new Response(await store.get(key))
      const bytes = new Uint8Array(await body.arrayBuffer())
      expect(bytes.length).toBe(300_000)
      expect(new Set(bytes)).toEqual(new Set([Number(key.split('/')[1]) % 256]))
    }
    const answered = said.split('\n').slice(0, -1)
    expect(answered.length).toBeGreaterThan(10)
    expect(kept).toEqual(expect.arrayContaining(answered))
  })

  it('removes the folders that a delete empties', async () => {
    const store = createFsBlobStore(folder)
    await store.put('deep/er/still', new Uint8Array(1))
    await store.put('deep/beside', new Uint8Array(1))
    await store.delete(['deep/er/still'])
    expect(await readdir(join(folder, 'deep'))).toEqual(['beside'])
  })

  it('takes no more than it can write, and holds an upload of 384 MB in little memory', async () => {
    const store = createFsBlobStore(folder)
    const before = liveBytes()
    let chunks = 0
    let peak = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (chunks++ === 384 * 16) return controller.close()
        controller.enqueue(new Uint8Array(64 * 1024).fill(chunks))
        if (chunks % 256 === 0) peak = Math.max(peak, liveBytes() - before)
      },
    })
    expect((await store.put('large', body)).size).toBe(384 * 1024 * 1024)
    expect(peak).toBeLessThan(4 * 1024 * 1024)

    const stream = await store.get('large')
    let size = 0
    for await (const chunk of stream ?? []) size += chunk.byteLength
    expect(size).toBe(384 * 1024 * 1024)
    await store.delete(['large'])
  })

  it('asks for the next chunk only when the last one is written', async () => {
    const store = createFsBlobStore(folder)
    let asked = 0
    let cancelled: unknown
    const third = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          asked++
          controller.enqueue(new Uint8Array(1024))
          if (asked === 3) {
            third.resolve()
            await goOn.promise
          }
          if (asked === 5) controller.close()
        },
        cancel: (reason) => {
          cancelled = reason
        },
      },
      { highWaterMark: 0 },
    )
    const put = store.put('slow', body)
    await third.promise
    await new Promise((resume) => setTimeout(resume, 50))
    expect(asked).toBe(3)
    goOn.resolve()
    expect((await put).size).toBe(5 * 1024)
    expect(cancelled).toBeUndefined()
  })
})
