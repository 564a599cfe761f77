/** Streams the body of an import into the blob store while its cards are scanned. At most a slice of it is in memory. */

import { newUploadKey, type Upload } from '../../../engine/uploads.ts'
import { invalidRequest, MillraceError } from '../../../errors.ts'
import { SurroundingTooLarge } from '../../../formats/json-array-scanner.ts'
import type { ScannedSizes, Slice } from '../../../formats/slices.ts'
import { streamOf } from '../../../formats/streams.ts'
import { jsonRefusal } from '../../../http/request/json-body.ts'
import type { BlobStore } from '../../../ports.ts'
import { checkAnyFits, checkRecordSizes } from '../import-bounds.ts'
import { MAX_CARD_BYTES, MAX_CARD_VALUES } from '../schemas.ts'

/** Limits of a slice, which is a job: small enough for a short run and one statement, large enough that many cards share its commit. */
export const SLICE = {
  records: 2_000,
  bytes: 1_000_000,
  recordBytes: MAX_CARD_BYTES,
  // A slice of a JSON array is parsed at once: so many values take some twenty milliseconds with lossless numbers, as long as a large card.
  values: 30_000,
  recordValues: MAX_CARD_VALUES,
}

/** Scans a streamed body for its cards. */
export interface Scanner {
  readonly slices: readonly Slice[]
  readonly records: number
  readonly sizes: ScannedSizes
  /** Line of the opening quote, where a CSV ends inside quotes. */
  readonly openQuoteLine?: number | null
  push(chunk: Uint8Array): void
  /** @returns the body without its cards */
  end(): unknown
}

/** Options for storing a body. */
interface Storing {
  readonly scanner: Scanner
  /** Returns the most cards that the body may hold, by the form detected so far. */
  readonly mostCards: () => number
  readonly filename: string
  /** Finishes the work that scanned bytes left, such as hashing. */
  readonly settle?: () => Promise<void>
  /** Leading lines of the body that are not stored. Default: 0. */
  readonly droppedLines?: () => number
}

/**
 * Stores a body.
 * @param body the bytes to store
 * @returns its upload, and the body without its cards
 * @throws MillraceError INVALID_REQUEST, TOO_LARGE; errors of `body`. The stored part is deleted then
 */
export async function storeBody(
  body: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  { scanner, mostCards, filename, settle, droppedLines = () => 0 }: Storing,
): Promise<{ upload: Upload; around: unknown }> {
  const demandFew = () => {
    if (scanner.records > mostCards()) throw tooMany(mostCards())
  }
  let around: unknown
  async function* scanned() {
    for await (const chunk of body) {
      scanner.push(chunk)
      demandFew()
      checkRecordSizes(scanner.sizes)
      await settle?.()
      yield chunk
    }
    around = scanner.end()
    await settle?.()
    demandFew()
    checkRecordSizes(scanner.sizes)
    const line = scanner.openQuoteLine ?? null
    if (line !== null) {
      const field = `the field that begins on line ${line + droppedLines()}`
      throw invalidRequest('body', `The CSV ends inside quotes: ${field} is not closed.`)
    }
    checkAnyFits(scanner.sizes)
  }
  const key = newUploadKey()
  try {
    return { upload: { key, filename, ...(await blobs.put(key, streamOf(scanned()))) }, around }
  } catch (error) {
    if (error instanceof SurroundingTooLarge)
      throw new MillraceError('TOO_LARGE', 'What stands beside the cards may hold 1 MB.')
    throw jsonRefusal(error)
  }
}

function tooMany(most: number): MillraceError {
  return invalidRequest('cards', `Maximum ${most.toLocaleString('en')} cards per import operation`)
}
