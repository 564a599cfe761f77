/** The ports of the Cloudflare runtime, created for each request, message or object, and the configuration, which is cached between them. */
import type { D1Database, DurableObjectNamespace, ExecutionContext, Queue, R2Bucket } from '@cloudflare/workers-types'
import { createComputeTasks } from './compute-tasks.ts'
import { basePathOf, type Config, readConfig } from './config.ts'
import type { AssetsBinding } from './drivers/assets-workers.ts'
import { createR2BlobStore } from './drivers/blob-r2.ts'
import { createInlineCompute } from './drivers/compute-inline.ts'
import { createD1Disk, openD1 } from './drivers/db-d1.ts'
import { createQueueDispatcher } from './drivers/dispatch-queues.ts'
import { createWorkersFetcher } from './drivers/fetch-workers.ts'
import { createOpenAiLanguageModel } from './drivers/language-model-openai.ts'
import { createConsoleLog } from './drivers/log-console.ts'
import { createObjectNotifier } from './drivers/notify-durable-object.ts'
import { createBoundTaskFiles } from './drivers/task-files-workers.ts'
import { Meter } from './engine/meter.ts'
import { StorageQuota } from './engine/storage-quota.ts'
import type { HttpServices } from './features/http-calls/operation.ts'
import { Redactor } from './formats/redact.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import type { RequestDatabase } from './live/per-request-hub.ts'
import type { Operation } from './operation.ts'
import type { Clock, Disk, VectorServices } from './ports.ts'
import type { Transcriber } from './speech-ports.ts'

/** The bindings of wrangler.toml; beside them, the variables of `config.ts` as text. */
export interface Bindings {
  readonly DB: D1Database
  readonly BLOBS: R2Bucket
  readonly WAKE: Queue
  readonly BATCHES: DurableObjectNamespace
  readonly TIMER: DurableObjectNamespace
  readonly ASSETS: AssetsBinding
  /** Workers AI, for the embedding model `workers-ai`; optional. */
  readonly AI?: NonNullable<VectorServices['ai']>
  /** Address of the service that sends requests to callers' URLs. Set by `npm run dev:edge` alone. */
  readonly DEV_OUTBOUND_URL?: string
}

const clock: Clock = { now: Date.now }

/** Operations beside those that are built in. */
let own: readonly Operation[] = []
/** Those of the configuration, once they are made. */
let configured: readonly Operation[] | undefined
let config: Config | undefined
const secrets = new Redactor()

/** Sets the operations that this Worker has beside those that are built in. */
export function addOperations(operations: readonly Operation[]): void {
  own = operations
}

/** Keeps a text out of the log from now on. */
export function addSecret(text: string): void {
  secrets.add(text)
}

/** The log, without the secrets of the configuration and of `addSecret`. */
export const openLog = (level: string) => createConsoleLog(level, (name, line) => console[name](secrets.line(line)))

/** An edge is never this machine, so open calls are refused unless `HOST` says that this is `wrangler dev`. */
export function configOf(env: Bindings): Config {
  const texts = Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  config ??= readConfig({ HOST: '0.0.0.0', ...Object.fromEntries(texts) })
  for (const secret of [config.apiKey, config.jwtSecret, config.signingKey, config.databaseAuthToken])
    secrets.add(secret)
  return config
}

/** Returns a function that opens a database for one request: D1, or libSQL, whose code is loaded only then. */
export async function databaseOf(env: Bindings): Promise<() => RequestDatabase> {
  const { databaseUrl, databaseAuthToken, d1Queries } = configOf(env)
  if (databaseUrl === null) return () => openD1(env.DB, { statements: d1Queries })
  const { openLibsqlWeb } = await import('./drivers/db-libsql-web.ts')
  return () => openLibsqlWeb(databaseUrl, databaseAuthToken)
}

/** Reports the space left in D1; undefined where the database is a server that does not report it. */
export function diskOf(env: Bindings): Disk | undefined {
  const { databaseUrl, d1Queries } = configOf(env)
  return databaseUrl === null ? createD1Disk(env.DB, d1Queries) : undefined
}

/** Makes every operation, with its schemas. An object that only passes notices on starts without. */
export async function loadOperations(env: Bindings, services?: HttpServices) {
  const { operations, publicUrl } = configOf(env)
  const { createOperations } = await import('./operations.ts')
  if (operations !== null) {
    configured ??= (await import('./features/workers/configured.ts')).configuredOperations(operations)
  }
  return createOperations(basePathOf(publicUrl), [...own, ...(configured ?? [])], services)
}

/** Requests of an owner that a message has in flight at once: the platform lets six of an invocation wait for an answer, so that some are left to others. */
const MAX_FETCHES = 4

/** Opens what recognises speech: a configured service, else Workers AI where it is bound; null where there is neither. */
async function openTranscriber(service: Config['transcription'], ai: Bindings['AI']): Promise<Transcriber | null> {
  if (service !== null) return (await import('./drivers/transcribe-openai.ts')).createOpenAiTranscriber(service)
  if (ai === undefined) return null
  return (await import('./drivers/transcribe-workers-ai.ts')).createWorkersAiTranscriber(ai)
}

/** Makes the ports that every request, message and Durable Object is given. */
export async function portsOf(env: Bindings, ctx: ExecutionContext) {
  const {
    allowPrivateUrls,
    logLevel,
    maxFetchesPerOwner,
    maxCallsPerHost,
    maxDocumentCpuSeconds,
    maxBytesPerOwner,
    publicUrl,
    transcription,
    vectors,
    languageModel,
  } = configOf(env)
  const basePath = basePathOf(publicUrl)
  const log = openLog(logLevel)
  const keepAlive = (work: Promise<unknown>) => ctx.waitUntil(work)
  const openDatabase = await databaseOf(env)
  const { db, meter: queries } = openDatabase()
  return {
    openDatabase,
    db,
    queries,
    clock,
    log,
    keepAlive,
    operations: await loadOperations(env, {
      signingKey: async () => configOf(env).signingKey ?? (await loadSigningKey(db)),
      publicUrl,
      callsPerHost: maxCallsPerHost,
    }),
    basePath,
    blobs: createR2BlobStore(env.BLOBS),
    fetcher: createWorkersFetcher({
      allowPrivate: allowPrivateUrls,
      perOwner: Math.min(maxFetchesPerOwner, MAX_FETCHES),
      outbound: env.DEV_OUTBOUND_URL,
    }),
    compute: createInlineCompute(createComputeTasks(createBoundTaskFiles(env.ASSETS)), {
      documentCpuMs: maxDocumentCpuSeconds * 1_000,
    }),
    speech: {
      transcriber: await openTranscriber(transcription, env.AI),
      decoder: null,
      local: null,
    },
    languageModel: languageModel && createOpenAiLanguageModel(languageModel),
    vectors: { settings: vectors, fetcher: createWorkersFetcher({ allowPrivate: true }), ai: env.AI ?? null },
    meter: new Meter(),
    quota: new StorageQuota(db, maxBytesPerOwner),
    dispatcher: createQueueDispatcher(env.WAKE, { keepAlive, log }),
    notifier: createObjectNotifier(env.BATCHES, { keepAlive, log }),
  }
}

export type Ports = Awaited<ReturnType<typeof portsOf>>
