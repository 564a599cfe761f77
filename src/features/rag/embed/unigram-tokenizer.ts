/**
 * Tokenizes text by a SentencePiece unigram vocabulary with the Viterbi algorithm (Kudo 2018, arXiv:1804.10959), in linear time. Not the
 * tokenizer that is published with the model, which copies the rest of the text at each character.
 */
import { normalizeText } from '../../../formats/unicode.ts'

/** Pieces with their log probabilities, in the order of their ids. */
export type Vocabulary = readonly (readonly [piece: string, score: number])[]

/** First id of a piece; those before it are control symbols, which do not occur in text. */
const FIRST_PIECE = 6
const UNKNOWN = 0
/** Marks the beginning of a word; it replaces the space before it. */
const WORD_START = '▁'
/** Penalty of a character that is in no piece, below the score of the rarest piece. */
const UNKNOWN_PENALTY = 10
/** Most words in the cache, and most code units of each: texts consist mostly of the same few thousand words. */
const MAX_REMEMBERED = 50_000
const MAX_REMEMBERED_LENGTH = 24

/** Tokenizer of a vocabulary whose pieces contain a space only at their beginning, so that words are tokenized independently. */
export class UnigramTokenizer {
  readonly #ids = new Map<string, number>()
  readonly #scores: Float64Array
  readonly #maxLength: number
  readonly #unknownScore: number
  readonly #remembered = new Map<string, readonly number[]>()

  constructor(vocabulary: Vocabulary) {
    this.#scores = Float64Array.from(vocabulary, ([, score]) => score)
    for (const [id, [piece]] of vocabulary.entries()) if (id >= FIRST_PIECE) this.#ids.set(piece, id)
    this.#maxLength = Math.max(...vocabulary.map(([piece]) => piece.length))
    this.#unknownScore = this.#scores.reduce((least, score) => Math.min(least, score), 0) - UNKNOWN_PENALTY
  }

  /** Returns the ids of a text's pieces. Adjacent unknown characters are one unknown piece. */
  encode(text: string): number[] {
    const ids: number[] = []
    for (const word of words(text)) {
      for (const id of this.#encodeWord(word)) if (id !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(id)
    }
    return ids
  }

  /** Counts pieces, with each unknown character as one, so that texts in scripts outside the vocabulary have a size as well. */
  count(text: string): number {
    let count = 0
    for (const word of words(text)) count += this.#encodeWord(word).length
    return count
  }

  #encodeWord(word: string): readonly number[] {
    const known = this.#remembered.get(word)
    if (known !== undefined) return known
    const ids = this.#bestPath(WORD_START + word)
    if (word.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
      this.#remembered.set(word, ids)
    }
    return ids
  }

  /** Finds the pieces with the highest sum of scores; each unknown character is one unknown piece. */
  #bestPath(word: string): number[] {
    const { length } = word
    const best = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY)
    const from = new Int32Array(length + 1)
    const piece = new Int32Array(length + 1)
    best[0] = 0
    const reach = (start: number, end: number, id: number, score: number) => {
      const total = (best[start] ?? 0) + score
      if (total <= (best[end] ?? 0)) return
      best[end] = total
      from[end] = start
      piece[end] = id
    }
    for (let start = 0; start < length; start++) {
      if (best[start] === Number.NEGATIVE_INFINITY) continue
      const longest = Math.min(this.#maxLength, length - start)
      for (let size = 1; size <= longest; size++) {
        const id = this.#ids.get(word.slice(start, start + size))
        if (id !== undefined) reach(start, start + size, id, this.#scores[id] ?? 0)
      }
      const size = (word.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
      reach(start, start + size, UNKNOWN, this.#unknownScore)
    }
    const ids: number[] = []
    for (let end = length; end > 0; end = from[end] ?? 0) ids.push(piece[end] ?? UNKNOWN)
    return ids.reverse()
  }
}

/** Splits a text in compatibility form at white space. */
function* words(text: string): Generator<string> {
  for (const [word] of normalizeText(text, 'NFKC').matchAll(/\S+/gu)) yield word
}
