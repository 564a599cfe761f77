/** Derives the id, the hash and the slug of a card. */
import { sha256 } from '@noble/hashes/sha2.js'
import { encodeSlug, slugify } from '../../formats/slug.ts'
import { normalizeText } from '../../formats/unicode.ts'
import type { NewCard } from './schemas.ts'

const encoder = new TextEncoder()
/** Buffer for the text of a card while it is hashed. It is shared and fits most cards, which saves an allocation a card. */
const scratch = new Uint8Array(64 * 1024)
const empty = sha256.create()
const running = empty.clone()
const digest = new Uint8Array(empty.outputLen)

/**
 * Hashes title and body after Unicode normalization; cards of the same hash are duplicates. 128 bits of SHA-256 in base64.
 *
 * Not by WebCrypto: it hashes in another thread, and for texts of this size the switch takes several times as long as the hash.
 */
export function contentHash({ title, body }: Pick<NewCard, 'title' | 'body'>): string {
  const text = `${normalizeText(title, 'NFC')}\0${normalizeText(body, 'NFC')}`
  const fits = 3 * text.length <= scratch.byteLength
  const bytes = fits ? scratch.subarray(0, encoder.encodeInto(text, scratch).written) : encoder.encode(text)
  empty._cloneInto(running)
  running.update(bytes).digestInto(digest)
  return btoa(String.fromCharCode(...digest.subarray(0, 16))).slice(0, 22)
}

/**
 * Makes the id of a card of an import: a UUIDv7 of the batch's time, the card's index as counter (RFC 9562, section 6.2) and the batch's
 * random bits. Ids sort in the order of the import, whichever slice is written first, and a retried slice makes the same ids.
 * @param index in the import, below 1,048,576
 */
export function cardId(batchId: string, index: number): string {
  const counter = index.toString(16).padStart(5, '0')
  return `${batchId.slice(0, 15)}${counter.slice(0, 3)}-${batchId.slice(19, 20)}${counter.slice(3)}${batchId.slice(22)}`
}

const LONGEST_SLUG = 60

/**
 * Makes slugs for the cards of a batch: words of the title joined by hyphens, and a unique suffix; 60 characters at most,
 * percent-encoded for URLs.
 */
export function slugMaker(batchId: string): (title: string, index: number) => string {
  const tail = Number.parseInt(batchId.slice(24), 16).toString(36).padStart(10, '0')
  return (title, index) => {
    const suffix = `-${tail}${index.toString(36)}`
    const words = slugify(title.slice(0, 4 * LONGEST_SLUG))
      .slice(0, LONGEST_SLUG - suffix.length)
      .replace(/^-|-$|[\uD800-\uDBFF]$/g, '')
    return encodeSlug(`${words === '' ? 'card' : words}${suffix}`)
  }
}
