/** A backup beside servers that delete. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { backUp } from '../../src/drivers/backup-fs.ts'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openPlatform } from '../support/platform.ts'

it('copies every blob that stays, though others and their folders are deleted meanwhile', async () => {
  const platform = await openPlatform()
  const target = await mkdtemp(join(tmpdir(), 'millrace-backup-'))
  // As another server would on the same folder.
  const other = createFsBlobStore(join(platform.folder, 'blobs'))
  const passing = Array.from({ length: 40 }, (_, i) => `passing/${i}/blob`)
  for (const key of ['kept/one', ...passing]) await platform.blobs.put(key, new TextEncoder().encode(key))
  let stopped = false
  const churn = (async () => {
    for (let i = 0; !stopped; i = (i + 1) % passing.length) {
      const key = passing[i] ?? ''
      await other.delete([key])
      await other.put(key, new TextEncoder().encode(key))
    }
  })()
  try {
    for (let i = 0; i < 10; i++) {
      await backUp(platform.db, platform.folder, join(target, String(i)))
      expect(await readFile(join(target, String(i), 'blobs', 'kept', 'one'), 'utf8')).toBe('kept/one')
      expect(await readdir(join(target, String(i), 'blobs'))).not.toContain('~incoming')
    }
  } finally {
    stopped = true
    await churn
    await rm(target, { recursive: true })
    await platform.close()
  }
})
