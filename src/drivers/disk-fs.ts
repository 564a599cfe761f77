/** The disk of the folders that a server on Node writes to. */
import { randomUUID } from 'node:crypto'
import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk } from '../ports.ts'

/** Written by a check: more than what a file system may keep beside its names. */
const CHECK_BYTES = 64 * 1024
const PREFIX = '.millrace-check-'

/**
 * Watches the disk of one or more folders, all of which must be there.
 * @returns `space` of the folder with the least of it, `check` of each
 */
export function createFsDisk(folders: readonly string[]): Disk {
  return {
    async space() {
      const all = await Promise.all(folders.map(spaceOf))
      return all.reduce((least, one) => (one.freeBytes < least.freeBytes ? one : least))
    },
    async check() {
      for (const folder of folders) await checkFolder(folder)
    },
  }
}

async function spaceOf(folder: string) {
  // Space that is reserved for root is not counted, since a server should not run as root.
  const { bsize, bavail, blocks } = await statfs(folder)
  return { freeBytes: bsize * bavail, totalBytes: bsize * blocks }
}

async function checkFolder(folder: string): Promise<void> {
  const path = join(folder, PREFIX + randomUUID())
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(new Uint8Array(CHECK_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
  } finally {
    await rm(path, { force: true })
  }
}
