/** Slugs: titles as they stand at the end of an address. */
import { normalizeText } from './unicode.ts'

/**
 * Words in lower case, joined by hyphens: letters and digits of any script, NFC. Latin and Greek go without their marks, as one types them
 * into an address; elsewhere a mark makes another letter (`ガ`, `й`) or is a vowel (`हि`).
 */
export function slugify(text: string): string {
  // ASCII needs neither Unicode's forms nor its classes.
  if (/^[ -~]*$/.test(text)) return text.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const words = normalizeText(text, 'NFKD')
    .toLowerCase()
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Me}]+/gu, '')
    .replace(/([\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu, '$1')
  return normalizeText(words, 'NFC').replace(/(?:^\p{M}+|[^\p{L}\p{N}\p{M}]\p{M}*)+/gu, '-')
}

/** A slug as it stands in an address: percent-encoded, and the same however its letters are composed. */
export function encodeSlug(slug: string): string {
  // Of ASCII, slugs have nothing to be encoded.
  if (/^[\w-]*$/.test(slug)) return slug
  return encodeURIComponent(normalizeText(slug.toWellFormed(), 'NFC'))
}
