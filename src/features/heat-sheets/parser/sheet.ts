/**
 * Schema of a parsed heat or psych sheet, independent of the swimmers of a query. Plain JSON: it is stored for queries of other
 * swimmers, and validated by this schema when it is read from storage.
 */
import * as z from 'zod'

/** Version of the parser's results; it is incremented when these change, so that stored sheets are parsed anew. */
export const PARSER_VERSION = 4

const Day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)

/** A session of the meet, as page headings name it. */
export const SheetSession = z.object({
  /** As printed after `Meet Program -`; `Psych Sheet` where that is all; empty where there is no name. */
  name: z.string(),
  /** Day of the session; null where the sheet does not state which of the meet's days it is, or prints none. */
  date: Day.nullable(),
})
export type SheetSession = z.infer<typeof SheetSession>

/** An event of one session. */
export const SheetEvent = z.object({ number: z.int(), name: z.string(), session: z.int() })
export type SheetEvent = z.infer<typeof SheetEvent>

/** An entry of a swimmer in a heat, a list or a relay. `event` is an index in the sheet's events. Absent fields are not printed. */
export const SheetEntry = z.object({
  event: z.int(),
  /** Name as printed, joined where it was wrapped. */
  name: z.string(),
  /** True where the name fills its column, so its end may be cut off. */
  full: z.literal(true).optional(),
  heat: z.int().optional(),
  lane: z.int().optional(),
  rank: z.int().optional(),
  alternate: z.int().optional(),
  age: z.int().optional(),
  grade: z.string().optional(),
  team: z.string().optional(),
  seed: z.string().optional(),
  /** Start of the heat, `HH:MM`. */
  start: z.string().optional(),
  /** True where the start is estimated from others. */
  estimated: z.literal(true).optional(),
  round: z.string().optional(),
  /** Relay team; alternates have no leg but `alternate`. */
  relay: z.object({ team: z.string(), letter: z.string().optional(), leg: z.int().optional() }).optional(),
  /** Number of the page that it was read from, from 1. */
  page: z.int().optional(),
  /** Its line on that page: left, top, width and height, in points from the top left of the page as it is read, turned upright. */
  line: z.tuple([z.number(), z.number(), z.number(), z.number()]).optional(),
})
export type SheetEntry = z.infer<typeof SheetEntry>

/** The whole sheet. */
export const Sheet = z.object({
  parser: z.int(),
  meet: z.object({
    name: z.string(),
    start: Day.nullable(),
    end: Day.nullable(),
    venue: z.string().nullable(),
    /** A printed date whose order of day and month is ambiguous. */
    unsure: z.string().optional(),
  }),
  sessions: z.array(SheetSession),
  events: z.array(SheetEvent),
  entries: z.array(SheetEntry),
  /** Number of lines that look like entries and could not be read. */
  unread: z.int(),
  /** Pages of such lines, in order. */
  unreadPages: z.array(z.int()).default([]),
  /** Language model that read it, and how many of its entries were left out because they are not printed; absent where the parser did. */
  byModel: z.object({ model: z.string(), dropped: z.int() }).optional(),
})
export type Sheet = z.infer<typeof Sheet>
