/**
 * A libSQL client over one file. The library's own client prepares every statement anew and defines each cell of each row twice, which
 * costs as much as running the statement; here statements stay prepared, and a row is one object.
 */
import {
  type Client,
  type InArgs,
  type InStatement,
  type InValue,
  LibsqlError,
  type Replicated,
  type ResultSet,
  type Row,
  type TransactionMode,
  type Value,
} from '@libsql/core/api'
import Connection from 'libsql'
import { pathOfUrl } from './data-files.ts'
import { FileIdentity } from './db-libsql-path.ts'
import { guardText, type OnBadText, withText } from './db-libsql-text.ts'

/** Statements kept prepared; those used longest ago go first. Few more are ever written in one server. */
const MAX_PREPARED = 300
const WRITE = 'BEGIN IMMEDIATE'
const WRITES = /^\s*(insert|update|delete|replace|with|create|alter|drop)\b/i

/** Layout of the rows of a statement. */
interface Shape {
  readonly columns: string[]
  readonly types: string[]
  /** Prototype of its rows: their length, and cells by index. Null where two columns share a name. */
  readonly prototype: object | null
}

interface Prepared {
  readonly statement: Connection.Statement
  /** Null for a statement that gives no rows. */
  readonly shape: Shape | null
  /** True where its text comes as `withText` takes it. */
  readonly guarded: boolean
}

/**
 * One connection to a file. Every call runs to its end at once, so nothing comes between the statements of a batch. Integers beyond 2⁵³
 * lose their last digits. What another process has locked is refused at once, as SQLITE_BUSY.
 */
export class FileClient implements Client {
  readonly protocol = 'file'
  readonly #db: Connection.Database
  readonly #identity: FileIdentity
  readonly #prepared = new Map<string, Prepared>()

  readonly #onBadText: OnBadText

  /**
   * @param url `file:///absolute`, `file:relative`
   * @param onBadText called for text that is not UTF-8, which another program wrote
   */
  constructor(url: string, onBadText: OnBadText = () => {}) {
    this.#onBadText = onBadText
    const path = pathOfUrl(url)
    this.#db = new Connection(path, { timeout: 0 })
    this.#identity = new FileIdentity([path, `${path}-wal`])
  }

  get closed(): boolean {
    return !this.#db.open
  }

  execute(statement: InStatement): Promise<ResultSet>
  execute(sql: string, args?: InArgs): Promise<ResultSet>
  async execute(statement: InStatement, args: InArgs = []): Promise<ResultSet> {
    const parts = typeof statement === 'string' ? ([statement, args] as const) : partsOf(statement)
    if (!WRITES.test(parts[0])) return this.#run(...parts)
    const [result] = this.#commit(WRITE, [parts])
    if (result === undefined) throw new Error('A statement that was run has a result.')
    return result
  }

  /** All of the statements, or none. */
  async batch(
    statements: Array<InStatement | [string, InArgs?]>,
    mode: TransactionMode = 'deferred',
  ): Promise<ResultSet[]> {
    return this.#commit(mode === 'write' ? WRITE : 'BEGIN', statements.map(partsOf))
  }

  async migrate(statements: InStatement[]): Promise<ResultSet[]> {
    this.#run('PRAGMA foreign_keys = OFF', [])
    try {
      return this.#commit(WRITE, statements.map(partsOf))
    } finally {
      this.#run('PRAGMA foreign_keys = ON', [])
    }
  }

  async executeMultiple(sql: string): Promise<void> {
    this.#exec(sql)
  }

  transaction(): never {
    throw new Error('Interactive transactions do not exist on every runtime: use batch.')
  }

  async sync(): Promise<Replicated> {
    return undefined
  }

  reconnect(): void {}

  close(): void {
    this.#prepared.clear()
    this.#db.close()
  }

  /**
   * Every write happens in here, because a prepared statement that found the database locked stays half run, without a way to reset it,
   * and as long as it does no commit of this connection is let through. What is executed as text leaves nothing behind, and a statement
   * that is run under the write lock never finds it taken.
   */
  #commit(begin: string, parts: readonly (readonly [string, InArgs])[]): ResultSet[] {
    if (begin === WRITE && this.#db.open) this.#identity.check()
    this.#exec(begin)
    try {
      const results = parts.map(([sql, args]) => this.#run(sql, args))
      this.#exec('COMMIT')
      return results
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  /** Some errors have rolled back already. One of the rollback itself would hide what went wrong. */
  #rollBack(): void {
    try {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
    } catch {}
  }

  #exec(sql: string): void {
    try {
      this.#db.exec(sql)
    } catch (error) {
      throw asLibsqlError(error)
    }
  }

  #run(sql: string, args: InArgs): ResultSet {
    const values = Array.isArray(args) ? args.map(toSql) : args
    try {
      const { statement, shape, guarded } = this.#prepare(sql)
      if (shape === null) {
        const { changes, lastInsertRowid } = statement.run(values)
        return new FileResult({ columns: [], types: [] }, [], changes, BigInt(lastInsertRowid))
      }
      return new FileResult(
        shape,
        statement.all(values).map((cells) => rowOf(shape, cells, guarded ? this.#onBadText : null)),
        0,
        undefined,
      )
    } catch (error) {
      throw asLibsqlError(error)
    }
  }

  #prepare(sql: string): Prepared {
    const kept = this.#prepared.get(sql)
    // Taken out and put back, so that the map stays in the order of last use.
    this.#prepared.delete(sql)
    const prepared = kept ?? prepare(this.#db, sql)
    this.#prepared.set(sql, prepared)
    if (this.#prepared.size > MAX_PREPARED) {
      for (const [oldest] of [...this.#prepared].slice(0, MAX_PREPARED / 2)) this.#prepared.delete(oldest)
    }
    return prepared
  }
}

function prepare(db: Connection.Database, sql: string): Prepared {
  const statement = db.prepare(sql)
  if (!statement.reader) return { statement, shape: null, guarded: false }
  const shape = shapeOf(statement.raw(true))
  const other = guardText(sql, shape.columns.length)
  if (other === null) return { statement, shape, guarded: false }
  try {
    return { statement: db.prepare(other).raw(true), shape, guarded: true }
  } catch {
    // A statement that begins with WITH may write, and is no part of another.
    return { statement, shape, guarded: false }
  }
}

function shapeOf(statement: Connection.Statement): Shape {
  const columns = statement.columns()
  const names = columns.map(({ name }) => name)
  const types = columns.map(({ type }) => type ?? '')
  if (new Set(names).size < names.length) return { columns: names, types, prototype: null }
  const prototype = Object.defineProperty({}, 'length', { value: names.length, writable: true })
  for (const [index, name] of names.entries()) {
    Object.defineProperty(prototype, index, {
      get(this: Row) {
        return this[name]
      },
    })
  }
  return { columns: names, types, prototype }
}

/** A row as the client library makes it: names are enumerable, `length` and indices are not. */
function rowOf({ columns, prototype }: Shape, raw: unknown, onBadText: OnBadText | null): Row {
  if (!Array.isArray(raw)) throw new TypeError('A raw statement gives its rows as arrays.')
  const cells = onBadText === null ? raw : withText(raw, columns, onBadText)
  if (!isCells(cells)) throw new TypeError('A raw statement gives its rows as arrays.')
  const row: Row = Object.create(prototype ?? Object.prototype)
  for (const [index, name] of columns.entries()) {
    const value = cells[index] ?? null
    if (prototype === null) Object.defineProperty(row, index, { value })
    if (prototype !== null || !Object.hasOwn(row, name)) row[name] = value
  }
  if (prototype === null) Object.defineProperty(row, 'length', { value: columns.length })
  return row
}

function isCells(value: unknown): value is Value[] {
  return Array.isArray(value)
}

/** @throws TypeError for what SQLite has no value for */
function toSql(value: InValue): unknown {
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Date) return value.valueOf()
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  if (typeof value === 'string') return withoutHalves(value)
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    throw Object.assign(new TypeError(`${value} can't be passed to the database.`), { code: 'SQLITE_MISMATCH' })
  }
  return value
}

/**
 * Halves of surrogate pairs in JSON, as JSON.stringify writes them, become U+FFFD. SQLite would make bytes of them that are no UTF-8, and
 * reading such bytes ends the process: the library panics. A backslash that is itself escaped begins nothing.
 */
function withoutHalves(value: string): string {
  if (!/\\ud[89a-f]/i.test(value) || !/^\s*[[{"]/.test(value)) return value
  return value.replace(HALVES, (whole, slashes: string) => {
    if (slashes.length % 2 === 0) return whole
    return PAIR.test(whole) ? whole : `${slashes}ufffd`
  })
}

/** An escaped half, together with the one that makes it a character where that follows. */
const HALVES = /(\\+)u(?:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|d[89a-f][0-9a-f]{2})/gi
const PAIR = /ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}$/i

function partsOf(statement: InStatement | [string, InArgs?]): readonly [string, InArgs] {
  if (typeof statement === 'string') return [statement, []]
  return Array.isArray(statement) ? [statement[0], statement[1] ?? []] : [statement.sql, statement.args ?? []]
}

/** Base codes of SQLite that callers distinguish. https://www.sqlite.org/rescode.html */
const BASE_CODES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  19: 'SQLITE_CONSTRAINT',
  26: 'SQLITE_NOTADB',
}

function asLibsqlError(error: unknown): unknown {
  if (!(error instanceof Connection.SqliteError)) return error
  const { message, code, rawCode } = error
  const base = rawCode === undefined ? undefined : BASE_CODES[rawCode & 0xff]
  return new LibsqlError(message, base ?? code, code, rawCode, error)
}

class FileResult implements ResultSet {
  readonly columns: string[]
  readonly columnTypes: string[]
  readonly rows: Row[]
  readonly rowsAffected: number
  readonly lastInsertRowid: bigint | undefined

  constructor(
    shape: { columns: string[]; types: string[] },
    rows: Row[],
    rowsAffected: number,
    lastInsertRowid: bigint | undefined,
  ) {
    this.columns = shape.columns
    this.columnTypes = shape.types
    this.rows = rows
    this.rowsAffected = rowsAffected
    this.lastInsertRowid = lastInsertRowid
  }

  toJSON(): Record<string, unknown> {
    return { columns: this.columns, columnTypes: this.columnTypes, rows: this.rows.map((row) => Object.values(row)) }
  }
}
