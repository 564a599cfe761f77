/**
 * Tokenizes text for the full-text index: words are folded and stemmed, and scripts without spaces become bigrams. All languages are
 * treated alike, because the language of a query and of its passage may be unknown.
 */
import { normalizeText } from '../../../formats/unicode.ts'

/** Foldings of letters without a compatibility decomposition. */
const FOLDED: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ς: 'σ',
}
const FOLDABLE = new RegExp(`[${Object.keys(FOLDED).join('')}]`, 'g')

const WORD = /[\p{L}\p{N}\p{M}]+/gu
/** Runs of scripts without spaces, and of Hangul, whose words include their particles. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}ー]+/gu

/** Most characters of a word; longer ones are keys and checksums, and are cut. */
const MAX_WORD = 64

/** Splits a text into words of the index, in order, repeated ones included. */
export function tokenize(text: string): string[] {
  const tokens: string[] = []
  for (const [word] of fold(text).matchAll(WORD)) {
    let end = 0
    for (const { 0: run, index } of word.matchAll(UNSPACED)) {
      addWord(word.slice(end, index), tokens)
      addPairs(run, tokens)
      end = index + run.length
    }
    addWord(word.slice(end), tokens)
  }
  return tokens
}

/** Folds text to lower case without accents; Hangul syllables stay composed. */
function fold(text: string): string {
  const letters = normalizeText(text, 'NFKD')
    .replace(/(?<=[\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{M}])\p{Mn}+/gu, '')
    .toLowerCase()
    .replace(FOLDABLE, (letter) => FOLDED[letter] ?? letter)
  return normalizeText(letters, 'NFC')
}

function addWord(word: string, tokens: string[]): void {
  if (word !== '') tokens.push(stem(word.slice(0, MAX_WORD)))
}

function addPairs(run: string, tokens: string[]): void {
  const characters = [...run]
  if (characters.length === 1) tokens.push(run)
  for (let at = 0; at + 1 < characters.length; at++) tokens.push(`${characters[at]}${characters[at + 1]}`)
}

/** Endings with their replacements, longest first; at least three letters must remain. */
const ENDINGS: readonly (readonly [string, string])[] = [
  ['ations', 'at'],
  ['ation', 'at'],
  ['ingly', ''],
  ['edly', ''],
  ['ments', 'ment'],
  ['nesses', ''],
  ['ness', ''],
  ['ings', ''],
  ['ies', 'y'],
  ['ied', 'y'],
  ['ing', ''],
  ['ers', ''],
  ['est', ''],
  ['ed', ''],
  ['es', ''],
  ['er', ''],
  ['en', ''],
  ['ly', ''],
  ['s', ''],
  ['e', ''],
]

/** Stems a word by removing common endings, so that its forms match. The result need not be a word. */
export function stem(word: string): string {
  if (word.length < 4 || /\p{N}/u.test(word)) return word
  for (const [ending, replacement] of ENDINGS) {
    if (!word.endsWith(ending) || word.length - ending.length < 3 || word.endsWith('ss')) continue
    const rest = word.slice(0, word.length - ending.length) + replacement
    // A consonant doubled before the ending: running, stopped.
    return /([bdfgmnprt])\1$/.test(rest) && rest.length > 3 ? rest.slice(0, -1) : rest
  }
  return word
}
