/**
 * Undoes what a PDF's text layer does to text: ligatures, stand-in code points, accents apart from their letters.
 * Pure, so that text from elsewhere can be brought to the same form.
 */
import { normalizeText } from './unicode.ts'

/** Ligatures that some fonts map to letters of other alphabets; each stands for Latin letters when it is among them. */
const STAND_INS: ReadonlyMap<string, string> = new Map([
  ['\u03D0', 'f'],
  ['\u019F', 'ti'],
  ['\u01A9', 'tt'],
  ['\u01AB', 'tti'],
  ['\u014C', 'ft'],
])

const LIGATURES: ReadonlyMap<string, string> = new Map([
  ['\uFB00', 'ff'],
  ['\uFB01', 'fi'],
  ['\uFB02', 'fl'],
  ['\uFB03', 'ffi'],
  ['\uFB04', 'ffl'],
  ['\uFB05', 'st'],
  ['\uFB06', 'st'],
])

/** Accents printed as signs of their own after their letter, and the combining marks they stand for. */
const SPACING_ACCENTS: ReadonlyMap<string, string> = new Map([
  ['\u00A8', '\u0308'],
  ['\u02C6', '\u0302'],
  ['\u02DC', '\u0303'],
  ['\u00B8', '\u0327'],
  ['\u02DA', '\u030A'],
  ['\u02C7', '\u030C'],
])

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
const INVISIBLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\u200B-\u200D\u2060\uFEFF]/g
const SPACES = /[\s\u00A0\u2000-\u200A\u202F\u3000]/g

/**
 * Text as the page shows it: Unicode NFC, ligatures taken apart, one kind of space and of hyphen, and no letter twice
 * where the layer holds a base letter and then the same letter with its accent.
 */
export function normalizePdfText(text: string): string {
  if (/^[\x20-\x7E]*$/.test(text)) return text
  const plain = text
    .replace(INVISIBLE, '')
    .replace(SPACES, ' ')
    .replace(/[\u00AD\u2010\u2011\u2043\u2212]/g, '-')
    .replace(/[\uFB00-\uFB06]/g, (sign) => LIGATURES.get(sign) ?? sign)
    .replace(/(\p{Ll})[\u00A8\u02C6\u02DC\u00B8\u02DA\u02C7](?=\p{Ll})/gu, (pair) => withAccent(pair))
    .replace(/(?<=[a-z])[\u019F\u01A9\u01AB\u014C]/g, (sign) => STAND_INS.get(sign) ?? sign)
  return singleAccented(latinF(normalizeText(plain, 'NFC')))
}

function withAccent(pair: string): string {
  const [letter = '', sign = ''] = pair
  const joined = normalizeText(letter + (SPACING_ACCENTS.get(sign) ?? ''), 'NFC')
  return joined.length === 1 ? joined : pair
}

/** U+03D0 is a Greek beta of its own; among Latin letters only, it is an f whose font said so. */
function latinF(text: string): string {
  if (!text.includes('\u03D0') || /[\u0370-\u03CF\u03D1-\u03FF]/.test(text)) return text
  return text.replaceAll('\u03D0', STAND_INS.get('\u03D0') ?? 'f')
}

function singleAccented(text: string): string {
  return text.replace(/(\p{L})(?=(\p{L}))/gu, (letter, _same: string, next: string) => {
    const base = normalizeText(next, 'NFD').charAt(0)
    return next !== base && base === letter ? '' : letter
  })
}
