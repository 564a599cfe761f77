/**
 * Quota of bytes that are kept for an owner. What is kept is read from a counter row (`schema/stored-bytes.ts`); what is on its way into the
 * blob store is counted beside it in memory, so that bodies that stream in side by side share what is left. A commit that keeps something
 * checks the counter itself, so that several processes together never pass the quota by it.
 */
import { sql } from 'drizzle-orm'
import { MillraceError } from '../errors.ts'
import { countedStream } from '../formats/streams.ts'
import type { BlobStore, Database, Statement } from '../ports.ts'

const MB = 1_000_000
/** Share of the quota beyond which `/metrics` counts an owner as nearly full. */
export const NEARLY_FULL = 0.8

/** Bytes kept for all owners. */
export interface StorageUsage {
  readonly totalBytes: number
  /** Owners who keep anything. */
  readonly owners: number
  /** Of the owner who keeps most. */
  readonly largestBytes: number
  /** Owners beyond `NEARLY_FULL` of the quota; 0 where there is none. */
  readonly nearlyFull: number
}

/** The quota of every owner of a server. */
export class StorageQuota {
  /** Bytes an owner; 0 for no quota. */
  readonly maxBytes: number
  readonly #db: Database
  /** Bytes written to the blob store that no row records yet, by owner. */
  readonly #pending = new Map<string, number>()

  /** @param maxBytes bytes an owner; 0 for no quota */
  constructor(db: Database, maxBytes: number) {
    this.#db = db
    this.maxBytes = maxBytes
  }

  /**
   * Begins to count what is written for an owner before a row records it.
   * @param replay true where the request may be one that was accepted before, which is answered however full the quota is: then only the
   * quota as a whole bounds it, and the commit decides
   * @throws MillraceError QUOTA_EXCEEDED when nothing is left
   */
  async open(owner: string, { replay = false }: { replay?: boolean } = {}): Promise<PendingBytes> {
    if (this.maxBytes === 0) return new PendingBytes(this.#pending, owner, () => {})
    const used = await this.readUsed(owner)
    const check = (bytes: number, own: number) => {
      const full = replay ? own > this.maxBytes : used + bytes > this.maxBytes
      if (full) throw quotaExceeded(this.maxBytes, used)
    }
    if (!replay && used >= this.maxBytes) throw quotaExceeded(this.maxBytes, used)
    return new PendingBytes(this.#pending, owner, check)
  }

  /** Bytes that are kept for an owner. */
  async readUsed(owner: string): Promise<number> {
    const [row] = await this.#db.all<{ bytes: number }>(sql`SELECT bytes FROM stored_bytes WHERE owner = ${owner}`)
    return row?.bytes ?? 0
  }

  /** Statements, to be the last of a commit, that fail it (by what is no JSON) where it leaves an owner with more than the quota. */
  check(owner: string): Statement[] {
    if (this.maxBytes === 0) return []
    const over = sql`EXISTS (SELECT 1 FROM stored_bytes WHERE owner = ${owner} AND bytes > ${this.maxBytes})`
    return [this.#db.all(sql`SELECT json(CASE WHEN ${over} THEN 'quota exceeded' ELSE 'true' END) AS fits`)]
  }

  /**
   * Finds out if a commit that ended with {@link check} was refused by it.
   * @param bytes what it would have kept
   * @returns QUOTA_EXCEEDED when that is more than is left, else null
   */
  async findExcess(owner: string, bytes: number): Promise<MillraceError | null> {
    if (this.maxBytes === 0) return null
    const used = await this.readUsed(owner)
    return used + bytes > this.maxBytes ? quotaExceeded(this.maxBytes, used) : null
  }

  /** Reads what is kept for all owners together: one row an owner, however much they keep. */
  async readUsage(): Promise<StorageUsage> {
    const most = this.maxBytes === 0 ? Number.MAX_SAFE_INTEGER : Math.floor(this.maxBytes * NEARLY_FULL)
    const [row] = await this.#db.all<StorageUsage>(sql`
      SELECT coalesce(sum(bytes), 0) AS totalBytes, count(*) AS owners, coalesce(max(bytes), 0) AS largestBytes,
        coalesce(sum(bytes > ${most}), 0) AS nearlyFull
      FROM stored_bytes`)
    return row ?? { totalBytes: 0, owners: 0, largestBytes: 0, nearlyFull: 0 }
  }
}

/**
 * Makes a commit that keeps something for an owner, unless that makes it more than the quota.
 * @param quota absent: nothing bounds it
 * @param kept whose it is, and about how many bytes it adds
 * @param commit is given the statements to end the commit with
 * @throws MillraceError QUOTA_EXCEEDED; what `commit` throws
 */
export async function commitWithin<T>(
  quota: StorageQuota | undefined,
  { owner, bytes }: { readonly owner: string; readonly bytes: number },
  commit: (check: readonly Statement[]) => Promise<T>,
): Promise<T> {
  try {
    return await commit(quota?.check(owner) ?? [])
  } catch (error) {
    // Throws the first fault where the database does not answer this query either.
    const exceeded = error instanceof MillraceError ? null : await quota?.findExcess(owner, bytes).catch(() => null)
    throw exceeded ?? error
  }
}

/** Bytes that are on their way into the blob store for one request or job. */
export class PendingBytes {
  readonly #all: Map<string, number>
  readonly #owner: string
  readonly #check: (bytes: number, own: number) => void
  #own = 0

  /** @param check throws where so many bytes, of which `own` are this request's or job's, are too many */
  constructor(all: Map<string, number>, owner: string, check: (bytes: number, own: number) => void) {
    this.#all = all
    this.#owner = owner
    this.#check = check
  }

  /** @throws MillraceError QUOTA_EXCEEDED when so many more are too many */
  add(bytes: number): void {
    this.#own += bytes
    const all = (this.#all.get(this.#owner) ?? 0) + bytes
    this.#all.set(this.#owner, all)
    try {
      this.#check(all, this.#own)
    } catch (error) {
      // Releases bytes that are refused, since they are deleted, so that of several uploads side by side the others go on.
      this.release()
      throw error
    }
  }

  /**
   * Refuses a body by the length it says it has, before it is read.
   * @param length a `Content-Length`; anything but a number says nothing
   * @throws MillraceError QUOTA_EXCEEDED
   */
  checkLength(length: string | null | undefined): void {
    const bytes = Number(length ?? 0)
    if (bytes > 0) this.#check((this.#all.get(this.#owner) ?? 0) + bytes, this.#own + bytes)
  }

  /** Takes back what was added: rows record it, or it was deleted. A second call has no effect. */
  release(): void {
    const left = (this.#all.get(this.#owner) ?? 0) - this.#own
    this.#own = 0
    if (left > 0) this.#all.set(this.#owner, left)
    else this.#all.delete(this.#owner)
  }

  /** Counts what is put into a store while it streams by; a put that is too large fails, and leaves nothing. */
  count(blobs: BlobStore): BlobStore {
    return withPut(blobs, async (key, body) => {
      if (!(body instanceof Uint8Array))
        return blobs.put(
          key,
          countedStream(body, (bytes) => this.add(bytes)),
        )
      this.add(body.byteLength)
      return blobs.put(key, body)
    })
  }
}

/** Makes a store of another, with a `put` of its own. */
export function withPut(blobs: BlobStore, put: BlobStore['put']): BlobStore {
  return {
    put,
    get: (key, range) => blobs.get(key, range),
    delete: (keys) => blobs.delete(keys),
    list: (prefix) => blobs.list(prefix),
    ...(blobs.path === undefined ? {} : { path: (key) => blobs.path?.(key) ?? '' }),
  }
}

function quotaExceeded(maxBytes: number, used: number): MillraceError {
  const size = (bytes: number) => `${(bytes / MB).toLocaleString('en', { maximumFractionDigits: 1 })} MB`
  return new MillraceError(
    'QUOTA_EXCEEDED',
    `This would be more than an owner may keep here: ${size(maxBytes)} (MAX_BYTES_PER_OWNER), of which ${size(used)} are used. ` +
      'Delete batches that have ended (DELETE /api/batch/{id}), with what they were sent and what they made, or wait until they expire; ' +
      'a minute later their space is free.',
    { details: { limitBytes: maxBytes, usedBytes: used } },
  )
}
