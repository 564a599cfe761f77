/** Public look-ups, without a key, by codes that must not be guessable: pages, results, calendars. */
import type { Context } from 'hono'
import type { AppDeps, Env } from '../context.ts'
import type { Quotas } from '../middleware/quotas.ts'
import { clientAddress } from '../request/client-address.ts'
import { GuessPace } from './guess-pace.ts'

export type LookupDeps = Pick<AppDeps, 'clock' | 'peerAddress' | 'trustProxy'>

/** The end of a look-up: `found` is null where nothing is there, or where the address has guessed too often and may retry after so many seconds. */
export interface Lookup<T> {
  readonly found: T | null
  readonly retryAfter: number | null
}

/** One pace for the process, or the isolate: guesses of cards and of results by an address count together. */
const pace = new GuessPace()

/**
 * Makes the function for public look-ups.
 * @returns a function that always returns what `find` finds. A miss is counted for the address of the client, which beyond the limit
 * `pages.miss` gets a `Retry-After`. An address is paced to 10 misses a second, so that codes cannot be guessed.
 */
export function publicLookups(deps: LookupDeps, quotas: Quotas) {
  return async <T>(c: Context<Env>, find: () => Promise<T | null>): Promise<Lookup<T>> => {
    // Keeps the page out of search engines: it is for those who were given the address.
    c.header('X-Robots-Tag', 'noindex')
    // Makes caches revalidate, so that they do not serve what was deleted or made private.
    c.header('Cache-Control', 'no-cache')
    const address = addressOf(c, deps)
    const takeBack = quotas.limits('pages.miss') ? await pace.enter(address, deps.clock) : () => {}
    if (takeBack === null) return refused(c, 1)
    const found = await find()
    if (found !== null) {
      takeBack()
      return { found, retryAfter: null }
    }
    const standing = await quotas.consume('pages.miss', address)
    if (standing?.allowed === false) return refused(c, Math.ceil((standing.resetAt - deps.clock.now()) / 1_000))
    return { found: null, retryAfter: null }
  }
}

function refused(c: Context<Env>, seconds: number): Lookup<never> {
  const retryAfter = Math.max(1, seconds)
  c.header('Retry-After', String(retryAfter))
  return { found: null, retryAfter }
}

function addressOf(c: Context<Env>, { peerAddress, trustProxy }: LookupDeps): string {
  return clientAddress(peerAddress?.(c.env, c.req.raw) ?? null, c.req.header('X-Forwarded-For'), trustProxy)
}
