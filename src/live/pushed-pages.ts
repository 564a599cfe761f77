/** Pages of a log that were pushed with notices: the publisher read them once for all followers. */
import * as z from 'zod'
import type { EventPage } from './event-log.ts'

/** Maximum of buffered pages. The reader takes them as soon as they arrive, unless it is busy. */
const KEPT = 16

/** A page as it travels, and the number that it begins after. */
const PushedPage = z.object({
  after: z.int(),
  events: z.array(
    z.object({
      seq: z.int(),
      type: z.string(),
      batchId: z.string(),
      jobId: z.string().nullable(),
      body: z.record(z.string(), z.unknown()),
    }),
  ),
  end: z.int(),
  complete: z.boolean(),
  finished: z.boolean(),
})

/** Pages of one log that were pushed to its reader. A missing page is a gap, which the reader fills from the database. */
export class PushedPages {
  #pages: z.infer<typeof PushedPage>[] = []

  /** Takes in a page as plain JSON; what is none is passed over. */
  put(page: unknown): void {
    const parsed = PushedPage.safeParse(page)
    if (!parsed.success) return
    // A rerun batch superseded events, which a reader that is behind no longer gets.
    const startsAgain = parsed.data.events.some(({ type }) => type === 'batch_started')
    this.#pages = [...(startsAgain ? [] : this.#pages), parsed.data].slice(-KEPT)
  }

  /** Returns the page that follows an event number; null when none was pushed. Drops pages that reach no further. */
  after(seq: number): EventPage | null {
    this.#pages = this.#pages.filter(({ end }) => end > seq)
    const page = this.#pages.find(({ after }) => after <= seq)
    return page === undefined ? null : { ...page, events: page.events.filter((event) => event.seq > seq) }
  }
}
