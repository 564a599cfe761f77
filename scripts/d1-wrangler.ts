/** D1 as `wrangler d1 execute` reaches it: the database of this machine, or the deployed one, by the rights that wrangler has. */
import { z } from 'zod'
import { ConfigError } from '../src/config.ts'
import type { D1Answer, D1Client, D1Statement } from '../src/drivers/db-d1.ts'
import { runWrangler } from './wrangler.ts'

/** Output of `--json`: one result for each statement. */
const Printed = z.array(z.object({ results: z.array(z.record(z.string(), z.unknown())) }))

/** A statement whose values are written into it, since the command takes no parameters. */
class Written implements D1Statement {
  readonly #client: WranglerD1
  readonly sql: string

  constructor(client: WranglerD1, sql: string) {
    this.#client = client
    this.sql = sql
  }

  bind(...values: unknown[]): Written {
    return new Written(this.#client, writtenOut(this.sql, values))
  }

  async all(): Promise<D1Answer> {
    const [answer] = await this.#client.batch([this])
    return answer ?? { results: [] }
  }

  run(): Promise<D1Answer> {
    return this.all()
  }

  async raw(): Promise<unknown[][]> {
    return (await this.all()).results.map((row) => Object.values(row))
  }
}

/** The client. Statements of a batch are one transaction, as D1 has it. */
export class WranglerD1 implements D1Client<Written> {
  readonly #args: readonly string[]
  readonly #migrate: (() => Promise<void>) | null

  /**
   * @param args which database, and where: `['millrace', '--remote']`
   * @param migrate brings its tables up to date; called where one of them is found missing or old
   */
  constructor(args: readonly string[], migrate: (() => Promise<void>) | null = null) {
    this.#args = args
    this.#migrate = migrate
  }

  prepare(sql: string): Written {
    return new Written(this, sql)
  }

  /** @throws ConfigError with what wrangler printed, where it failed or cannot be read */
  async batch(statements: readonly Written[]): Promise<D1Answer[]> {
    const command = statements.map(({ sql }) => sql).join(';\n')
    const run = () => runWrangler(['d1', 'execute', ...this.#args, '--json', '--command', command])
    return printed(
      await run().catch(async (error: unknown) => {
        if (this.#migrate === null || !OLD_TABLES.test(String(error))) throw error
        await this.#migrate()
        return run()
      }),
    )
  }
}

/** Errors that SQLite reports for a statement that it cannot prepare, so that nothing of it was done. */
const OLD_TABLES = /no such (table|column)|has no column named/

function printed(said: string): D1Answer[] {
  try {
    return Printed.parse(JSON.parse(said))
  } catch {
    throw new ConfigError(
      `What wrangler d1 execute printed is not what was asked for, though it may have done it. Look at the list of keys.\n${said.trim()}`,
    )
  }
}

/** Puts values where the question marks are that stand outside quotes. */
function writtenOut(sql: string, values: readonly unknown[]): string {
  const rest = [...values]
  return sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\?/g, (part) => (part === '?' ? literal(rest.shift()) : part))
}

/** A value as SQLite writes it (lang_expr.html, "Literal Values"). Texts by their bytes: wrangler changes what it takes for a transaction. */
function literal(value: unknown): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  if (typeof value === 'string') return `CAST(x'${Buffer.from(value).toString('hex')}' AS TEXT)`
  throw new TypeError(`No value for a statement: ${String(value)}`)
}
