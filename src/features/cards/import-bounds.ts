/** Bounds on cards that are too large: a few are reported with the others, but a body of nothing else is refused while it streams by. */
import { MillraceError } from '../../errors.ts'
import type { ScannedSizes } from '../../formats/slices.ts'
import { MAX_CARD_BYTES } from './schemas.ts'

/** Bytes beyond which a single record ends an import. Between that and the bytes of a card it is a card that failed. */
const MAX_RECORD_BYTES = 8_000_000
/** Bytes of all records together that are too large. */
const MAX_OVERSIZE_BYTES = 64_000_000

/**
 * Refuses a body of which too much can't be taken. To be asked whenever more of it was scanned.
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
 * Refuses a body that has records, but none that is small enough to be taken. To be asked at its end.
 * @throws MillraceError TOO_LARGE
 */
export function checkAnyFits({ records, oversize }: ScannedSizes): void {
  if (records === 0 || oversize < records) return
  const what = records === 1 ? 'Record 1, the only one,' : `Every one of the ${records} records`
  throw tooLarge(`${what} is too large. ${cardBound()} Nothing of this body was kept.`)
}

const cardBound = () => `A card should have at most ${MAX_CARD_BYTES.toLocaleString('en')} bytes.`

const tooLarge = (message: string) => new MillraceError('TOO_LARGE', message)
