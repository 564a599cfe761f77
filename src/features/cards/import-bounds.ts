/** Limits oversized cards: a few are reported as failed, but a body that consists of them is refused while it is streamed. */
import { MillraceError } from '../../errors.ts'
import type { ScannedSizes } from '../../formats/slices.ts'
import { MAX_CARD_BYTES } from './schemas.ts'

/** Bytes beyond which a single record aborts the import. A record between the limit of a card and this is a failed card. */
const MAX_RECORD_BYTES = 8_000_000
/** Most bytes of all oversized records together. */
const MAX_OVERSIZE_BYTES = 64_000_000

/**
 * Refuses a body with too many oversized bytes. To be called after each scanned part.
 * @throws MillraceError TOO_LARGE, naming the record, from 1
 */
export function checkRecordSizes({ records, oversizeBytes, firstOversize, openBytes }: ScannedSizes): void {
  if (openBytes > MAX_RECORD_BYTES) {
    throw tooLarge(`Record ${records + 1} is larger than 8 MB. ${cardBound()} Nothing of this body was kept.`)
  }
  if (firstOversize !== null && oversizeBytes > MAX_OVERSIZE_BYTES) {
    const which = `from record ${firstOversize + 1} on, records that are too large make more than 64 MB`
    throw tooLarge(`Of this body, ${which}. ${cardBound()} Nothing of it was kept.`)
  }
}

/**
 * Refuses a body all of whose records are oversized. To be called at its end.
 * @throws MillraceError TOO_LARGE
 */
export function checkAnyFits({ records, oversize }: ScannedSizes): void {
  if (records === 0 || oversize < records) return
  const what = records === 1 ? 'Record 1, the only one,' : `Every one of the ${records} records`
  throw tooLarge(`${what} is too large. ${cardBound()} Nothing of this body was kept.`)
}

const cardBound = () => `A card should have at most ${MAX_CARD_BYTES.toLocaleString('en')} bytes.`

const tooLarge = (message: string) => new MillraceError('TOO_LARGE', message)
