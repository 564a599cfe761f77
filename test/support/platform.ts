/** The parts of an engine that differ between runtimes: here, those of one process on Node. The suites inside workerd take test/support/workerd/platform.ts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import type { BlobStore, Database, Fetcher } from '../../src/ports.ts'
import { copyTemplateDatabase, MIGRATIONS } from './template-copy.ts'

export { copyTemplateDatabase, MIGRATIONS } from './template-copy.ts'

/** A database with the schema of every migration and nothing in it, a blob store, a fetcher. */
export interface Platform {
  readonly db: Database
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  /** Where its files are. */
  readonly folder: string
  close(): Promise<void>
}

/** Opens a platform of its own; in a folder that is named, on what is there already. */
export async function openPlatform(options: { folder?: string; allowPrivate?: boolean } = {}): Promise<Platform> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'millrace-')))
  if (options.folder === undefined) await copyTemplateDatabase(folder)
  const { db, close } = await openLibsql(pathToFileURL(join(folder, 'millrace.db')).href, { migrations: MIGRATIONS })
  return {
    db,
    folder,
    blobs: createFsBlobStore(join(folder, 'blobs')),
    fetcher: createNodeFetcher({ allowPrivate: options.allowPrivate ?? false }),
    async close() {
      close()
      if (options.folder === undefined) await rm(folder, { recursive: true })
    },
  }
}
