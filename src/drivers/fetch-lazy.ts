/** A Fetcher whose code is loaded by its first request: many servers fetch nothing, and undici is larger than all the rest of a start. */
import type { Fetcher } from '../ports.ts'

/**
 * Makes the Fetcher.
 * @param load makes the one that does the work; called once
 */
export function createLazyFetcher(load: () => Promise<Fetcher>): Fetcher {
  let loading: Promise<Fetcher> | null = null
  const loaded = () => {
    loading ??= load()
    return loading
  }
  return {
    fetch: async (url, limits) => (await loaded()).fetch(url, limits),
    send: async (url, message) => (await loaded()).send(url, message),
    request: async (url, request) => (await loaded()).request(url, request),
  }
}
