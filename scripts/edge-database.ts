/** Which database the Worker reads, for the scripts that have something to do there: D1, or a libSQL server by `DATABASE_URL`. */
import { join } from 'node:path'
import { type Config, ConfigError } from '../src/config.ts'
import { openLibsql } from '../src/drivers/db-libsql.ts'

/**
 * Opens the libSQL server that `DATABASE_URL` names, and brings its tables up to date, as `npm start` would.
 * @returns null where it names none, and the Worker reads D1
 * @throws ConfigError where it names a file, which no Worker can open, and where the server can't be reached
 */
export async function openServer(config: Config): Promise<Awaited<ReturnType<typeof openLibsql>> | null> {
  const { databaseUrl: url, databaseAuthToken: token } = config
  if (url === null) return null
  if (/^file:/i.test(url)) {
    throw new ConfigError(
      'DATABASE_URL names a file, and a Worker has none: leave it out for D1, or name a libSQL server (libsql://…). For a file there are npm start and npm run keys.',
    )
  }
  const migrations = join(import.meta.dirname, '..', 'drizzle')
  try {
    return await openLibsql(url, { migrations, ...(token === null ? {} : { authToken: token }) })
  } catch (error) {
    throw new ConfigError(`The database at DATABASE_URL cannot be opened: ${causeOf(error)}.`)
  }
}

/** Returns the message of an error's innermost cause, since the outer errors repeat the query. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : causeOf(error.cause)
}
