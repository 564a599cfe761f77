/** The Database port on one libSQL file (or a libSQL server by URL), with migrations applied at start. */
import { drizzle } from 'drizzle-orm/libsql'
import { migrate } from 'drizzle-orm/libsql/migrator'
import type { Database } from '../ports.ts'
import { pathOfUrl } from './data-files.ts'
import { FileClient } from './db-libsql-file.ts'
import { makePrivateFile } from './db-libsql-path.ts'
import { RetryingClient } from './db-libsql-retry.ts'
import { checkDatabase, checkFiles } from './db-libsql-start.ts'
import type { OnBadText } from './db-libsql-text.ts'

/**
 * The file client is synchronous: while SQLite waits for another process's write lock, the event loop stands still. So SQLite itself
 * does not wait, and all of the wait is a jittered, asynchronous retry.
 */
const LONGEST_PAUSE_MS = 20

/**
 * Opens the database and brings its schema up to date.
 * @param url `file:…`, or `libsql:`/`https:` of a libSQL server
 * @param migrations the folder of migrations made by drizzle-kit
 * @throws DatabaseStartError for what is no database of this release; whatever else the database throws
 */
export async function openLibsql(
  url: string,
  options: { migrations: string; authToken?: string; onBadText?: OnBadText },
): Promise<{ db: Database; close(): void }> {
  const { authToken } = options
  if (url.startsWith('file:')) {
    checkFiles(pathOfUrl(url))
    makePrivateFile(pathOfUrl(url))
  }
  const client = new RetryingClient(
    url.startsWith('file:')
      ? new FileClient(url, options.onBadText)
      : // Loaded only where it is configured: it brings clients for HTTP and WebSockets.
        (await import('@libsql/client')).createClient({ url, ...(authToken === undefined ? {} : { authToken }) }),
    LONGEST_PAUSE_MS,
  )
  try {
    return await prepare(client, url, options.migrations)
  } catch (error) {
    client.close()
    throw error
  }
}

async function prepare(client: RetryingClient, url: string, migrations: string) {
  await checkDatabase(client, url, migrations)
  if (url.startsWith('file:')) {
    await client.execute('PRAGMA journal_mode = WAL')
    // A commit that was answered must survive a power cut, not only a crash.
    await client.execute('PRAGMA synchronous = FULL')
    await client.execute('PRAGMA cache_size = -65536')
    await client.execute('PRAGMA temp_store = MEMORY')
  }
  const db = drizzle(client)
  const toDate = () => migrate(db, { migrationsFolder: migrations })
  // Of processes that start together one brings the schema up to date, and the others fail at it: they find it done when they look again.
  await toDate().catch(toDate)
  return { db, close: () => client.close() }
}
