/**
 * Blobs in a Cloudflare R2 bucket. R2 requires the length of a stream, which is unknown here: so a body is buffered into parts of one size, of
 * which one is in memory. What fits into one part is put whole; longer bodies are multipart uploads, seen under their key when complete.
 */
import type { DigestStream, R2Bucket, R2MultipartUpload, R2ObjectBody, R2UploadedPart } from '@cloudflare/workers-types'
import { backoff, sleep } from '../backoff.ts'
import type { BlobInfo, BlobStore } from '../ports.ts'
import { StorageError } from '../storage-errors.ts'
import { checkRange, prefixOf, segmentsOf } from './blob-key.ts'

/** The runtime's own hashing, which knows MD5 and runs outside of the Worker's memory. */
declare const crypto: Crypto & { readonly DigestStream: typeof DigestStream }

/** The least that R2 takes as a part that is not the last; all but the last are of one size. */
const PART_BYTES = 5 * 1024 * 1024
const FIRST_BYTES = 64 * 1024
/** Keys that R2 deletes, or lists, in one call. */
const KEYS_A_CALL = 1_000
const TRIES = 4
const BACKOFF = { firstMs: 150 }

/** R2's codes for what may pass: InternalError, ServiceUnavailable, ClientDisconnect, TooManyRequests (developers.cloudflare.com/r2/api/error-codes). */
const PASSING = /\((?:10001|10043|10054|10058)\)/
/** R2's code for a range that begins behind the last byte. */
const NO_SUCH_RANGE = '(10039)'

/** Makes the store of a bucket. Calls that fail transiently are retried, then throw MillraceError SERVICE_UNAVAILABLE. */
export function createR2BlobStore(bucket: R2Bucket): BlobStore {
  return {
    async put(key, body) {
      segmentsOf(key)
      return body instanceof Uint8Array ? putWhole(bucket, key, body) : putStream(bucket, key, body)
    },
    async get(key, range = { offset: 0 }) {
      segmentsOf(key)
      checkRange(range)
      return get(bucket, key, range)
    },
    async delete(keys) {
      for (const key of keys) segmentsOf(key)
      for (let at = 0; at < keys.length; at += KEYS_A_CALL) {
        await patiently(() => bucket.delete(keys.slice(at, at + KEYS_A_CALL)))
      }
    },
    list: (prefix) => list(bucket, prefix),
  }
}

async function putWhole(bucket: R2Bucket, key: string, bytes: Uint8Array): Promise<BlobInfo> {
  const hashes = new Hashes()
  await hashes.add(bytes)
  await patiently(() => bucket.put(key, bytes))
  return hashes.end()
}

async function putStream(bucket: R2Bucket, key: string, body: ReadableStream<Uint8Array>): Promise<BlobInfo> {
  const reader = body.getReader()
  const part = new Part()
  const hashes = new Hashes()
  const upload = new Upload(bucket, key)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      await hashes.add(value)
      for (let rest = value; rest.byteLength > 0; ) {
        rest = part.take(rest)
        if (part.full) await upload.add(part.empty())
      }
    }
    await upload.end(part.empty())
    return await hashes.end()
  } catch (error) {
    // Cancels the body, so that its sender does not wait for a reader that has ended. Errors of a body that failed already are ignored.
    await reader.cancel(error).catch(() => {})
    await upload.abort()
    throw error
  }
}

/** The bytes of the next part. Grows with what comes: many small bodies at once take no more than they are long. */
class Part {
  #bytes = new Uint8Array(FIRST_BYTES)
  #length = 0

  get full(): boolean {
    return this.#length === PART_BYTES
  }

  /** Takes what fits. Returns the rest. */
  take(bytes: Uint8Array): Uint8Array {
    const fitting = bytes.subarray(0, PART_BYTES - this.#length)
    const needed = this.#length + fitting.byteLength
    if (needed > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.min(PART_BYTES, Math.max(needed, this.#bytes.byteLength * 2)))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#bytes.set(fitting, this.#length)
    this.#length = needed
    return bytes.subarray(fitting.byteLength)
  }

  /** Gives what was taken, which is overwritten by what is taken next. */
  empty(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length)
    this.#length = 0
    return taken
  }
}

/** An object that comes in parts; one upload of its own from the second part on. */
class Upload {
  readonly #bucket: R2Bucket
  readonly #key: string
  readonly #parts: R2UploadedPart[] = []
  #multipart: R2MultipartUpload | null = null

  constructor(bucket: R2Bucket, key: string) {
    this.#bucket = bucket
    this.#key = key
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.#multipart ??= await patiently(() => this.#bucket.createMultipartUpload(this.#key))
    const multipart = this.#multipart
    this.#parts.push(await patiently(() => multipart.uploadPart(this.#parts.length + 1, bytes)))
  }

  async end(last: Uint8Array): Promise<void> {
    const multipart = this.#multipart
    if (multipart === null) {
      await patiently(() => this.#bucket.put(this.#key, last))
      return
    }
    if (last.byteLength > 0) await this.add(last)
    await multipart.complete(this.#parts)
  }

  /** Aborts the upload. Where R2 does not answer, its own lifecycle rule ends the upload after seven days. */
  async abort(): Promise<void> {
    await this.#multipart?.abort().catch(() => {})
  }
}

class Hashes {
  readonly #md5 = new Digest('MD5')
  readonly #sha256 = new Digest('SHA-256')
  #size = 0

  async add(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.byteLength
    await this.#md5.add(bytes)
    await this.#sha256.add(bytes)
  }

  async end(): Promise<BlobInfo> {
    return { size: this.#size, md5: await this.#md5.hex(), sha256: await this.#sha256.hex() }
  }
}

class Digest {
  readonly #stream: DigestStream
  readonly #writer: ReturnType<DigestStream['getWriter']>

  constructor(algorithm: 'MD5' | 'SHA-256') {
    this.#stream = new crypto.DigestStream(algorithm)
    this.#writer = this.#stream.getWriter()
  }

  add(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes)
  }

  async hex(): Promise<string> {
    await this.#writer.close()
    const bytes = new Uint8Array(await this.#stream.digest)
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
}

async function get(
  bucket: R2Bucket,
  key: string,
  range: { offset: number; length?: number },
): Promise<ReadableStream<Uint8Array> | null> {
  const { offset, length } = range
  // R2 takes no empty range, and none behind the end.
  if (length === 0) return emptyIf(bucket, key)
  try {
    const whole = offset === 0 && length === undefined
    const object = await patiently(() =>
      bucket.get(key, whole ? {} : { range: { offset, ...(length === undefined ? {} : { length }) } }),
    )
    return object === null ? null : streamOf(object)
  } catch (error) {
    if (String(error).includes(NO_SUCH_RANGE)) return emptyIf(bucket, key)
    throw error
  }
}

async function emptyIf(bucket: R2Bucket, key: string): Promise<ReadableStream<Uint8Array> | null> {
  const object = await patiently(() => bucket.head(key))
  return object === null ? null : new Blob([]).stream()
}

/** The runtime's stream; its type is declared by the runtime's own types, apart from the standard's. */
function streamOf({ body }: R2ObjectBody): ReadableStream<Uint8Array> {
  if (isStream(body)) return body
  throw new TypeError('R2 gave no stream.')
}

function isStream(value: unknown): value is ReadableStream<Uint8Array> {
  return value instanceof ReadableStream
}

async function* list(bucket: R2Bucket, prefix: string): AsyncGenerator<{ key: string; modifiedAt: number }> {
  prefixOf(prefix)
  let cursor: string | undefined
  do {
    const at = cursor === undefined ? {} : { cursor }
    const page = await patiently(() => bucket.list({ prefix, limit: KEYS_A_CALL, ...at }))
    for (const { key, uploaded } of page.objects) yield { key, modifiedAt: uploaded.getTime() }
    cursor = page.truncated ? page.cursor : undefined
  } while (cursor !== undefined)
}

/** Retries a call that failed transiently. Only for idempotent calls. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call()
    } catch (error) {
      if (!PASSING.test(String(error))) throw error
      if (tries === TRIES) {
        throw new StorageError('unreachable', { cause: error, message: 'The file store does not answer just now.' })
      }
      await sleep(backoff(tries, BACKOFF))
    }
  }
}
