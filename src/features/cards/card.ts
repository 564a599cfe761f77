/** Derives what a card has beside its content: its id, its hash, its slug. */
import { sha256 } from '@noble/hashes/sha2.js'
import { encodeSlug, slugify } from '../../formats/slug.ts'
import type { NewCard } from './schemas.ts'

const encoder = new TextEncoder()
/** Buffer that holds the text of a card while it is hashed: room for most cards, so that not each needs its own. */
const scratch = new Uint8Array(64 * 1024)
const empty = sha256.create()
const running = empty.clone()
const digest = new Uint8Array(empty.outputLen)

/**
 * Hashes title and body, by which two cards are duplicates, whatever way their letters are composed. 128 bits of SHA-256 in base64.
 *
 * WebCrypto hashes in another thread, which for a text of this size takes several times as long as hashing it.
 */
export function contentHash({ title, body }: Pick<NewCard, 'title' | 'body'>): string {
  const text = `${title.normalize('NFC')}\0${body.normalize('NFC')}`
  const fits = 3 * text.length <= scratch.byteLength
  const bytes = fits ? scratch.subarray(0, encoder.encodeInto(text, scratch).written) : encoder.encode(text)
  empty._cloneInto(running)
  running.update(bytes).digestInto(digest)
  return btoa(String.fromCharCode(...digest.subarray(0, 16))).slice(0, 22)
}

/**
 * The id of the card at a place of an import: a UUIDv7 of the batch's time, its place for a counter (RFC 9562, section 6.2) and the
 * batch's random bits. Ids sort as the cards came, whichever slice is written first, and a slice that runs again gives the same.
 * @param index below 1,048,576
 */
export function cardId(batchId: string, index: number): string {
  const place = index.toString(16).padStart(5, '0')
  return `${batchId.slice(0, 15)}${place.slice(0, 3)}-${batchId.slice(19, 20)}${place.slice(3)}${batchId.slice(22)}`
}

const LONGEST_SLUG = 60

/**
 * Makes slugs for the cards of a batch: words of the title joined by hyphens, and a suffix no other card has; 60 characters at most. They are
 * given as they stand in an address, percent-encoded.
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
