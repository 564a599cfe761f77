/** Runs of paragraphs, tables and code, each of which gets a vector. */
import { describe, expect, it } from 'vitest'
import { chunkDocument } from '../../../../src/features/rag/chunk/chunk.ts'
import type { Block } from '../../../../src/features/rag/types.ts'

const sentence = (words: number, name: string) => `${Array.from({ length: words }, () => name).join(' ')}.`

const block = (kind: Block['kind'], text: string, headings: readonly string[] = []): Block => ({ kind, text, headings })

function runsOf(...blocks: readonly Block[]): string[] {
  const options = { chunkSize: 4_096, chunkOverlap: 0, countTokens: (text: string) => text.split(' ').length }
  return chunkDocument(blocks, options).chunks.flatMap(({ text, runs }) =>
    runs.map(({ start, end }) => text.slice(start, end)),
  )
}

describe('the runs of a chunk', () => {
  it('keep a paragraph of up to 50 words whole, with its heading', () => {
    const paragraph = `${sentence(20, 'Pier')} ${sentence(27, 'Boat')}`
    const second = `${sentence(25, 'Crane')} ${sentence(25, 'Fuel')}`
    expect(
      runsOf(
        block('heading', 'Berths and fees'),
        block('paragraph', paragraph, ['Berths']),
        block('paragraph', second),
      ),
    ).toEqual([`Berths and fees\n\n${paragraph}`, second])
    expect(runsOf(block('paragraph', sentence(45, 'Long')))).toEqual([sentence(45, 'Long')])
  })

  it('cut a longer paragraph between sentences, and a longer sentence between words, at 35 words', () => {
    const [a, b, c] = [sentence(20, 'Pier'), sentence(15, 'Boat'), sentence(16, 'Crane')]
    expect(runsOf(block('paragraph', `${a} ${b} ${c}`))).toEqual([`${a} ${b}`, c])
    const parts = runsOf(block('paragraph', sentence(60, 'Long')))
    expect(parts.map((part) => part.split(' ').length)).toEqual([30, 30])
  })

  it('join rows and lines of code up to 35 words', () => {
    const rows = ['Fee', 'Berth', 'Crane'].map((name) => block('row', sentence(15, name)))
    expect(runsOf(...rows).map((run) => run.split('\n').length)).toEqual([2, 1])
    expect(runsOf(block('row', sentence(40, 'Wide')))).toHaveLength(2)
  })
})
