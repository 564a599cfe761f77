/**
 * A heat or psych sheet as it was read, free of any swimmer's question. Plain JSON: it is kept and asked again for other
 * swimmers, so its shape is a schema that what comes back from storage is checked against.
 */
import * as z from 'zod'

/** Counts up when the parser reads something otherwise than before, so that kept sheets are read again. */
export const PARSER_VERSION = 1

const Day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)

/** A part of the meet as page headings name it. */
export const SheetSession = z.object({
  /** As printed after `Meet Program -`; `Psych Sheet` where nothing more is said; empty where nothing is. */
  name: z.string(),
  /** Null when the sheet prints no dates. */
  date: Day.nullable(),
  /** True where `date` is the meet's first day for want of a weekday. */
  guessed: z.boolean(),
})
export type SheetSession = z.infer<typeof SheetSession>

/** An event of one session. */
export const SheetEvent = z.object({ number: z.int(), name: z.string(), session: z.int() })
export type SheetEvent = z.infer<typeof SheetEvent>

/** A swimmer's place in a heat, a list or a relay. `event` is a place in the sheet's events. Absent fields are not printed. */
export const SheetEntry = z.object({
  event: z.int(),
  /** As printed, joined where it was wrapped. */
  name: z.string(),
  /** The name fills its column, so its end may be missing. */
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
  round: z.string().optional(),
  relay: z.object({ team: z.string(), letter: z.string().optional(), leg: z.int() }).optional(),
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
  }),
  sessions: z.array(SheetSession),
  events: z.array(SheetEvent),
  entries: z.array(SheetEntry),
  /** Lines that look like entries and could not be read as any. */
  unread: z.int(),
})
export type Sheet = z.infer<typeof Sheet>
