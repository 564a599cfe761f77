/**
 * A libSQL server for tests, over a real libSQL file: "Hrana over HTTP" version 2 in JSON, which is what `@libsql/client` speaks to a server
 * by URL. A stream lives no longer than the request that opens it, as the server may decide; cursors and `describe` are left out. From
 * HTTP_V2_SPEC.md and HRANA_2_SPEC.md of github.com/tursodatabase/libsql.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import Connection from 'libsql'
import { z } from 'zod'

const Value = z.discriminatedUnion('type', [
  z.object({ type: z.literal('null') }),
  z.object({ type: z.literal('integer'), value: z.string() }),
  z.object({ type: z.literal('float'), value: z.number() }),
  z.object({ type: z.literal('text'), value: z.string() }),
  z.object({ type: z.literal('blob'), base64: z.string() }),
])
const Statement = z.object({
  sql: z.string().optional(),
  sql_id: z.int().optional(),
  args: z.array(Value).default([]),
  want_rows: z.boolean().default(true),
})
type Statement = z.infer<typeof Statement>

interface Condition {
  readonly type: 'ok' | 'error' | 'not' | 'and' | 'or'
  readonly step?: number | undefined
  readonly cond?: Condition | undefined
  readonly conds?: readonly Condition[] | undefined
}
const Condition: z.ZodType<Condition> = z.object({
  type: z.enum(['ok', 'error', 'not', 'and', 'or']),
  step: z.int().optional(),
  get cond() {
    return Condition.optional()
  },
  get conds() {
    return z.array(Condition).optional()
  },
})
const Batch = z.object({
  steps: z.array(z.object({ stmt: Statement, condition: Condition.nullish() })),
})
const Request = z.discriminatedUnion('type', [
  z.object({ type: z.literal('close') }),
  z.object({ type: z.literal('execute'), stmt: Statement }),
  z.object({ type: z.literal('batch'), batch: Batch }),
  z.object({ type: z.literal('sequence'), sql: z.string() }),
  z.object({ type: z.literal('store_sql'), sql_id: z.int(), sql: z.string() }),
  z.object({ type: z.literal('close_sql'), sql_id: z.int() }),
])
const Pipeline = z.object({ baton: z.string().nullish(), requests: z.array(Request) })

/** What a statement gave, and what went wrong with it, as they travel. */
type StatementResult = Readonly<Record<string, unknown>>
interface Failure {
  readonly message: string
  readonly code: string
}

/** One stream: a connection, and the SQL that its client stored here. */
class Stream {
  readonly #db: Connection.Database
  readonly #stored = new Map<number, string>()

  constructor(file: string) {
    // What another has locked is refused at once: the client is to wait.
    this.#db = new Connection(file, { timeout: 0 })
  }

  /** The answer to one request. Throws what SQLite throws. */
  answer(request: z.infer<typeof Request>): Readonly<Record<string, unknown>> {
    const { type } = request
    if (type === 'execute') return { type, result: this.#execute(request.stmt) }
    if (type === 'batch') return { type, result: this.#batch(request.batch) }
    if (type === 'sequence') this.#db.exec(request.sql)
    if (type === 'store_sql') this.#stored.set(request.sql_id, request.sql)
    if (type === 'close_sql') this.#stored.delete(request.sql_id)
    return { type }
  }

  close(): void {
    this.#db.close()
  }

  /** Every step whose condition holds, whatever became of those before it. */
  #batch({ steps }: z.infer<typeof Batch>): unknown {
    const results: (StatementResult | null)[] = []
    const errors: (Failure | null)[] = []
    const holds = ({ type, step = -1, cond, conds = [] }: Condition): boolean => {
      if (type === 'ok') return results[step] !== null
      if (type === 'error') return errors[step] !== null
      if (type === 'not') return cond !== undefined && !holds(cond)
      return type === 'and' ? conds.every(holds) : conds.some(holds)
    }
    for (const { stmt, condition } of steps) {
      let result: StatementResult | null = null
      let failure: Failure | null = null
      if (condition === null || condition === undefined || holds(condition)) {
        try {
          result = this.#execute(stmt)
        } catch (error) {
          failure = failureOf(error)
        }
      }
      results.push(result)
      errors.push(failure)
    }
    return { step_results: results, step_errors: errors }
  }

  #execute({ sql, sql_id, args, want_rows }: Statement): StatementResult {
    const words = sql ?? this.#stored.get(sql_id ?? -1)
    if (words === undefined) throw new Error(`No SQL is stored as ${sql_id}.`)
    const none = { cols: [], rows: [], affected_row_count: 0, last_insert_rowid: null }
    if (/^\s*(begin|commit|rollback)\b/i.test(words)) {
      this.#db.exec(words)
      return none
    }
    const statement = this.#db.prepare(words)
    const values = args.map(bound)
    if (!statement.reader) {
      const { changes, lastInsertRowid } = statement.run(values)
      return { ...none, affected_row_count: changes, last_insert_rowid: String(lastInsertRowid) }
    }
    const cells = z.array(z.array(z.unknown()))
    const rows = cells.parse(statement.raw(true).safeIntegers(true).all(values))
    const cols = statement.columns().map(({ name, type }) => ({ name, decltype: type }))
    return { ...none, cols, rows: want_rows ? rows.map((row) => row.map(told)) : [] }
  }
}

function bound(value: z.infer<typeof Value>): unknown {
  if (value.type === 'null') return null
  if (value.type === 'integer') return BigInt(value.value)
  return value.type === 'blob' ? Buffer.from(value.base64, 'base64') : value.value
}

function told(value: unknown): z.infer<typeof Value> {
  if (typeof value === 'bigint') return { type: 'integer', value: String(value) }
  if (typeof value === 'number') return { type: 'float', value }
  if (typeof value === 'string') return { type: 'text', value }
  return value instanceof Uint8Array
    ? { type: 'blob', base64: Buffer.from(value).toString('base64') }
    : { type: 'null' }
}

function failureOf(error: unknown): Failure {
  const code = error instanceof Connection.SqliteError ? error.code : 'UNKNOWN'
  return { message: `SQLite error: ${error instanceof Error ? error.message : String(error)}`, code }
}

/** No part of the protocol: what another process may do to the file. Holds its write lock for so many milliseconds. */
async function hold(file: string, ms: number): Promise<null> {
  const db = new Connection(file)
  db.exec('BEGIN IMMEDIATE')
  await new Promise((resolve) => setTimeout(resolve, ms))
  db.exec('COMMIT')
  db.close()
  return null
}

async function answer(request: IncomingMessage, response: ServerResponse, file: string, token: string) {
  const send = (status: number, body: unknown) =>
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  if (request.headers.authorization !== `Bearer ${token}`) return send(401, { error: 'The token is not valid.' })
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
  if (pathname === '/hold') return send(200, await hold(file, Number(searchParams.get('ms'))))
  if (request.method !== 'POST' || pathname !== '/v2/pipeline') return send(404, { error: 'There is nothing here.' })
  const pipeline = Pipeline.safeParse(JSON.parse(await text(request)))
  if (!pipeline.success) return send(400, { error: z.prettifyError(pipeline.error) })
  if (typeof pipeline.data.baton === 'string') return send(400, { error: 'The stream of this baton is closed.' })
  const stream = new Stream(file)
  try {
    const results = pipeline.data.requests.map((one) => {
      try {
        return { type: 'ok', response: stream.answer(one) }
      } catch (error) {
        return { type: 'error', error: failureOf(error) }
      }
    })
    return send(200, { baton: null, base_url: null, results })
  } finally {
    stream.close()
  }
}

/**
 * Starts one on loopback.
 * @param file of the database, which has its schema
 * @param token that every request must bring
 */
export async function startHranaServer(file: string, token: string): Promise<{ origin: string; close(): void }> {
  const server = createServer((request, response) => {
    answer(request, response, file, token).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
