/** Reading a PDF is heavy, so it runs in a process of its own: bytes in, a sheet out. */
import { MillraceError } from '../../errors.ts'
import { readPdfText, type TextPage } from '../../formats/pdf-text.ts'
import type { ComputeTask } from '../../ports.ts'
import { parseSheet } from './parse.ts'

function bytesOf(input: unknown): Uint8Array {
  if (typeof input === 'object' && input !== null && 'pdf' in input && input.pdf instanceof Uint8Array) return input.pdf
  throw new MillraceError('UNKNOWN', 'The heat-sheet reader was given no PDF.')
}

/**
 * Takes `{pdf: Uint8Array}`, gives the Sheet, reports `{page, pages}` after each page.
 * @throws MillraceError INVALID_PDF, TOO_LARGE, NO_TEXT, NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT
 */
const parseTask: ComputeTask = async (input, ctx) => {
  const pages: TextPage[] = []
  for await (const read of readPdfText(bytesOf(input))) {
    pages.push(read.page)
    ctx.progress({ page: read.page.number, pages: read.pages })
  }
  return parseSheet(pages)
}

export default parseTask
