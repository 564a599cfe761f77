/** The parts of an engine inside workerd: D1, R2, the runtime's own fetch. Takes the place of test/support/platform.ts there. */
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { createR2BlobStore } from '../../../src/drivers/blob-r2.ts'
import { openD1 } from '../../../src/drivers/db-d1.ts'
import { createWorkersFetcher } from '../../../src/drivers/fetch-workers.ts'
import type { Platform } from '../platform.ts'

/** Statements a whole test may take: the platform counts by request, and a test is many. */
const STATEMENTS = 1_000_000

/** Opens the one platform there is, emptied. */
export async function openPlatform(options: { allowPrivate?: boolean } = {}): Promise<Platform> {
  await emptyDatabase()
  const blobs = createR2BlobStore(env.BLOBS)
  const keys: string[] = []
  for await (const { key } of blobs.list('')) keys.push(key)
  await blobs.delete(keys)
  const { db } = openD1(env.DB, { statements: STATEMENTS })
  return {
    db,
    folder: '',
    blobs,
    fetcher: createWorkersFetcher({ allowPrivate: options.allowPrivate ?? false }),
    close: async () => {},
  }
}

/** Every table of the schema, with nothing in it. */
async function emptyDatabase(): Promise<void> {
  await applyD1Migrations(env.DB, env.MIGRATIONS)
  // The database itself keeps the tables that an index of words is made of (`shadow`), and what is computed of them holds nothing.
  const tables = await env.DB.prepare(
    `SELECT name FROM pragma_table_list WHERE schema = 'main' AND (type = 'table' OR name = 'rag_text')
      AND name NOT LIKE 'd1_%' AND name NOT LIKE '_cf_%' AND name NOT LIKE 'sqlite_%'`,
  ).all<{ name: string }>()
  await env.DB.batch(tables.results.map(({ name }) => env.DB.prepare(`DELETE FROM "${name}"`)))
}
