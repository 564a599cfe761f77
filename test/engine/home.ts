/** The parts of an engine that differ from home to home: here, those of one process on Node. The suites inside workerd take test/edge/home.ts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import type { BlobStore, Database, Fetcher } from '../../src/ports.ts'

export const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')

/** A database with the schema of every migration and nothing in it, a blob store, a fetcher. */
export interface Home {
  readonly db: Database
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  /** Where its files are. */
  readonly folder: string
  close(): Promise<void>
}

/** Opens a home of its own; in a folder that is named, on what is there already. */
export async function openHome(options: { folder?: string; allowPrivate?: boolean } = {}): Promise<Home> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'millrace-')))
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
