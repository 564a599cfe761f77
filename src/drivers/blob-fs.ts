/**
 * Blobs in a folder of the machine: the BlobStore of Millrace on Node. A put is written aside, hashed on the way,
 * flushed, renamed into place and the folders flushed, so that a power cut leaves either the whole blob or nothing.
 */

import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { BlobInfo, BlobStore } from '../ports.ts'
import { checkRange, isSegment, prefixOf, segmentsOf } from './blob-key.ts'
import { MAX_UPLOAD_MS } from './upload-time.ts'

// Keys are made of [A-Za-z0-9._-], so no key can name a file in here.
const INCOMING = '~incoming'
const READ_BYTES = 256 * 1024

/**
 * Milliseconds without a write after which a half-written file is abandoned. Above what any put may last (an upload may take
 * `MAX_UPLOAD_MS`, and no operation may run longer), so that one that waits for a slow line is spared, with as much again for clocks that
 * disagree. Age is the only sign that every process can read which shares the folder: a process id means nothing in another container.
 */
export const ABANDONED_AFTER_MS = 2 * MAX_UPLOAD_MS

/**
 * Opens (and makes, if need be) a folder of blobs, and removes half-written files that are abandoned, as `sweep` does later. Several
 * processes may use one folder, those of other containers and machines included.
 * @throws what the file system throws when the folder can't be made or read
 */
export function createFsBlobStore(folder: string): BlobStore {
  const root = resolve(folder)
  mkdirSync(join(root, INCOMING), { recursive: true, mode: 0o700 })
  cleanIncoming(join(root, INCOMING))
  return {
    put: (key, body) => put(root, pathOf(root, key), body),
    get: async (key, range) => await get(pathOf(root, key), range),
    delete: async (keys) => {
      for (const path of keys.map((key) => pathOf(root, key))) await remove(root, path)
    },
    list: (prefix) => list(root, prefix),
    path: (key) => pathOf(root, key),
    sweep: async () => cleanIncoming(join(root, INCOMING)),
  }
}

function pathOf(root: string, key: string): string {
  return join(root, ...segmentsOf(key))
}

async function put(root: string, path: string, body: ReadableStream<Uint8Array> | Uint8Array): Promise<BlobInfo> {
  // The process id is for people who look into the folder; nothing is decided by it.
  const aside = join(root, INCOMING, `${process.pid}.${randomUUID()}`)
  try {
    const info = await writeAside(aside, body)
    await moveIntoPlace(aside, path)
    await syncFolders(root, dirname(path))
    return info
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
}

async function writeAside(aside: string, body: ReadableStream<Uint8Array> | Uint8Array): Promise<BlobInfo> {
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  let size = 0
  async function* hashed() {
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      md5.update(chunk)
      sha256.update(chunk)
      size += chunk.byteLength
      yield chunk
    }
  }
  const file = await open(aside, 'wx', 0o600)
  try {
    // writeFile asks for the next chunk only when the last one is written, and ends the body when a write fails.
    await file.writeFile(hashed())
    await file.sync()
  } finally {
    await file.close()
  }
  return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex') }
}

/** A delete may take away the emptied folder between mkdir and rename, hence more than one try. */
async function moveIntoPlace(aside: string, path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      return await rename(aside, path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || tries === 10) throw error
    }
  }
}

/** Flushes every folder from `folder` up to the root, since any of them may be new. */
async function syncFolders(root: string, folder: string): Promise<void> {
  // Windows can't open a folder; its file system journals names by itself.
  if (process.platform === 'win32') return
  for (let at = folder; ; at = dirname(at)) {
    const handle = await open(at, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (at === root) return
  }
}

async function get(
  path: string,
  range: { offset: number; length?: number } = { offset: 0 },
): Promise<ReadableStream<Uint8Array> | null> {
  checkRange(range)
  const { offset, length = Number.MAX_SAFE_INTEGER } = range
  const file = await open(path, 'r').catch(nullIfAbsent)
  if (file === null) return null
  try {
    const found = await file.stat()
    if (found.isFile()) return streamOf(file, offset, Math.min(found.size, offset + length))
  } catch (error) {
    await file.close()
    throw error
  }
  await file.close()
  return null
}

/** Reads only when asked; holds the file open until read to the end or cancelled. */
function streamOf(file: FileHandle, from: number, to: number): ReadableStream<Uint8Array> {
  let at = from
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (at < to) {
            const chunk = new Uint8Array(Math.min(READ_BYTES, to - at))
            const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at)
            if (bytesRead === 0) throw new Error('A blob is shorter than it was when opened')
            at += bytesRead
            controller.enqueue(chunk.subarray(0, bytesRead))
          }
          if (at >= to) {
            await file.close()
            controller.close()
          }
        } catch (error) {
          await file.close()
          throw error
        }
      },
      cancel: () => file.close(),
    },
    { highWaterMark: 0 },
  )
}

async function remove(root: string, path: string): Promise<void> {
  await unlink(path).catch(nullIfAbsent)
  // Emptied folders go too, else a folder an upload would pile up for ever.
  for (let at = dirname(path); at !== root; at = dirname(at)) {
    try {
      await rmdir(at)
    } catch {
      return
    }
  }
}

async function* list(root: string, prefix: string): AsyncGenerator<{ key: string; modifiedAt: number }> {
  const { segments, partial } = prefixOf(prefix)
  yield* walk(root, segments.map((segment) => `${segment}/`).join(''), partial)
}

/** Depth first, one folder of each level open at a time; what vanishes meanwhile is left out. */
async function* walk(
  root: string,
  folder: string,
  startsWith: string,
): AsyncGenerator<{ key: string; modifiedAt: number }> {
  const entries = await opendir(join(root, folder)).catch(nullIfAbsent)
  if (entries === null) return
  for await (const entry of entries) {
    if (!isSegment(entry.name) || !entry.name.startsWith(startsWith)) continue
    const key = folder + entry.name
    if (entry.isDirectory()) yield* walk(root, `${key}/`, '')
    else if (entry.isFile()) {
      const found = await stat(join(root, key)).catch(nullIfAbsent)
      if (found !== null) yield { key, modifiedAt: Math.floor(found.mtimeMs) }
    }
  }
}

/** Removes files without a write for `ABANDONED_AFTER_MS`. @returns how many */
function cleanIncoming(incoming: string): number {
  let removed = 0
  for (const name of readdirSync(incoming)) {
    const path = join(incoming, name)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined || Date.now() - found.mtimeMs <= ABANDONED_AFTER_MS) continue
    rmSync(path, { force: true, recursive: true })
    removed++
  }
  return removed
}

/** For `catch`: null where there is no such file, a rethrow of everything else. */
function nullIfAbsent(error: unknown): null {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null
  throw error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
