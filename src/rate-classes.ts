/** The classes of requests that can be limited, as `RATE_LIMITS` and the `RateLimit` header name them. */

/** Each class, and how many an hour an owner has of it unless `RATE_LIMITS` says otherwise; null for any number. */
export const RATE_CLASSES = {
  /** Batches made, natively or of heat sheets. */
  'batch.create': null,
  /** Changes of batches: items, seal, cancel, pause, resume, retry, delete. */
  'batch.write': null,
  /** Batches, jobs, results and streams looked at. A poll that waits counts once. */
  'batch.read': null,
  /** Imports made, or gone on with. */
  'bulk.import': null,
  'bulk.export': null,
  /** Deletes and restores made. */
  'bulk.delete': null,
  'bulk.read': null,
  'chunks.read': null,
  'chunks.write': null,
  /** Downloads. */
  'exports.read': null,
  'operations.read': null,
  /** Operations declared for workers over HTTP, or taken back. */
  'operations.write': null,
  'resources.read': null,
  'resources.write': null,
  'secrets.read': null,
  'secrets.write': null,
  'webhooks.read': null,
  'webhooks.write': null,
  /** Claims, heartbeats and outcomes of workers over HTTP. A claim that waits counts once. */
  work: null,
  'rag.process': 20,
  'rag.export': 10,
  'rag.status': 1_000,
  /** Pages of channels: each is fetched anew. */
  'rag.content': 200,
  /** Searches, documents and followers. */
  'rag.read': null,
  /** Uploads, and what is deleted. */
  'rag.write': null,
  /** Requests of public pages that do not exist; counted by address, since they are not authenticated. */
  'pages.miss': 100,
} as const satisfies Readonly<Record<string, number | null>>

/** One of the classes. */
export type RateClass = keyof typeof RATE_CLASSES

/** Number of requests per hour, by class; a class that is absent is not limited. */
export type RateLimits = ReadonlyMap<RateClass, number>

/** Returns true where a word is a class. */
export function isRateClass(word: string): word is RateClass {
  return Object.hasOwn(RATE_CLASSES, word)
}

/** The classes that are limited by themselves, with what is changed: a number, or null to lift a limit. */
export function rateLimits(changes: Iterable<readonly [RateClass, number | null]>): RateLimits {
  const limits = new Map<RateClass, number>()
  const defaults = Object.entries(RATE_CLASSES).map(([name, limit]) => [name, limit] as const)
  for (const [name, limit] of [...defaults, ...changes]) {
    if (!isRateClass(name)) continue
    if (limit === null) limits.delete(name)
    else limits.set(name, limit)
  }
  return limits
}
