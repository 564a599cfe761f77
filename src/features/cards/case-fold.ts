/** Folds case for every comparison of categories and privacy levels: they are compared without case, in every script. */

/**
 * A word as it is compared. Words that differ in case alone, or in how their letters are composed, give the same: `ß` is `SS`, `İ` is an
 * `I` with a dot over it. Lower case first, because some letters (`ẞ`) are their own upper case; upper case last, because it knows no
 * final sigma.
 */
export function folded(word: string): string {
  // ASCII has one form and one upper case.
  if (/^[ -~]*$/.test(word)) return word.toUpperCase()
  return word.normalize('NFD').toLowerCase().toUpperCase().normalize('NFC')
}
