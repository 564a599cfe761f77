/** Compute task that reads some pages of a PDF into lines of text, for a language model. */
import * as z from 'zod'
import { readPdfText, type TextPage } from '../../../formats/pdf-text.ts'
import type { ComputeTask } from '../../../ports.ts'
import { columnEdges, readColumns } from '../parser/columns.ts'
import { partPage } from '../parser/imposed-pages.ts'
import { type Box, positionOnPage, toLines } from '../parser/lines.ts'

const Input = z.object({ pdf: z.instanceof(Uint8Array), from: z.int(), mostCharacters: z.int() })

/** A line of text, with the page and the box that it is in. */
export interface TextLine {
  readonly text: string
  readonly page: number
  readonly line: Box
}

/**
 * Takes `{pdf, from, mostCharacters}`; the bytes are transferred. Reads from page `from` on, whole pages, one at least, until they have that
 * many characters. Returns `{lines, next, pages}`: their lines, column by column, the next page, the number of pages.
 * @throws MillraceError INVALID_PDF, TOO_LARGE
 */
const textTask: ComputeTask = async (input) => {
  const { pdf, from, mostCharacters } = Input.parse(input)
  const lines: TextLine[] = []
  let characters = 0
  let next = from
  let pages = 0
  for await (const read of readPdfText(pdf, { from: { page: from, letters: 0 }, consume: true })) {
    const ofPage = linesOf(read.page)
    const length = ofPage.reduce((sum, { text }) => sum + text.length + 1, 0)
    pages = read.pages
    if (lines.length > 0 && characters + length > mostCharacters) break
    lines.push(...ofPage)
    characters += length
    next = read.page.number + 1
  }
  return { lines, next, pages }
}

function linesOf(page: TextPage): TextLine[] {
  const parts = partPage(page)
  const edges = columnEdges(parts.map(({ items }) => items))
  return parts.flatMap((part, i) => {
    const columns = edges[i] ?? []
    const whole = { page: part.number, column: 0, left: 0, end: part.width }
    const lines = columns.length > 1 ? readColumns(part, part.items, columns) : toLines(part.items, whole)
    return lines.map((line) => {
      const { page, line: box } = positionOnPage(line)
      return { text: line.text, page, line: [box[0] + part.movedLeft, box[1], box[2], box[3]] satisfies Box }
    })
  })
}

export default textTask
