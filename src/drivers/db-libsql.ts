/** The Database port on one libSQL file (or a libSQL server by URL), with migrations applied at start. */
import {
  type Client,
  createClient,
  type InArgs,
  type InStatement,
  LibsqlError,
  type Replicated,
  type ResultSet,
} from '@libsql/client'
import { drizzle } from 'drizzle-orm/libsql'
import { migrate } from 'drizzle-orm/libsql/migrator'
import type { Database } from '../ports.ts'
import { FileClient } from './db-libsql-file.ts'

/**
 * The file client is synchronous: while SQLite waits for another process's write lock, the event loop stands still. So SQLite itself
 * does not wait, and all of the wait is a jittered, asynchronous retry.
 */
const GIVE_UP_AFTER_MS = 10_000

function isBusy(error: unknown): boolean {
  return error instanceof LibsqlError && error.code.startsWith('SQLITE_BUSY')
}

async function whenFree<T>(run: () => Promise<T>): Promise<T> {
  const started = performance.now()
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    try {
      return await run()
    } catch (error) {
      if (!isBusy(error) || performance.now() - started > GIVE_UP_AFTER_MS) throw error
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())))
    }
  }
}

const isSelect = (statement: InStatement | [string, InArgs?]) => {
  const sql = typeof statement === 'string' ? statement : Array.isArray(statement) ? statement[0] : statement.sql
  return /^\s*select\b/i.test(sql)
}

/** A client whose calls wait for a busy database without blocking, and whose batches take the write lock at their start. */
class PatientClient implements Client {
  readonly #client: Client
  constructor(client: Client) {
    this.#client = client
  }
  get closed() {
    return this.#client.closed
  }
  get protocol() {
    return this.#client.protocol
  }
  execute(statement: InStatement): Promise<ResultSet>
  execute(sql: string, args?: InArgs): Promise<ResultSet>
  execute(statement: InStatement, args?: InArgs): Promise<ResultSet> {
    return whenFree(() =>
      typeof statement === 'string' ? this.#client.execute(statement, args) : this.#client.execute(statement),
    )
  }
  batch(statements: Array<InStatement | [string, InArgs?]>): Promise<ResultSet[]> {
    // A deferred batch that reads before it writes fails with SQLITE_BUSY_SNAPSHOT when another process wrote in between.
    const mode = statements.every(isSelect) ? 'read' : 'write'
    return whenFree(() => this.#client.batch(statements, mode))
  }
  migrate(statements: InStatement[]): Promise<ResultSet[]> {
    return whenFree(() => this.#client.migrate(statements))
  }
  transaction(): never {
    throw new Error('Interactive transactions do not exist on every home: use batch.')
  }
  executeMultiple(sql: string): Promise<void> {
    return whenFree(() => this.#client.executeMultiple(sql))
  }
  sync(): Promise<Replicated> {
    return this.#client.sync()
  }
  reconnect() {
    this.#client.reconnect()
  }
  close() {
    this.#client.close()
  }
}

/**
 * Opens the database and brings its schema up to date.
 * @param url `file:…`, or `libsql:`/`https:` of a libSQL server
 * @param migrations the folder of migrations made by drizzle-kit
 */
export async function openLibsql(
  url: string,
  options: { migrations: string; authToken?: string },
): Promise<{ db: Database; close(): void }> {
  const { authToken } = options
  const client = new PatientClient(
    url.startsWith('file:')
      ? new FileClient(url)
      : createClient({ url, ...(authToken === undefined ? {} : { authToken }) }),
  )
  if (url.startsWith('file:')) {
    await client.execute('PRAGMA journal_mode = WAL')
    // A commit that was answered must survive a power cut, not only a crash.
    await client.execute('PRAGMA synchronous = FULL')
    await client.execute('PRAGMA cache_size = -65536')
    await client.execute('PRAGMA temp_store = MEMORY')
  }
  const db = drizzle(client)
  const toDate = () => migrate(db, { migrationsFolder: options.migrations })
  // Of processes that start together one brings the schema up to date, and the others fail at it: they find it done when they look again.
  await toDate().catch(toDate)
  return { db, close: () => client.close() }
}
