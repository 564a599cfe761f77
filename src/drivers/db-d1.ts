/**
 * The Database port on Cloudflare D1. D1 takes 100 parameters, 100 KB of SQL and 2 MB a value in a statement, and so many statements in one
 * invocation of a Worker; what would go over is refused here, by name, before it is sent. What D1 fails at in passing is tried again where
 * that is safe.
 */
import type { BatchItem } from 'drizzle-orm/batch'
import { NoopCache } from 'drizzle-orm/cache/core'
import { D1PreparedQuery, DrizzleD1Database, SQLiteD1Session } from 'drizzle-orm/d1'
import { NoopLogger } from 'drizzle-orm/logger'
import type { PreparedQuery } from 'drizzle-orm/session'
import { SQLiteAsyncDialect } from 'drizzle-orm/sqlite-core'
import { backoff, sleep } from '../backoff.ts'
import { MillraceError } from '../errors.ts'
import type { Database, Disk } from '../ports.ts'
import { StorageError } from '../storage-errors.ts'

/** D1's limits, from developers.cloudflare.com/d1/platform/limits (read in November 2026). */
export const D1_LIMITS = { parameters: 100, sqlBytes: 100_000, valueBytes: 2_000_000, statements: 1_000 } as const

/** Count of statements that an invocation has sent to D1. Retries count, and so does every statement of a batch. */
export interface StatementMeter {
  readonly used: number
  /** Statements that may still be sent before the platform would refuse. Whatever can continue in a fresh invocation ends before this is 0. */
  readonly left: number
}

/** Result of a statement: rows as objects. D1 returns more than these fields, which are all that is needed here. */
export interface D1Answer {
  readonly results: readonly Record<string, unknown>[]
  /** Facts about the call; `size_after`: bytes the whole database takes. */
  readonly meta?: { readonly size_after?: number }
}

/** Part of a D1 statement that the driver uses. */
export interface D1Statement {
  bind(...values: unknown[]): D1Statement
  run(): Promise<D1Answer>
  all(): Promise<D1Answer>
  /** Rows as lists. */
  raw(): Promise<unknown[][]>
}

/** Part of a D1 binding that the driver uses. */
export interface D1Client<S extends D1Statement = D1Statement> {
  prepare(sql: string): S
  /** Runs statements in one transaction. */
  batch(statements: readonly S[]): Promise<D1Answer[]>
}

/** Bytes that one database may take (the same page): on Workers Paid, and on the free plan, which is recognized by its query limit. */
const MAX_DATABASE_BYTES = 10_000_000_000
const MAX_FREE_DATABASE_BYTES = 500_000_000
const FREE_QUERIES = 50

/** Reports the space that is left in a D1 database. It costs a query; a commit is all there is to check. */
export function createD1Disk(d1: D1Client, queries: number): Disk {
  const totalBytes = queries <= FREE_QUERIES ? MAX_FREE_DATABASE_BYTES : MAX_DATABASE_BYTES
  return {
    async space() {
      const { meta } = await d1.prepare('SELECT 1').run()
      if (meta?.size_after === undefined) throw new Error('D1 did not say how large the database is.')
      return { freeBytes: Math.max(0, totalBytes - meta.size_after), totalBytes }
    },
    check: async () => {},
  }
}

/** Options of the D1 driver. */
export interface D1Options {
  /** Statements that one invocation may send: 1,000 by Workers Paid, 50 by the free plan. */
  readonly statements?: number
  /** Waits between tries, in milliseconds; tests make it short. */
  readonly pause?: (ms: number) => Promise<void>
}

const TRIES = 5
const BACKOFF = { firstMs: 75 }

/**
 * Errors that D1 gives before it begins, after which every statement may be retried. From the error list of
 * developers.cloudflare.com/d1/observability/debug-d1.
 */
const NEVER_BEGAN = [
  'Cannot resolve D1 DB due to transient issue on remote node',
  'Internal error while starting up D1 DB storage caused object to be reset',
  'D1 DB is overloaded. Requests queued for too long',
  'D1 DB is overloaded. Too many requests queued',
]

/** Errors of the same list after which a write may have been committed: only reads may be retried. */
const CUT_OFF = [
  'Network connection lost',
  'reset because its code was updated',
  'Internal error in D1 DB storage caused object to be reset',
  'D1 DB storage operation exceeded timeout which caused object to be reset',
  "Can't read from request stream because client disconnected",
]

const says = (error: unknown, messages: readonly string[]) =>
  messages.some((message) => String(error).includes(message))

const utf8 = new TextEncoder()

/**
 * Makes the port for one invocation of a Worker, since that is what D1's limit on statements is counted by. Costs nothing: it opens nothing.
 * @param d1 the binding; its schema is brought up to date by `wrangler d1 migrations apply`
 * @returns the database, and what was asked of it so far. Statements throw MillraceError SERVICE_UNAVAILABLE when nothing is left and when
 * D1 does not answer (a write may have been kept then), TypeError when one is larger than D1 takes, which is a fault of ours, else what D1
 * throws
 */
export function openD1(d1: D1Client, options: D1Options = {}): { db: Database; meter: StatementMeter } {
  const client = new BoundedClient(d1, options)
  const dialect = new SQLiteAsyncDialect()
  const session = new Session(client, dialect)
  return { db: new DrizzleD1Database('async', dialect, session, undefined), meter: client.meter }
}

/** Drizzle's own session for D1 takes no `sql` with parameters in a batch (0.45). D1 gives rows as objects: their columns need names of their own. */
class Session extends SQLiteD1Session<Record<string, never>, Record<string, never>> {
  readonly #client: BoundedClient

  constructor(client: BoundedClient, dialect: SQLiteAsyncDialect) {
    super(client, dialect, undefined)
    this.#client = client
  }

  override prepareQuery(...[query, ...rest]: Parameters<SQLiteD1Session<never, never>['prepareQuery']>): Query {
    const [fields, method, arrays, mapper, metadata, cache] = rest
    const statement = this.#client.prepare(query.sql)
    return new Query(statement, query, LOGGER, CACHE, metadata, cache, fields, method, arrays, mapper)
  }

  override async batch(statements: readonly BatchItem<'sqlite'>[]): Promise<unknown[]> {
    const prepared = statements.map(prepare)
    const queries = prepared.map((one) => one.getQuery())
    const results = await this.#client.batch(
      queries.map(({ sql, params }) => this.#client.prepare(sql).bind(...params)),
    )
    return results.map((result, i) => prepared[i]?.mapResult(result, true))
  }
}

const LOGGER = new NoopLogger()
const CACHE = new NoopCache()

/**
 * Drizzle wraps what a query throws in an error that recites the query and its parameters, up to 2 MB of them and whatever secret is among
 * them, and that hides a MillraceError. Errors of this database are what they are.
 */
class Query extends D1PreparedQuery {
  protected queryWithCache<T>(_sql: string, _params: unknown[], query: () => Promise<T>): Promise<T> {
    return query()
  }
}

function prepare(statement: BatchItem<'sqlite'>): PreparedQuery {
  if (isPreparable(statement)) return statement._prepare()
  throw new TypeError('Only statements of this database go into a batch.')
}

function isPreparable(statement: object): statement is { _prepare(): PreparedQuery } {
  return '_prepare' in statement && typeof statement._prepare === 'function'
}

/** The part of D1 that drizzle uses, within the limits. */
class BoundedClient {
  readonly #d1: D1Client
  readonly #most: number
  readonly #pause: (ms: number) => Promise<void>
  #used = 0
  readonly meter: StatementMeter

  constructor(d1: D1Client, { statements = D1_LIMITS.statements, pause = sleep }: D1Options) {
    this.#d1 = d1
    this.#most = statements
    this.#pause = pause
    const used = () => this.#used
    this.meter = {
      get used() {
        return used()
      },
      get left() {
        return Math.max(0, statements - used())
      },
    }
  }

  prepare(sql: string): BoundedStatement {
    return new BoundedStatement(this, this.#d1.prepare(sql), sql)
  }

  async batch(statements: readonly BoundedStatement[]): Promise<D1Answer[]> {
    return this.ask(statements, () => this.#d1.batch(statements.map(({ prepared }) => prepared)))
  }

  /** Queries D1, with retries where that is safe. The error of a write that may have been committed is thrown at once. */
  async ask<T>(statements: readonly BoundedStatement[], send: () => Promise<T>): Promise<T> {
    const readsOnly = statements.every(({ reads }) => reads)
    for (let tries = 1; ; tries++) {
      this.#count(statements.length)
      try {
        return await send()
      } catch (error) {
        const began = !says(error, NEVER_BEGAN)
        if (began && !says(error, CUT_OFF)) throw error
        const again = (!began || readsOnly) && tries < TRIES && this.meter.left >= statements.length
        if (!again) {
          throw new StorageError('unreachable', { cause: error })
        }
        await this.#pause(backoff(tries, BACKOFF))
      }
    }
  }

  #count(statements: number): void {
    if (this.#used + statements > this.#most) {
      throw new MillraceError('SERVICE_UNAVAILABLE', `This took more than the ${this.#most} queries it may take.`)
    }
    this.#used += statements
  }
}

class BoundedStatement {
  readonly prepared: D1Statement
  readonly #client: BoundedClient
  readonly #sql: string

  constructor(client: BoundedClient, prepared: D1Statement, sql: string) {
    this.#client = client
    this.prepared = prepared
    this.#sql = sql
  }

  /** Checks if it changes nothing. A common table expression may belong to a write, so those do not count as reads. */
  get reads(): boolean {
    return /^\s*select\b/i.test(this.#sql)
  }

  bind(...values: unknown[]): BoundedStatement {
    checkSize(this.#sql, values)
    return new BoundedStatement(this.#client, this.prepared.bind(...values), this.#sql)
  }

  run(): Promise<D1Answer> {
    return this.#client.ask([this], () => this.prepared.run())
  }

  all(): Promise<D1Answer> {
    return this.#client.ask([this], () => this.prepared.all())
  }

  raw(): Promise<unknown[]> {
    return this.#client.ask([this], () => this.prepared.raw())
  }
}

function checkSize(sql: string, values: readonly unknown[]): void {
  const refuse = (what: string) =>
    Object.assign(new TypeError(`D1 takes no ${what}: ${sql.trim().slice(0, 80)} …`), { code: 'SQLITE_TOOBIG' })
  if (values.length > D1_LIMITS.parameters) throw refuse(`${values.length} parameters in one statement`)
  if (isLonger(sql, D1_LIMITS.sqlBytes)) throw refuse(`statement of more than ${D1_LIMITS.sqlBytes} bytes`)
  if (values.some((value) => isLonger(value, D1_LIMITS.valueBytes))) {
    throw refuse(`value of more than ${D1_LIMITS.valueBytes} bytes`)
  }
}

/** Checks if a text or bytes are longer than a number of bytes. No character takes more than three: most texts need no counting. */
function isLonger(value: unknown, bytes: number): boolean {
  if (typeof value === 'string') return value.length * 3 > bytes && utf8.encode(value).byteLength > bytes
  return value instanceof Uint8Array && value.byteLength > bytes
}
