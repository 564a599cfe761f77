/** A libSQL client that waits for a database that others write to, and whose batches never fail for having read before they wrote. */
import type { Client, InArgs, InStatement, Replicated, ResultSet } from '@libsql/client'
import { backoff, sleep } from '../backoff.ts'

const GIVE_UP_AFTER_MS = 10_000

/** Whatever the library's error is made by: each of its entries brings classes of its own. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}

const isSelect = (statement: InStatement | [string, InArgs?]) => {
  const sql = typeof statement === 'string' ? statement : Array.isArray(statement) ? statement[0] : statement.sql
  return /^\s*select\b/i.test(sql)
}

/** A client whose calls wait for a busy database without blocking, and whose batches take the write lock at their start. */
export class RetryingClient implements Client {
  readonly #client: Client
  readonly #longestPauseMs: number

  /** @param longestPauseMs between two tries; the first is short, each that follows twice as long */
  constructor(client: Client, longestPauseMs: number) {
    this.#client = client
    this.#longestPauseMs = longestPauseMs
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
    return this.#whenFree(() =>
      typeof statement === 'string' ? this.#client.execute(statement, args) : this.#client.execute(statement),
    )
  }

  batch(statements: Array<InStatement | [string, InArgs?]>): Promise<ResultSet[]> {
    // A deferred batch that reads before it writes fails with SQLITE_BUSY_SNAPSHOT when another process wrote in between.
    const mode = statements.every(isSelect) ? 'read' : 'write'
    return this.#whenFree(() => this.#client.batch(statements, mode))
  }

  migrate(statements: InStatement[]): Promise<ResultSet[]> {
    return this.#whenFree(() => this.#client.migrate(statements))
  }

  transaction(): never {
    throw new Error('Interactive transactions do not exist on every runtime: use batch.')
  }

  executeMultiple(sql: string): Promise<void> {
    return this.#whenFree(() => this.#client.executeMultiple(sql))
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

  async #whenFree<T>(run: () => Promise<T>): Promise<T> {
    const started = performance.now()
    for (let tries = 1; ; tries++) {
      try {
        return await run()
      } catch (error) {
        if (!isBusy(error) || performance.now() - started > GIVE_UP_AFTER_MS) throw error
        await sleep(backoff(tries, { firstMs: 1, mostMs: this.#longestPauseMs }))
      }
    }
  }
}
