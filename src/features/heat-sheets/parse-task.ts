/** Reading a PDF is heavy, so it runs apart from all else, and a long one a stretch of pages at a time: bytes in, a sheet or some pages out. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { readPdfText, type TextPage } from '../../formats/pdf-text.ts'
import { packPages } from '../../formats/text-pages.ts'
import type { ComputeTask } from '../../ports.ts'
import { parseSheet } from './parser/parse.ts'

const Input = z.object({
  pdf: z.instanceof(Uint8Array),
  /** Position to begin at; see `readPdfText`. */
  from: z.object({ page: z.int(), letters: z.int() }).default({ page: 1, letters: 0 }),
  /** Pages and milliseconds to read at once, at most. */
  most: z.object({ pages: z.int(), ms: z.number() }).default({ pages: Number.MAX_SAFE_INTEGER, ms: Number.MAX_VALUE }),
})

/** Pages read without a pause. Where a task runs in place, heartbeats are sent in pauses, and clocks stand still between them. */
const PAGES_A_TURN = 4

const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

/**
 * Takes `{pdf, from, most}` and takes over the bytes. Gives the Sheet where all of the document was read at once, else `{packed, next,
 * letters, pages}`: the pages of this stretch (see `packPages`), where to go on, how many pages there are. Reports `{page, pages}` after each.
 * @throws MillraceError INVALID_PDF, TOO_LARGE, NO_TEXT, NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT
 */
const parseTask: ComputeTask = async (input, ctx) => {
  const given = Input.safeParse(input)
  if (!given.success) throw new MillraceError('UNKNOWN', 'The heat-sheet reader was given no PDF.')
  const { pdf, from, most } = given.data
  const began = performance.now()
  const stretch: TextPage[] = []
  let last = { pages: 0, letters: from.letters }
  for await (const { page, pages, letters } of readPdfText(pdf, { from, consume: true })) {
    stretch.push(page)
    last = { pages, letters }
    ctx.progress({ page: page.number, pages })
    if (stretch.length % PAGES_A_TURN === 0) await turn()
    if (stretch.length >= most.pages || performance.now() - began > most.ms) break
  }
  const next = from.page + stretch.length
  if (from.page === 1 && next > last.pages) return parseSheet(stretch)
  return { packed: packPages(stretch), next, ...last }
}

export default parseTask
