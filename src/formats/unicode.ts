/** Unicode's normal forms of untrusted text. */

/** Names of the forms. */
type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

/** Marks in a row that are put in order; no writing system has more than a few. */
const MAX_MARKS = 30
/** COMBINING GRAPHEME JOINER, which is shown as nothing and across which no marks are put in order. */
const JOINER = '\u034F'
// The look behind keeps a long run from being tried at each of its marks.
const LONG_RUN = new RegExp(`(?<!\\p{M})\\p{M}{${MAX_MARKS + 1}}`, 'u')
const MARKS = new RegExp(`\\p{M}{${MAX_MARKS}}`, 'gu')

/**
 * Brings text to a normal form, in time that grows as its length does: marks in a row are put in order, which takes the square of their
 * number, a minute for a text of 250,000. Longer runs get a joiner after each 30 marks, as Unicode's Stream-Safe Text Format has it
 * (UAX #15, section 13). Text is normalized here alone; test/formats/unicode.test.ts holds that.
 */
export function normalizeText(text: string, form: NormalForm): string {
  const isLong = text.length > MAX_MARKS && LONG_RUN.test(text)
  return (isLong ? text.replace(MARKS, `$&${JOINER}`) : text).normalize(form)
}
