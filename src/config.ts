/** Reads and checks the configuration. A wrong value stops the start with a sentence that names it. */
import ipaddr from 'ipaddr.js'
import * as z from 'zod'
import { type LanguageModelSettings, LLM_VARIABLES, languageModelSettings, needsModel } from './language-model.ts'
import { isRateClass, RATE_CLASSES, type RateClass, type RateLimits, rateLimits } from './rate-classes.ts'
import {
  key,
  OPENAI_URL,
  serviceAddress,
  VECTOR_VARIABLES,
  type VectorSettings,
  vectorSettings,
} from './vector-settings.ts'

/** A wrong value in the environment. The message names the variable and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost', '::1'])

const ports = z
  .string()
  .regex(/^\s*\d{1,5}(\s*,\s*\d{1,5})*\s*$/, 'a port such as 8000, or a list such as 8000,3001')
  .transform((text) => text.split(',').map(Number))
  .refine((list) => list.every((port) => port <= 65_535), 'ports up to 65535')
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)
/** As browsers send it: no path, no slash at the end. */
const origins = list.refine(
  (items) => items.every((item) => item === '*' || (URL.canParse(item) && new URL(item).origin === item)),
  'origins such as https://app.example.com without a path, or *',
)
/** `d_=sebi_chunk,x_=other`. */
const prefixes = list
  .refine(
    (items) => items.every((item) => /^[A-Za-z0-9._:-]{1,32}=\w{1,64}$/.test(item)),
    'a list such as d_=sebi_chunk',
  )
  .transform((items) =>
    items.map((item): [string, string] => [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)]),
  )
/** `batch.create=100,rag.status=none`. */
const limits = list.transform((items, ctx) =>
  items.map((item): [RateClass, number | null] => {
    const [, name = '', number = ''] = /^([\w.]+)=(none|[1-9]\d{0,8})$/.exec(item) ?? []
    if (isRateClass(name)) return [name, number === 'none' ? null : Number(number)]
    const names = Object.keys(RATE_CLASSES).join(', ')
    ctx.addIssue(`a list such as batch.create=100,rag.status=none; the classes are ${names}`)
    return z.NEVER
  }),
)
/** `1`, `10.0.0.0/8,::1`. */
const proxies = list.transform((items, ctx): number | readonly string[] => {
  if (items.length === 1 && /^\d{1,2}$/.test(items[0] ?? '')) return Number(items[0])
  if (items.length > 0 && items.every(isNetwork)) return items
  ctx.addIssue(
    'the number of proxies in front of the server, such as 1, or a list of their addresses such as 10.0.0.0/8',
  )
  return z.NEVER
})
/** `127.0.0.1`, `[::1]:5353`: what c-ares takes. */
const dnsServers = list.refine(
  (items) => items.every(isDnsServer),
  'a list of addresses of DNS servers, with a port where it is not 53, such as 10.0.0.2,127.0.0.1:5353,[::1]:5353',
)
const PER_HOST = 'calls a second, from 0.01 to 10000, such as 50'
const BYTES = 'a whole number of bytes, such as 10000000000, or 0 for no quota'
const CPU_SECONDS = 'a whole number of seconds from 1 to 3600'
const PLACES = 'a whole number from 1 to 1000'
const RESERVE = 'a whole number from 0 to 1000'
const STREAMS = 'a whole number from 1'
const KEEP_ALIVE = 'a number of seconds from 1 to 3600'
const QUERIES = 'a whole number from 50 to 1000'
const LEEWAY = 'a whole number of seconds from 0 to 600'
const FORM_BYTES = 'a whole number of bytes from 1, such as 1073741824'
const MEGABYTES = 'a number of megabytes, such as 500, or 0 for no warning'
const flag = z.enum(['0', '1'], '0 or 1').transform((text) => text === '1')

const collector = z.url({ protocol: /^https?$/, error: 'an address such as http://localhost:4318' }).optional()

const Variables = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: ports.optional(),
  PUBLIC_URL: z.url({ protocol: /^https?$/, error: 'an address such as https://millrace.example.com' }).optional(),
  DATA_DIR: z.string().min(1).default('.millrace'),
  DATABASE_URL: z
    .string()
    .regex(/^(file|libsql|https?|wss?):/, 'an address that begins with file: or libsql:')
    .optional(),
  DATABASE_AUTH_TOKEN: z.string().optional(),
  D1_QUERIES: z.coerce.number(QUERIES).int(QUERIES).min(50, QUERIES).max(1000, QUERIES).default(1000),
  CONCURRENCY: z.coerce.number(PLACES).int(PLACES).min(1, PLACES).max(1000, PLACES).default(8),
  CONCURRENCY_RESERVE: z.coerce.number(RESERVE).int(RESERVE).min(0, RESERVE).max(1000, RESERVE).optional(),
  DNS_SERVERS: dnsServers.default([]),
  MAX_CALLS_PER_HOST: z.coerce.number(PER_HOST).min(0.01, PER_HOST).max(10_000, PER_HOST).optional(),
  MAX_FETCHES_PER_OWNER: z.coerce.number(PLACES).int(PLACES).min(1, PLACES).max(1000, PLACES).default(16),
  MAX_DOCUMENT_CPU_SECONDS: z.coerce
    .number(CPU_SECONDS)
    .int(CPU_SECONDS)
    .min(1, CPU_SECONDS)
    .max(3600, CPU_SECONDS)
    .default(60),
  MAX_UPLOAD_BYTES: z.coerce
    .number(FORM_BYTES)
    .int(FORM_BYTES)
    .min(1, FORM_BYTES)
    .default(1024 * 1024 * 1024),
  MAX_BYTES_PER_OWNER: z.coerce.number(BYTES).int(BYTES).min(0, BYTES).optional(),
  MILLRACE_AUTH: z.enum(['open', 'keys'], 'open or keys').optional(),
  // Limited to characters that an `Authorization` header can carry.
  MILLRACE_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{8,}$/, 'at least 8 characters, of ASCII and without blanks')
    .optional(),
  MILLRACE_ALLOW_PRIVATE_URLS: flag.default(false),
  ALLOW_CLEANUP: flag.default(false),
  SIGNING_KEY: z.string().min(32, 'at least 32 characters').optional(),
  JWT_SECRET: z.string().min(32, 'at least 32 characters').optional(),
  JWKS_URL: serviceAddress('https://id.example.com/.well-known/jwks.json').optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_LEEWAY_SECONDS: z.coerce.number(LEEWAY).int(LEEWAY).min(0, LEEWAY).max(600, LEEWAY).default(60),
  RATE_LIMITS: limits.default([]),
  OPERATIONS: z.string().optional(),
  TRUST_PROXY: proxies.default(0),
  CHUNK_PREFIXES: prefixes.default([]),
  CHUNKS_UPSTREAM_URL: serviceAddress('https://chunks.example.com/{id}').optional(),
  TRANSCRIBE_BASE_URL: serviceAddress(OPENAI_URL).optional(),
  TRANSCRIBE_API_KEY: key,
  TRANSCRIBE_MODEL: z.string().min(1).default('whisper-1'),
  ...VECTOR_VARIABLES,
  FFMPEG_PATH: z.string().min(1).default('ffmpeg'),
  YT_DLP_PATH: z.string().optional(),
  ...LLM_VARIABLES,
  MAX_STREAMS: z.coerce.number(STREAMS).int(STREAMS).min(1, STREAMS).default(10_000),
  MAX_STREAMS_PER_OWNER: z.coerce.number(STREAMS).int(STREAMS).min(1, STREAMS).optional(),
  MAX_CONNECTIONS: z.coerce.number(STREAMS).int(STREAMS).min(1, STREAMS).optional(),
  KEEP_ALIVE_SECONDS: z.coerce.number(KEEP_ALIVE).min(1, KEEP_ALIVE).max(3600, KEEP_ALIVE).default(75),
  CORS_ORIGINS: origins.default([]),
  RETENTION_DAYS: z.coerce
    .number('a number of days, such as 30')
    .positive('a number of days that is more than 0')
    .default(30),
  LOW_DISK_MB: z.coerce.number(MEGABYTES).min(0, MEGABYTES).default(500),
  OTEL_EXPORTER_OTLP_ENDPOINT: collector,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector,
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'], 'fatal, error, warn, info, debug or silent')
    .default('info'),
})

function isNetwork(text: string): boolean {
  return ipaddr.isValidCIDR(text) || ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)
}

function isDnsServer(text: string): boolean {
  const [, bracketed, dotted, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return false
  return ipaddr.IPv4.isValidFourPartDecimal(dotted ?? '') || ipaddr.IPv6.isValid(bracketed ?? text)
}

/** Names of all variables that are read. */
export const VARIABLES: readonly string[] = Object.keys(Variables.shape)

/** Configuration of a server, read from its environment. */
export interface Config {
  readonly host: string
  readonly ports: readonly number[]
  /** False when the ports are our own choice, so that one that is taken is no error as long as another is free. */
  readonly portsGiven: boolean
  readonly publicUrl: string | null
  /** True where no setting says that other machines reach the server: no `HOST`, `PUBLIC_URL` or `TRUST_PROXY` beyond this machine. */
  readonly isLocal: boolean
  readonly dataDir: string
  /** Null for a file in the data folder. */
  readonly databaseUrl: string | null
  readonly databaseAuthToken: string | null
  /** On Cloudflare, queries that one invocation may make. */
  readonly d1Queries: number
  /** Jobs that run at once, over all owners. */
  readonly concurrency: number
  /** Jobs that run beyond `concurrency`, for owners with few running jobs while long jobs of other owners occupy all slots. */
  readonly concurrencyReserve: number
  /** DNS servers that resolve host names in callers' URLs; empty for those that the system uses. */
  readonly dnsServers: readonly string[]
  /** Downloads and deliveries of an owner in flight at once. */
  readonly maxFetchesPerOwner: number
  /** Calls of `http` to one host a second, of all owners and processes together; null for no limit. */
  readonly maxCallsPerHost: number | null
  /** CPU time that one document may take. */
  readonly maxDocumentCpuSeconds: number
  /** Bytes that one form of documents may have. */
  readonly maxUploadBytes: number
  /** Bytes stored for an owner; 0 for no quota. */
  readonly maxBytesPerOwner: number
  readonly auth: 'open' | 'keys'
  readonly apiKey: string | null
  readonly allowPrivateUrls: boolean
  /** True where owners may remove their ended jobs early (`DELETE /api/public/bulk/cleanup`) under `keys` too. */
  readonly allowCleanup: boolean
  readonly signingKey: string | null
  readonly jwtSecret: string | null
  /** URL of the keys (JWKS) that JWTs may be signed with. */
  readonly jwksUrl: string | null
  /** Issuer (`iss`) that a JWT must name, as well as the audience (`aud`) below; null for any. */
  readonly jwtIssuer: string | null
  readonly jwtAudience: string | null
  /** Seconds by which the clock of a JWT issuer may differ from the server's. */
  readonly jwtLeewaySeconds: number
  /** Requests per hour that an owner may make, by limited class. */
  readonly rateLimits: RateLimits
  /** Operations for workers over HTTP, as JSON; null for none. */
  readonly operations: string | null
  /** Number of proxies in front of the server, or their addresses. */
  readonly trustProxy: number | readonly string[]
  /** Prefixes of chunk ids beside the built-in ones, with the kind of source each stands for. */
  readonly chunkPrefixes: readonly (readonly [prefix: string, sourceType: string])[]
  /** URL that chunks are fetched from; null for chunks stored by this server. */
  readonly chunksUpstreamUrl: string | null
  /** Service that recognises speech; null where there is none. */
  readonly transcription: { readonly baseUrl: string; readonly apiKey: string | null; readonly model: string } | null
  readonly vectors: VectorSettings
  /** Program that decodes recordings: a path, or a name that is looked up in `PATH`. */
  readonly ffmpegPath: string
  /** Program that lists channels: its path, or a name in `PATH`; null for none. */
  readonly ytDlpPath: string | null
  readonly languageModel: LanguageModelSettings | null
  /** Open streams and long polls at once; more are refused. */
  readonly maxStreams: number
  /** Of these, how many one owner may hold. */
  readonly maxStreamsPerOwner: number
  /** Open connections at once of a process on Node; more are answered 503. */
  readonly maxConnections: number
  /** Time-out of an idle connection, in milliseconds. */
  readonly keepAliveMs: number
  readonly corsOrigins: readonly string[]
  /** Days for which ended batches are stored. */
  readonly retentionDays: number
  /** Bytes of free disk space below which the server warns; 0 for never. */
  readonly lowDiskBytes: number
  /** True where traces are sent; OpenTelemetry itself reads their destination. */
  readonly tracing: boolean
  readonly logLevel: z.infer<typeof Variables>['LOG_LEVEL']
}

/** Returns true for a variable whose value no message repeats. */
const isSecret = (name: string) => /_(?:KEY|SECRET|TOKEN)$/.test(name)

/** Names the setting that makes the server reachable from other machines, and what to set instead; null where none does. */
function reachedFromElsewhere({ HOST, PUBLIC_URL, TRUST_PROXY }: z.infer<typeof Variables>): string | null {
  if (!LOOPBACK_HOSTS.has(HOST)) return `use HOST=127.0.0.1, or MILLRACE_AUTH=keys with HOST=${HOST}`
  if (PUBLIC_URL !== undefined && !LOOPBACK_HOSTS.has(new URL(PUBLIC_URL).hostname.replace(/^\[|\]$/g, ''))) {
    return `leave out PUBLIC_URL, or use MILLRACE_AUTH=keys with PUBLIC_URL=${PUBLIC_URL}`
  }
  if (TRUST_PROXY !== 0) return 'leave out TRUST_PROXY, or use MILLRACE_AUTH=keys behind a proxy'
  return null
}

function transcriptionOf(v: z.infer<typeof Variables>): Config['transcription'] {
  const { TRANSCRIBE_BASE_URL: baseUrl, TRANSCRIBE_API_KEY: apiKey = null, TRANSCRIBE_MODEL: model } = v
  if (baseUrl === undefined && apiKey === null) return null
  return { baseUrl: baseUrl ?? OPENAI_URL, apiKey, model }
}

/**
 * Reads the path under which the world reaches this server, which a proxy takes off: `/millrace` of `https://x.org/millrace/`.
 * @returns the empty text where it is the root, or nothing is known of it
 */
export function basePathOf(publicUrl: string | null | undefined): string {
  return publicUrl === null || publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '')
}

/** Connections that are taken beside one for every stream, so that streams alone never fill a server. */
const CONNECTIONS_BESIDE_STREAMS = 2_000

/** Default storage quota of an owner under `keys`, in bytes, so that no single key fills the disk. Under `open` the only owner has no quota. */
const DEFAULT_BYTES_PER_OWNER = 10_000_000_000

/** The ports that the printed clients of the five surfaces call. */
const DEFAULT_PORTS = [8000, 3001]

/**
 * Reads the configuration from environment variables. Empty ones count as absent.
 * @throws ConfigError
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Variables.superRefine(needsModel).safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const name = String(issue?.path[0])
    const shown = isSecret(name) ? '…' : String(given[name]).replace(/\/\/[^/@]*@/, '//…@')
    throw new ConfigError(`${name}=${shown} is not understood: it should be ${issue?.message}.`)
  }
  const v = parsed.data
  const reached = reachedFromElsewhere(v)
  const auth = v.MILLRACE_AUTH ?? (reached === null ? 'open' : 'keys')
  if (auth === 'open' && reached !== null) {
    throw new ConfigError(`MILLRACE_AUTH=open is only for this machine: ${reached}.`)
  }
  return {
    host: v.HOST,
    ports: v.PORT ?? DEFAULT_PORTS,
    portsGiven: v.PORT !== undefined,
    publicUrl: v.PUBLIC_URL ?? null,
    isLocal: reached === null,
    dataDir: v.DATA_DIR,
    databaseUrl: v.DATABASE_URL ?? null,
    databaseAuthToken: v.DATABASE_AUTH_TOKEN ?? null,
    d1Queries: v.D1_QUERIES,
    concurrency: v.CONCURRENCY,
    concurrencyReserve: v.CONCURRENCY_RESERVE ?? (v.CONCURRENCY > 1 ? v.CONCURRENCY : 0),
    dnsServers: v.DNS_SERVERS,
    maxFetchesPerOwner: v.MAX_FETCHES_PER_OWNER,
    maxCallsPerHost: v.MAX_CALLS_PER_HOST ?? null,
    maxDocumentCpuSeconds: v.MAX_DOCUMENT_CPU_SECONDS,
    maxUploadBytes: v.MAX_UPLOAD_BYTES,
    maxBytesPerOwner: v.MAX_BYTES_PER_OWNER ?? (auth === 'keys' ? DEFAULT_BYTES_PER_OWNER : 0),
    auth,
    apiKey: v.MILLRACE_API_KEY ?? null,
    allowPrivateUrls: v.MILLRACE_ALLOW_PRIVATE_URLS,
    allowCleanup: v.ALLOW_CLEANUP,
    signingKey: v.SIGNING_KEY ?? null,
    ...{ jwtSecret: v.JWT_SECRET ?? null, jwksUrl: v.JWKS_URL ?? null, jwtIssuer: v.JWT_ISSUER ?? null },
    ...{ jwtAudience: v.JWT_AUDIENCE ?? null, jwtLeewaySeconds: v.JWT_LEEWAY_SECONDS },
    rateLimits: rateLimits(v.RATE_LIMITS),
    operations: v.OPERATIONS ?? null,
    trustProxy: v.TRUST_PROXY,
    ...{ chunkPrefixes: v.CHUNK_PREFIXES, chunksUpstreamUrl: v.CHUNKS_UPSTREAM_URL ?? null },
    transcription: transcriptionOf(v),
    vectors: vectorSettings(v),
    ffmpegPath: v.FFMPEG_PATH,
    ytDlpPath: v.YT_DLP_PATH ?? null,
    languageModel: languageModelSettings(v),
    maxStreams: v.MAX_STREAMS,
    maxStreamsPerOwner: v.MAX_STREAMS_PER_OWNER ?? Math.ceil(v.MAX_STREAMS / 2),
    maxConnections: v.MAX_CONNECTIONS ?? v.MAX_STREAMS + CONNECTIONS_BESIDE_STREAMS,
    keepAliveMs: v.KEEP_ALIVE_SECONDS * 1_000,
    corsOrigins: v.CORS_ORIGINS,
    retentionDays: v.RETENTION_DAYS,
    lowDiskBytes: v.LOW_DISK_MB * 1_000_000,
    tracing: (v.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? v.OTEL_EXPORTER_OTLP_ENDPOINT) !== undefined,
    logLevel: v.LOG_LEVEL,
  }
}
