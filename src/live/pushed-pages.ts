/** Pages of a log that came with notices, because somebody read them for all who follow. */
import * as z from 'zod'
import type { EventPage } from './event-log.ts'

/** Pages kept until they are asked for. They are asked for as soon as they come, unless the reader is busy. */
const KEPT = 16

/** A page as it travels, and the number that it begins after. */
const ToldPage = z.object({
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
  #pages: z.infer<typeof ToldPage>[] = []

  /** Takes in a page as plain JSON; what is none is passed over. */
  put(page: unknown): void {
    const parsed = ToldPage.safeParse(page)
    if (!parsed.success) return
    // A batch that runs again replaced events, which a reader that is behind no longer gets.
    const startsAgain = parsed.data.events.some(({ type }) => type === 'batch_started')
    this.#pages = [...(startsAgain ? [] : this.#pages), parsed.data].slice(-KEPT)
  }

  /** The page that goes on after a number; null when it was not told. Pages that reach no further are forgotten. */
  after(seq: number): EventPage | null {
    this.#pages = this.#pages.filter(({ end }) => end > seq)
    const page = this.#pages.find(({ after }) => after <= seq)
    return page === undefined ? null : { ...page, events: page.events.filter((event) => event.seq > seq) }
  }
}
