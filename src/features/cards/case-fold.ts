/** Folds case for comparisons of categories and privacy levels, which ignore case in every script. */
import { normalizeText } from '../../formats/unicode.ts'

/**
 * Folds a word. Words that differ only in case or in Unicode composition fold to the same: `ß` to `SS`, `İ` to an `I` with a dot above.
 * Lower case comes first, because some letters (`ẞ`) are their own upper case; upper case last, because it has no final sigma.
 */
export function folded(word: string): string {
  // ASCII needs no normalization.
  if (/^[ -~]*$/.test(word)) return word.toUpperCase()
  return normalizeText(normalizeText(word, 'NFD').toLowerCase().toUpperCase(), 'NFC')
}
