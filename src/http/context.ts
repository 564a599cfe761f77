/** Types that the parts of a route share: the caller, and the dependencies that the server was given. */

import type { MiddlewareHandler } from 'hono'
import type { JWKSCacheInput } from 'jose'
import type { Chunks } from '../chunk-source.ts'
import type { Meter } from '../engine/meter.ts'
import type { StorageQuota } from '../engine/storage-quota.ts'
import type { ReserveQuota } from '../engine/transitions/submission.ts'
import type { StreamHub } from '../live/stream-hub.ts'
import type { MediaLister } from '../media-ports.ts'
import type { DeclaredOperations, Operations } from '../operation.ts'
import type {
  Assets,
  BlobStore,
  Clock,
  Compute,
  Database,
  Disk,
  Dispatcher,
  Fetcher,
  Log,
  Notifier,
  Sink,
  VectorServices,
} from '../ports.ts'
import type { RateLimits } from '../rate-classes.ts'
import type { Scope } from '../scopes.ts'
import type { Speech } from '../speech-ports.ts'
import type { Credential } from './auth/stream-auth-monitor.ts'
import type { TrustProxy } from './request/client-address.ts'

/** The identity and rights of a caller. */
export interface Caller {
  /** Owner whose rows it may see. */
  readonly owner: string
  /** Scopes that it was granted. */
  readonly scopes: readonly Scope[]
  /** False for calls without a key, which run as owner `local` under `open`. */
  readonly authenticated: boolean
  /** Credential that authenticated it. */
  readonly credential: Credential
}

/** The variables of a request. */
export interface Env {
  Variables: {
    caller: Caller
    requestId: string
    /** Segments of the server's paths in the position of an id. */
    reservedIds: ReadonlySet<string>
    /** Bytes that a body may have once it is unpacked, where its surface bounds that. */
    maxBodyBytes?: number
    /** Returns the bytes of the largest element, at least, of an array in the JSON body, by the array's name. Set where a JSON body was read. */
    largestElement: (name: string) => number
    /** Counts a creation against its quota, where it is limited. */
    admit?: ReserveQuota
  }
}

/** Begins a streamed answer: the headers go out, the sink takes the rest. `binding` is what the runtime handed to the app. */
export type OpenSink = (
  binding: unknown,
  headers: Readonly<Record<string, string>>,
  request: Request,
) => { response: Response; sink: Sink }

/** Accepts the WebSocket that a request asks for. `binding` is what the runtime handed to the app. */
export type OpenSocket = (binding: unknown) => { response: Response; sink: Sink }

/** The keys of a JWKS. */
export interface JwksCache {
  /** Keys as fetched, and the time of the fetch; empty until then. */
  readonly fetched: JWKSCacheInput
  /** Time of the last failed fetch, in milliseconds since the epoch. */
  failedAt: number
}

/** Configuration of authentication and CORS. */
export interface AuthConfig {
  /** `open` also takes calls without a key, as owner `local`; only for loopback. */
  readonly mode: 'open' | 'keys'
  /** A key from the environment, for the owner `local`. */
  readonly apiKey: string | null
  /** Secret that verifies JWTs (HS256) of a foreign issuer, at least 32 bytes; null where none are accepted. */
  readonly jwtSecret: string | null
  /** URL of the JWKS (RFC 7517) that verifies JWTs signed with private keys; absent where none are accepted. */
  readonly jwksUrl?: string | null
  /** Cache of those keys once fetched. Passed by an entry that creates the app anew for each request; plain data. */
  readonly jwksCache?: JwksCache
  /** Required `iss` of a JWT; absent: anything. */
  readonly jwtIssuer?: string | null
  /** Required `aud` of a JWT, as its value or one of its values; absent: anything. */
  readonly jwtAudience?: string | null
  /** Seconds that the clock of an issuer may differ from ours. Default 60. */
  readonly jwtLeewaySeconds?: number
  /** Signs tokens for streams; at least 32 bytes of randomness. */
  readonly signingKey: string
  /** Browser origins that may call, beside loopback ones under `open`; `*` for all. */
  readonly corsOrigins: readonly string[]
}

/** The address of the connection that a request came over, as the runtime knows it; null where it does not say. */
export type PeerAddress = (binding: unknown, request: Request) => string | null

/** Figures of a process, for its operator. */
export interface ProcessFigures {
  /** CPU time since its start, of all its threads. */
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** Seconds since the epoch. */
  readonly startedAt: number
  /** Longest delay of its event loop since the last call. */
  readonly eventLoopDelaySeconds: number
}

/** Everything a server is made of, chosen by an entry. */
export interface AppDeps {
  readonly db: Database
  readonly clock: Clock
  readonly blobs: BlobStore
  readonly dispatcher: Dispatcher
  readonly notifier: Notifier
  readonly operations: Operations
  /** Operations that owners declared; absent: there are none. */
  readonly declared?: DeclaredOperations
  /** Aborts when the server stops, for requests that wait; absent where none outlives it. */
  readonly stopping?: AbortSignal
  readonly hub: StreamHub
  readonly meter: Meter
  readonly openSink: OpenSink
  readonly openSocket: OpenSocket
  readonly compute: Compute
  readonly fetcher: Fetcher
  /**
   * Aborts the connection of an answer that can't be finished, so that the client does not take it for complete. `binding` is
   * what the runtime handed to the app. Absent where a body that fails does that by itself.
   */
  readonly abortResponse?: (binding: unknown) => void
  /** Connections of this process: how many are open, and how many were refused since the start. Absent where the platform holds them. */
  readonly connections?: { readonly open: number; readonly refused: number }
  /** Metrics of this process; absent where the platform measures them. */
  readonly readProcess?: () => ProcessFigures
  readonly log: Log
  readonly auth: AuthConfig
  readonly chunks: Chunks
  /** True where workers start when there is work, so that it is no fault when none is there. */
  readonly workersOnDemand?: boolean
  /** Public URL of this server; absent: addresses begin at its root, without a host. */
  readonly publicUrl?: string
  /** True where only this machine reaches it: then a request's `Host` on loopback may stand in an address. */
  readonly isLocal?: boolean
  /** True where owners may remove ended jobs early under `keys` too. */
  readonly allowCleanup?: boolean
  /** Recognises speech; absent where this server does not. */
  readonly speech?: Speech
  /** Services that embed documents; absent or null: the local model alone. */
  readonly vectors?: VectorServices | null
  /** Lists channels; absent or null where this server does not. */
  readonly media?: MediaLister | null
  /** Bytes that one form of documents may have. */
  readonly maxUploadBytes: number
  /** Makes a span of each request; absent where tracing is off. */
  readonly traceRequests?: MiddlewareHandler
  /** Scripts and styles of our own pages; absent where the runtime serves them by itself. */
  readonly assets?: Assets
  /** Absent: the default limits, counted one unit at a time. */
  readonly limits?: {
    readonly perHour: RateLimits
    /** True where this process may lease blocks of units that requests share; false where each request has its own I/O. */
    readonly blocks: boolean
  }
  /** Bounds the bytes stored for each owner. Absent: no bound, and no answer reports one. */
  readonly quota?: StorageQuota
  /** State of the disk; absent where nothing is known of it. */
  readonly disk?: Disk
  /** Absent: all callers without a name count as one. */
  readonly peerAddress?: PeerAddress
  /** Trusted proxies in front of this server, which name their client. Absent: none. */
  readonly trustProxy?: TrustProxy
}
