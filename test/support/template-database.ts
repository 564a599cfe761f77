/** A database file with the schema of every migration and nothing in it, made once a run; suites take copies. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { openLibsql } from '../../src/drivers/db-libsql.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')

/** @returns what removes it again; nothing where another project of the run has made it */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEMPLATE_DATABASE !== undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'millrace-template-'))
  const file = join(folder, 'millrace.db')
  // Test processes inherit it.
  process.env.TEMPLATE_DATABASE = file
  const { db, close } = await openLibsql(pathToFileURL(file).href, { migrations: MIGRATIONS })
  // Into the one file that is copied.
  await db.run(sql`PRAGMA wal_checkpoint(TRUNCATE)`)
  close()
  return () => rm(folder, { recursive: true, force: true })
}
