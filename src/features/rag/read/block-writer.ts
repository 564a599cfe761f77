/** Collects the blocks of a document while it is read, and keeps the path of headings above each. */
import { MillraceError } from '../../../errors.ts'
import type { Block } from '../types.ts'

/** Most characters of all blocks of a document: some 1,600,000 words, twice the Bible. */
export const MAX_TEXT_LETTERS = 10_000_000
/** Most blocks of a document; a table of 10,000,000 characters in short rows stays within it. */
const MAX_BLOCKS = 300_000

/** Position of blocks in the document: the page or slide from 1, or seconds from the beginning of a recording. */
export type BlockPosition = Pick<Block, 'page' | 'startSeconds' | 'endSeconds'>

interface OpenHeading {
  readonly level: number
  readonly text: string
}

/** Writes blocks in reading order. Blank blocks are dropped. */
export class BlockWriter {
  readonly #blocks: Block[] = []
  #open: OpenHeading[] = []
  #path: readonly string[] = []
  #position: BlockPosition = {}
  #letters = 0

  /** Blocks written so far. */
  get blocks(): readonly Block[] {
    return this.#blocks
  }

  /** Sets the position of the blocks that follow. */
  moveTo(position: BlockPosition): void {
    this.#position = position
  }

  /**
   * Adds a heading and makes it part of the path of what follows, until a heading of its own or a higher level.
   * @param level 1 is the highest
   * @throws MillraceError TOO_LARGE
   */
  heading(level: number, text: string): void {
    const line = collapse(text)
    if (line === '') return
    this.#open = this.#open.filter((heading) => heading.level < level)
    this.#path = this.#open.map((heading) => heading.text)
    this.#add('heading', line)
    this.#open.push({ level, text: line })
    this.#path = [...this.#path, line]
  }

  /**
   * Adds a paragraph; white space is collapsed.
   * @throws MillraceError TOO_LARGE
   */
  paragraph(text: string): void {
    this.#add('paragraph', collapse(text))
  }

  /**
   * Adds a row of a table.
   * @param cells by column
   * @param columns names of the columns, where they are known: `Name: Ada; Born: 1815`
   * @throws MillraceError TOO_LARGE
   */
  row(cells: readonly string[], columns: readonly string[] = []): void {
    const named = cells.map((cell, index) => ({ name: collapse(columns[index] ?? ''), value: collapse(cell) }))
    const full = named.filter(({ value }) => value !== '')
    const isNamed = full.some(({ name }) => name !== '')
    const parts = full.map(({ name, value }) => (name === '' ? value : `${name}: ${value}`))
    this.#add('row', parts.join(isNamed ? '; ' : ' | '))
  }

  /**
   * Adds preformatted text, with its line ends and indents.
   * @throws MillraceError TOO_LARGE
   */
  code(text: string): void {
    this.#add('code', text.replace(/^(?:[ \t]*\r?\n)+|\s+$/g, ''))
  }

  #add(kind: Block['kind'], text: string): void {
    if (text.trim() === '') return
    this.#letters += text.length
    if (this.#letters > MAX_TEXT_LETTERS || this.#blocks.length === MAX_BLOCKS) {
      throw new MillraceError(
        'TOO_LARGE',
        `This document holds more than ${MAX_TEXT_LETTERS} letters or ${MAX_BLOCKS} paragraphs and rows. Split it and send its parts.`,
      )
    }
    this.#blocks.push({ kind, text, headings: this.#path, ...this.#position })
  }
}

/** Control characters, which stores and exports do not support, soft hyphens and byte order marks. */
const UNPRINTABLE = /[\p{Cc}\u00AD\uFEFF]/gu

/** Collapses text to one line without unprintable characters. */
export function collapse(text: string): string {
  return text.replace(/\s+/g, ' ').replace(UNPRINTABLE, '').trim()
}
