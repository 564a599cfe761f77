/** Redirects, followed explicitly so that each hop passes the same checks as the first. Runtime-free, so that every Fetcher applies the same checks. */
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
 * Calls `hop` for `start`, then for each redirect target, until an answer is no redirect.
 * @param start has passed `checkUrl`
 * @param hop one request to an address that was checked
 * @param onRedirect called for each redirect before the next hop, once its address was checked
 * @throws MillraceError URL_NOT_ALLOWED at an address that is not allowed, and after too many redirects; what `hop` throws
 */
export async function followRedirects<Answer>(
  policy: UrlPolicy,
  exchange: Exchange,
  start: URL,
  hop: (url: URL) => Promise<Answer>,
  headOf: (answer: Answer) => Head,
  onRedirect: (redirect: { status: number; from: URL; to: URL }) => void = () => {},
): Promise<{ url: URL; answer: Answer }> {
  let url = start
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const answer = await hop(url)
    const { status, location } = headOf(answer)
    if (!isRedirect(status) || location === undefined) return { url, answer }
    exchange.release()
    const to = checkRedirect(url, location, policy)
    onRedirect({ status, from: url, to })
    url = to
  }
  throw refusal(`The website forwards this link more than ${MAX_REDIRECTS} times.`)
}
