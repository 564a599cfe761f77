/**
 * Surfaces: the HTTP face of each feature as one record. Routing, errors, scopes, limits, access without a key, logging and the OpenAPI
 * document are derived from these records; there is no other table of paths.
 */
import type { Hono } from 'hono'
import type { RateClass } from '../rate-classes.ts'
import type { Scope } from '../scopes.ts'
import type { AppDeps, Env } from './context.ts'
import type { Quotas } from './middleware/quotas.ts'
import type { RequestLimits } from './middleware/request-limits.ts'
import type { Endpoint } from './openapi/endpoint.ts'
import { CODED_ERRORS, type ErrorFormat } from './response/error-formats.ts'

/** Makes the routes of a surface, relative to its `mount`. */
export type CreateRoutes = (deps: AppDeps, quotas: Quotas) => Hono<Env>

/** One value for requests that change nothing, one for the others. */
export interface ReadWrite<T> {
  readonly read: T
  readonly write: T
}

/**
 * The HTTP face of a feature. Paths and prefixes are absolute; where prefixes of two surfaces hold a path, the longer one decides.
 *
 * A record is read when the server starts, and on Cloudflare with each cold request: it loads neither routes nor schemas by itself.
 *
 * @example
 * export const notes: Surface = {
 *   name: 'Notes',
 *   description: 'Notes of a caller.',
 *   mount: '/api/notes',
 *   errors: CODED_ERRORS,
 *   scopes: { read: 'read', write: 'write' },
 *   load: async () => (await import('./routes.ts')).noteRoutes,
 *   describe: async () => (await import('./routes.ts')).endpoints,
 * }
 */
export interface Surface {
  /** One upper-case word: the tag in the OpenAPI document, and the name of its errors there. Surfaces of one name are one tag. */
  readonly name: string
  readonly description: string
  /** The path that its routes are relative to. */
  readonly mount: string
  /**
   * Prefixes of its paths.
   * @default `[mount]`
   */
  readonly prefixes?: readonly string[]
  /** The shape of its errors, those of middleware included. */
  readonly errors: ErrorFormat
  readonly scopes: ReadWrite<Scope>
  /** Scopes of paths that need another one to be written to. */
  readonly writeScopes?: Readonly<Record<string, Scope>>
  /** Rate classes of requests that are counted on arrival; absent where none are. */
  readonly rates?: ReadWrite<RateClass>
  /** Rate classes of POSTs that are counted once they have created something, by path: a refused or repeated one is not counted. */
  readonly creations?: Readonly<Record<string, RateClass>>
  /** Paths that need no key; one that ends in `/` stands for all below it. */
  readonly publicPaths?: readonly string[]
  /** Likewise, of which reads alone need no key. */
  readonly publicReads?: readonly string[]
  /** Routes sent by POST because they carry a body, or make a link, that change nothing: `/api/batch/:id/stream-token`. */
  readonly readingPosts?: readonly string[]
  /** Prefixes of paths that accept WebSocket upgrades; each ends in `/`. */
  readonly sockets?: readonly string[]
  /** True where creations carry idempotency keys in their bodies: one beyond a limit is refused only after its body was read and found to be new. */
  readonly keysInBodies?: boolean
  /** Routes with a class of their own: `/api/notes/:id/status`. */
  readonly routeRates?: Readonly<Record<string, RateClass>>
  /** Bounds on the size and time of its requests, for surfaces that answer at once. */
  readonly limits?: RequestLimits
  /** Paths that are left out of the request log. */
  readonly unlogged?: readonly string[]
  /** Segments of its paths in the position of an id, which callers cannot use as ids. */
  readonly reservedIds?: readonly string[]
  /** Loads its routes. */
  load(): Promise<CreateRoutes>
  /** Loads the descriptions of its routes. */
  describe(): Promise<readonly Endpoint[]>
}

/** The surfaces of a server, and what is derived from them for a request. */
export class Surfaces implements Iterable<Surface> {
  readonly #list: readonly Surface[]
  /** Longest prefix first. */
  readonly #byPrefix: readonly (readonly [prefix: string, surface: Surface])[]
  readonly #readingPosts: readonly RegExp[]
  readonly #routeRates: readonly (readonly [route: RegExp, name: RateClass])[]
  readonly #unlogged: ReadonlySet<string>
  /** Words that callers may not bring as an id. */
  readonly reservedIds: ReadonlySet<string>

  constructor(list: readonly Surface[]) {
    this.#list = list
    this.#byPrefix = list
      .flatMap((surface) => (surface.prefixes ?? [surface.mount]).map((prefix) => [prefix, surface] as const))
      .sort(([a], [b]) => b.length - a.length)
    this.#readingPosts = list.flatMap(({ readingPosts = [] }) => readingPosts).map(patternOf)
    this.#routeRates = list
      .flatMap(({ routeRates = {} }) => Object.entries(routeRates))
      .map(([route, name]) => [patternOf(route), name] as const)
    this.#unlogged = new Set(list.flatMap(({ unlogged = [] }) => unlogged))
    this.reservedIds = new Set(list.flatMap(({ reservedIds = [] }) => reservedIds))
  }

  [Symbol.iterator](): Iterator<Surface> {
    return this.#list[Symbol.iterator]()
  }

  /** Finds the surface that a path belongs to. */
  find(path: string): Surface | undefined {
    return this.#byPrefix.find(([prefix]) => isUnder(path, prefix))?.[1]
  }

  /** Lists the surfaces that may have a route for a path. */
  candidates(path: string): Surface[] {
    return this.#list.filter(({ prefixes, mount }) =>
      [mount, ...(prefixes ?? [])].some((prefix) => isUnder(path, prefix)),
    )
  }

  /** Returns the error format of a path; `CODED_ERRORS` where it belongs to no surface. */
  errorsOf(path: string): ErrorFormat {
    return this.find(path)?.errors ?? CODED_ERRORS
  }

  /** Holds for requests that need no key. */
  isPublic(method: string, path: string): boolean {
    const { publicPaths = [], publicReads = [] } = this.find(path) ?? {}
    const paths = this.isReading(method, path) ? [...publicPaths, ...publicReads] : publicPaths
    return paths.some((one) => (one.endsWith('/') ? path.startsWith(one) : path === one))
  }

  /** Checks if a path accepts WebSocket upgrades. */
  isSocket(path: string): boolean {
    return (this.find(path)?.sockets ?? []).some((prefix) => path.startsWith(prefix))
  }

  /** Holds for requests that change nothing. */
  isReading(method: string, path: string): boolean {
    if (method === 'GET' || method === 'HEAD') return true
    return method === 'POST' && this.#readingPosts.some((route) => route.test(path))
  }

  /** Returns the scope that a request needs. A path of no surface needs a broad one, so that a new route is not open to narrow keys. */
  scopeFor(method: string, path: string): Scope {
    const { scopes = { read: 'read', write: 'write' }, writeScopes = {} } = this.find(path) ?? {}
    if (this.isReading(method, path)) return scopes.read
    return Object.hasOwn(writeScopes, path) ? (writeScopes[path] ?? scopes.write) : scopes.write
  }

  /** Returns the rate class of a POST that is counted once it has created something; null where requests are counted on arrival. */
  creationClass(method: string, path: string): RateClass | null {
    if (method !== 'POST') return null
    const { creations = {} } = this.find(path) ?? {}
    return (Object.hasOwn(creations, path) ? creations[path] : null) ?? null
  }

  /** Returns the rate class of a request; null where it has none. */
  rateClass(method: string, path: string): RateClass | null {
    const own = this.#routeRates.find(([route]) => route.test(path))
    if (own !== undefined) return own[1]
    const rates = this.find(path)?.rates
    if (rates === undefined) return null
    return this.isReading(method, path) ? rates.read : rates.write
  }

  /** Holds for paths whose requests are logged. */
  isLogged(path: string): boolean {
    return !this.#unlogged.has(path)
  }
}

const patternOf = (route: string) => new RegExp(`^${route.replace(/:\w+/g, '[^/]+')}$`)

/** Holds for a path that is the prefix, or below it. */
function isUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
