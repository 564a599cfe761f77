/** Redirects, followed by hand so that each hop passes the same gate as the first. Runtime-free, so that every Fetcher keeps the same gate. */
import { checkRedirect, refusal, type UrlPolicy } from './fetch-address.ts'
import type { Exchange } from './fetch-exchange.ts'
import { isRedirect } from './fetch-response.ts'

const MAX_REDIRECTS = 5

/** Parts of a response that show whether it is a redirect. */
interface Head {
  readonly status: number
  /** The header as it came. */
  readonly location: string | undefined
}

/**
 * Asks `hop` for `start`, then for each address that an answer names, until one names none.
 * @param start has passed `checkUrl`
 * @param hop one request to an address that was checked
 * @throws MillraceError URL_NOT_ALLOWED at an address that is not allowed, and after too many redirects; what `hop` throws
 */
export async function followRedirects<Answer>(
  policy: UrlPolicy,
  exchange: Exchange,
  start: URL,
  hop: (url: URL) => Promise<Answer>,
  headOf: (answer: Answer) => Head,
): Promise<{ url: URL; answer: Answer }> {
  let url = start
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const answer = await hop(url)
    const { status, location } = headOf(answer)
    if (!isRedirect(status) || location === undefined) return { url, answer }
    exchange.release()
    url = checkRedirect(url, location, policy)
  }
  throw refusal(`The website forwards this link more than ${MAX_REDIRECTS} times.`)
}
