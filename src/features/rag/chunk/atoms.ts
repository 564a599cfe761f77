/** Segments a document's text into the atoms of chunks: sentences, table rows, lines of code. */
import type { Block, TextRange } from '../types.ts'

/** Part of the text that chunks do not divide, with the white space after it. Atoms are contiguous. */
export interface Atom extends TextRange {
  readonly block: Block
  readonly tokens: number
}

const sentences = new Intl.Segmenter(undefined, { granularity: 'sentence' })
const words = new Intl.Segmenter(undefined, { granularity: 'word' })
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Code units on each side of a cut that are searched for a grapheme; no script has longer ones. */
const GRAPHEME_WINDOW = 64

/** Text of a document with its atoms. */
export interface AtomizedText {
  readonly text: string
  readonly atoms: readonly Atom[]
}

/**
 * Joins the blocks' texts and segments the result.
 * @param limit most tokens of an atom; longer sentences are cut between words, words between graphemes, graphemes between characters
 */
export function atomize(blocks: readonly Block[], limit: number, countTokens: (text: string) => number): AtomizedText {
  const texts: string[] = []
  const atoms: Atom[] = []
  let offset = 0
  for (const [index, block] of blocks.entries()) {
    if (block.text === '') continue
    const next = blocks.slice(index + 1).find(({ text }) => text !== '')
    const text = block.text + separator(block, next)
    texts.push(text)
    for (const { start, end } of cutBlock(block, text)) {
      for (const part of cutToLimit(text.slice(start, end), limit, countTokens)) {
        const [from, to] = [offset + start + part.start, offset + start + part.end]
        atoms.push({ start: from, end: to, block, tokens: part.tokens })
      }
    }
    offset += text.length
  }
  return { text: texts.join(''), atoms }
}

/** Counts the words of a text, in any script. */
export function countWords(text: string): number {
  let count = 0
  for (const { isWordLike } of words.segment(text)) if (isWordLike === true) count++
  return count
}

/** Cuts a text between words, into as few parts of about equal length as have at most so many words each. */
export function cutByWords(text: string, maxWords: number): TextRange[] {
  const starts: number[] = []
  for (const { index, isWordLike } of words.segment(text)) if (isWordLike === true) starts.push(index)
  const parts = Math.max(1, Math.ceil(starts.length / maxWords))
  const cuts = [0]
  for (let part = 1; part < parts; part++) {
    const cut = starts[Math.floor((part * starts.length) / parts)] ?? 0
    if (cut > (cuts.at(-1) ?? 0) && isGraphemeBoundary(text, cut)) cuts.push(cut)
  }
  return cuts.map((start, index) => ({ start, end: cuts[index + 1] ?? text.length }))
}

function separator(block: Block, next: Block | undefined): string {
  if (next === undefined) return ''
  return block.kind === next.kind && (block.kind === 'row' || block.kind === 'code') ? '\n' : '\n\n'
}

function cutBlock({ kind }: Block, text: string): TextRange[] {
  if (kind === 'row') return [{ start: 0, end: text.length }]
  const cuts =
    kind === 'code'
      ? [...text.matchAll(/\n(?!\n)/g)].map(({ index }) => index + 1)
      : Array.from(sentences.segment(text), ({ index }) => index)
  return ranges(text, cuts)
}

/** Returns the ranges between cuts. Cuts before white space alone or inside a grapheme are ignored. */
function ranges(text: string, cuts: readonly number[]): TextRange[] {
  const starts = [0]
  for (const cut of cuts) {
    if (cut <= (starts.at(-1) ?? 0) || cut >= text.length) continue
    if (/^\s*$/.test(text.slice(cut, cut + 8)) && text.slice(cut).trim() === '') continue
    if (isGraphemeBoundary(text, cut)) starts.push(cut)
  }
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? text.length }))
}

function isGraphemeBoundary(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1)
  const after = text.charCodeAt(at)
  // Fast path: most cuts are between characters that never join, and a segmenter takes a thousand times as long.
  if (isPlainBefore(before) && isPlainAfter(after)) return !(before === 13 && after === 10)
  const start = Math.max(0, at - GRAPHEME_WINDOW)
  return graphemes.segment(text.slice(start, at + GRAPHEME_WINDOW)).containing(at - start)?.index === at - start
}

/** Returns true for Latin letters, ideographs and kana, which do not join with the character after them. */
const isPlainBefore = (code: number) => code < 0x300 || (code >= 0x3000 && code <= 0x9fff)

/** Returns true for ASCII, kana, ideographs and their punctuation, which do not join with the character before them. */
function isPlainAfter(code: number): boolean {
  if (code < 0x80 || (code >= 0x4e00 && code <= 0x9fff) || code === 0x3001 || code === 0x3002) return true
  return (code >= 0x3041 && code <= 0x3096) || (code >= 0x30a1 && code <= 0x30fa)
}

type Part = TextRange & { readonly tokens: number }

const byWord = (text: string) =>
  ranges(
    text,
    Array.from(words.segment(text), ({ index }) => index),
  )
const byGrapheme = (text: string) => segments(graphemes.segment(text))
function byCharacter(text: string): TextRange[] {
  const parts: TextRange[] = []
  let start = 0
  for (const { length } of text) {
    parts.push({ start, end: start + length })
    start += length
  }
  return parts
}

function segments(found: Intl.Segments): TextRange[] {
  return Array.from(found, ({ index, segment }) => ({ start: index, end: index + segment.length }))
}

/** Cuts text that exceeds the limit into the largest parts within it, by the coarsest units that fit. */
function cutToLimit(text: string, limit: number, countTokens: (text: string) => number): Part[] {
  const cut = (part: TextRange, ways: readonly ((text: string) => TextRange[])[]): Part[] => {
    const tokens = countTokens(text.slice(part.start, part.end))
    const [way, ...finer] = ways
    if (tokens <= limit || way === undefined) return [{ ...part, tokens }]
    const units = way(text.slice(part.start, part.end)).flatMap(({ start, end }) =>
      cut({ start: part.start + start, end: part.start + end }, finer),
    )
    return pack(text, units, limit, countTokens)
  }
  return cut({ start: 0, end: text.length }, [byWord, byGrapheme, byCharacter])
}

/** Joins units while they are within the limit. The joined text may have more tokens than its parts together, so each result is counted. */
function pack(text: string, units: readonly Part[], limit: number, countTokens: (text: string) => number): Part[] {
  const parts: Part[] = []
  for (let first = 0; first < units.length; ) {
    let after = first + 1
    let sum = units[first]?.tokens ?? 0
    while (after < units.length && sum + (units[after]?.tokens ?? 0) <= limit) sum += units[after++]?.tokens ?? 0
    const start = units[first]?.start ?? 0
    for (;;) {
      const end = units[after - 1]?.end ?? start
      const tokens = after === first + 1 ? (units[first]?.tokens ?? 0) : countTokens(text.slice(start, end))
      if (tokens <= limit || after === first + 1) {
        parts.push({ start, end, tokens })
        break
      }
      after--
    }
    first = after
  }
  return parts
}
