/** Compute task that reads a PDF into a sheet, or a long one a stretch of pages at a time. A task, because it is CPU-heavy. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { yieldToEventLoop } from '../../formats/event-loop.ts'
import { readPdfText, type TextPage } from '../../formats/pdf-text.ts'
import { packPages } from '../../formats/text-pages.ts'
import type { ComputeTask } from '../../ports.ts'
import { JUDGED_PAGES, judgeFirstPages, LONG_DOCUMENT, parseSheet } from './parser/parse.ts'

const Input = z.object({
  pdf: z.instanceof(Uint8Array),
  /** Position to begin at; see `readPdfText`. */
  from: z.object({ page: z.int(), letters: z.int() }).default({ page: 1, letters: 0 }),
  /** Most pages and milliseconds of this task. */
  most: z.object({ pages: z.int(), ms: z.number() }).default({ pages: Number.MAX_SAFE_INTEGER, ms: Number.MAX_VALUE }),
})

/** Milliseconds of reading after which a stretch ends while another owner waits for the slot. Each stretch opens the document anew. */
const SHARED_STRETCH_MS = 100

/**
 * Takes `{pdf, from, most}`; the bytes are transferred. Returns the Sheet where the whole document was read at once, else `{packed, next,
 * letters, pages}`: the pages of this stretch (see `packPages`), the next position, the number of pages. Reports `{page, pages}` after each. A
 * stretch is short while other owners wait for the slot.
 * @throws MillraceError INVALID_PDF, TOO_LARGE, NO_TEXT, UNREADABLE_TEXT, NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT
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
    if (page.number === JUDGED_PAGES && from.page === 1 && pages >= LONG_DOCUMENT) judgeFirstPages(stretch)
    // On Workers the task runs in the isolate, where heartbeats need the loop and the clock stands still without I/O; a page may take long.
    await yieldToEventLoop()
    const spentMs = performance.now() - began
    if (stretch.length >= most.pages || spentMs > most.ms) break
    if (spentMs >= SHARED_STRETCH_MS && ctx.othersWait?.()) break
  }
  const next = from.page + stretch.length
  if (from.page === 1 && next > last.pages) return parseSheet(stretch)
  return { packed: packPages(stretch), next, ...last }
}

export default parseTask
