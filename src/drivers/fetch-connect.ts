/**
 * The addresses that a Node Fetcher connects to: looked up, checked, and pinned. A caller names the URL, so its server is not
 * trusted: every address found is checked, and the socket connects to those addresses alone.
 */
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { buildConnector } from 'undici'
import type { FairSemaphore } from '../fair-semaphore.ts'
import type { Clock } from '../ports.ts'
import { createLookup, type Lookup } from './dns-lookup.ts'
import {
  bareHost,
  canonicalAddress,
  isPublicAddress,
  isWebPort,
  portOf,
  privateRefusal,
  type UrlPolicy,
} from './fetch-address.ts'
import { createFetchSlots } from './fetch-exchange.ts'

/** Options of a Node Fetcher. */
export interface NodeFetcherOptions extends UrlPolicy {
  /** Clock by which a Retry-After date becomes a delay. */
  readonly clock?: Clock
  /** Finds the addresses of names; default by the system's DNS servers. */
  readonly lookup?: Lookup
  /** Requests of an owner in flight at once. @default 16 */
  readonly perOwner?: number
  /** Checks if an address may be connected to, on that port. Tests replace it to have allowed and forbidden addresses on one machine. */
  readonly permits?: (address: string, port: number) => boolean
}

export type Guard = Required<Omit<NodeFetcherOptions, 'allowPrivate' | 'perOwner'>> &
  UrlPolicy & { readonly slots: FairSemaphore }

/** Completes options by their defaults, with slots of its own. */
export function createGuard(options: NodeFetcherOptions): Guard {
  return {
    allowPrivate: options.allowPrivate,
    clock: options.clock ?? Date,
    lookup: options.lookup ?? createLookup(),
    permits: options.permits ?? (options.allowPrivate === true ? () => true : isForeignAndPublic),
    slots: createFetchSlots(options.perOwner),
  }
}

/** Delay before the next of a name's addresses is tried; Node's default of 250 ms fails on distant servers. */
const NEXT_ADDRESS_MS = 1000

/**
 * All addresses of the URL's host. One bad address refuses them all: a public name with a private address among its
 * answers is an attempt to slip through, not a website.
 */
export async function resolve(
  guard: Guard,
  url: URL,
  signal?: AbortSignal,
): Promise<[LookupAddress, ...LookupAddress[]]> {
  const host = bareHost(url)
  const family = isIP(host)
  const options = signal === undefined ? { all: true as const } : { all: true as const, signal }
  const found = family > 0 ? [{ address: host, family }] : await guard.lookup(host, options)
  const [first, ...rest] = found
  if (first === undefined) throw Object.assign(new Error('The name has no address.'), { code: 'ENOTFOUND' })
  if (!found.every(({ address }) => guard.permits(address, portOf(url)))) throw privateRefusal()
  return [first, ...rest]
}

/** Makes a connector whose look-up returns only checked addresses, and which checks the connected address once more. */
export function pinnedConnector(
  guard: Guard,
  addresses: [LookupAddress, ...LookupAddress[]],
  bounds: { readonly timeout: number; readonly signal?: AbortSignal },
): buildConnector.connector {
  const [first] = addresses
  const dial = buildConnector({
    allowH2: false,
    maxCachedSessions: 0,
    ...bounds,
    rejectUnauthorized: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    lookup: (_hostname, options, callback) =>
      options.all === true ? callback(null, addresses) : callback(null, first.address, first.family),
  })
  return (options, callback) =>
    dial(options, (error, socket) => {
      if (error !== null) return callback(error, null)
      const { remoteAddress = '', remotePort = 0 } = socket
      // A socket that has already been closed again has no address; the request then fails by itself.
      if (socket.destroyed || guard.permits(remoteAddress, remotePort)) return callback(null, socket)
      socket.destroy()
      callback(privateRefusal(), null)
    })
}

/**
 * The default for `permits`: public, and if it is one of this machine's own addresses, then on a web port. A
 * connection to itself bypasses the firewall that protects the machine's other ports.
 */
export function isForeignAndPublic(address: string, port: number): boolean {
  if (!isPublicAddress(address)) return false
  if (isWebPort(port)) return true
  const wanted = canonicalAddress(address)
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return own.every((entry) => canonicalAddress(entry.address) !== wanted)
}
