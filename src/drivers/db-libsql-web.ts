/** The Database port on a libSQL server over HTTP, for runtimes without sockets. Its schema is brought up to date by `DATABASE_URL=… npm start` or the server's own tools. */
import { createClient } from '@libsql/client/web'
import { drizzle } from 'drizzle-orm/libsql/web'
import type { Database } from '../ports.ts'
import { RetryingClient } from './db-libsql-retry.ts'

/** Requests that one invocation of a Worker may make to it; Workers allow 1,000 in all. */
const REQUESTS = 900
/** Each try is a request. */
const LONGEST_PAUSE_MS = 500

/**
 * Opens a client for one request, since its connections belong to that.
 * @param url `libsql:` or `https:`
 * @returns the database, and how many requests are left of those an invocation may make
 */
export function openLibsqlWeb(
  url: string,
  authToken: string | null,
): { db: Database; meter: { readonly left: number } } {
  let left = REQUESTS
  const client = createClient({
    url,
    ...(authToken === null ? {} : { authToken }),
    fetch: (request: Request) => {
      left--
      return fetch(request)
    },
  })
  return {
    db: drizzle(new RetryingClient(client, LONGEST_PAUSE_MS)),
    meter: {
      get left() {
        return left
      },
    },
  }
}
