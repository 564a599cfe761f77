/** Schemas of the requests, answers and events of the heat-sheet surface, `/api/batch/*`. */
import * as z from 'zod'
import { isTimeZone } from './calendar/time-zone.ts'

/** One entry of a swimmer in a heat or psych sheet. Optional fields are absent where the sheet does not print them. */
export const SwimEvent = z.object({
  eventNumber: z.int().describe('Number of the event; a combined `21 / 22` counts under its first number.'),
  eventName: z.string().describe('As printed, ligatures resolved: `Girls 11-12 100 Yard Freestyle`.'),
  heatNumber: z
    .int()
    .nullable()
    .describe('Running number of the heat; null on lists without heats (psych sheets, alternates).'),
  lane: z.int().nullable().describe('Null on lists without heats.'),
  swimmerName: z.string().describe('`First Last`.'),
  age: z.int().optional().describe('Years; absent where the sheet prints a school year instead.'),
  grade: z.string().optional().describe('School year as printed: `SR`, `4`.'),
  team: z.string().optional(),
  seedTime: z
    .string()
    .optional()
    .describe('As printed, course letter joined (`2:52.14L`), exhibition `X` kept; `NT`, `NP` where there is none.'),
  heatStartTime: z.string().optional().describe('`HH:MM`, 24 h.'),
  estimated: z
    .literal(true)
    .optional()
    .describe(
      'Set where the sheet prints no start of this heat: `heatStartTime` is reckoned from the seeds and starts of others.',
    ),
  sessionDate: z
    .string()
    .optional()
    .describe('`YYYY-MM-DD`; absent where the sheet does not say on which day of the meet the event is swum.'),
  rank: z.int().optional().describe('Position in a list without heats.'),
  alternate: z
    .int()
    .optional()
    .describe("Position in an Alternates block; with `relay` and no leg, among the team's alternates."),
  round: z.string().optional().describe("As printed in the heat's heading: `A - Final`."),
  relay: z
    .object({ team: z.string(), letter: z.string().optional(), leg: z.int().optional() })
    .optional()
    .describe("Set when the entry is a leg of a relay; `leg` counts from 1, and is absent for a team's alternate."),
  page: z.int().optional().describe('Page of the document that the entry was read from, from 1.'),
  line: z
    .object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })
    .optional()
    .describe('Box of the line it was read from, in points from the top left of the page, turned upright.'),
})
export type SwimEvent = z.infer<typeof SwimEvent>

/** Most documents of one batch, files and links together, without duplicates. */
export const MAX_DOCUMENTS = 100
/** Most swimmers of one request: siblings, or a team. */
export const MAX_SWIMMERS = 50
/** Most characters of a link to a document. */
export const MAX_URL_CHARACTERS = 8_192

/** Normalizes a link and removes its fragment. @throws TypeError when it is no URL */
export function plainUrl(text: string): string {
  const url = new URL(text)
  url.hash = ''
  return url.href
}

/** The answer to `POST /api/batch/extract`. */
export const ExtractAccepted = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    totalJobs: z.int().describe('Documents that are left after the same one given twice was counted once.'),
    streamUrl: z
      .string()
      .describe("Carries a token good for a day where calls need a key, because `EventSource` can't send headers."),
  })
  .meta({ id: 'ExtractAccepted' })
export type ExtractAccepted = z.infer<typeof ExtractAccepted>

/** `POST /api/batch/extract`, a form: at least one document, at most 100, each at most 50 MB. */
export const ExtractForm = z
  .object({
    swimmer: z
      .string()
      .trim()
      .min(1)
      .max(200, 'expected a name of at most 200 characters')
      .refine((name) => !/\p{Cc}/u.test(name), 'expected a name without control characters')
      .optional()
      .describe('Whose events to look for, in either order of the names. Repeated for several swimmers, at most 50.'),
    team: z
      .string()
      .trim()
      .min(1)
      .max(200, 'expected a name or code of at most 200 characters')
      .refine((name) => !/\p{Cc}/u.test(name), 'expected a name or code without control characters')
      .optional()
      .describe(
        'In place of `swimmer`: everybody of a team on each sheet, at most 50, by the name or code as printed (`MILL` is `MILL-QZ` as well).',
      ),
    urls: z.string().optional().describe('A JSON array of links to PDFs.'),
    meet_url: z
      .string()
      .optional()
      .describe(
        'Address of a page of a meet. The PDFs that it links to become documents, known by the words of their links: those on its own host, and on `meet_hosts`.',
      ),
    meet_hosts: z
      .string()
      .optional()
      .describe('Hosts beside that of `meet_url`, separated by commas: `files.example.com, cdn.example.com`.'),
    pdfs: z.array(z.file()).max(MAX_DOCUMENTS).optional().describe('PDF files.'),
  })
  .meta({ id: 'ExtractForm' })

/** First and last day of a meet, `YYYY-MM-DD`. */
const MeetDays = z.object({ start: z.string(), end: z.string() })

const Found = z.object({
  meetName: z.string(),
  sessionDate: z
    .string()
    .nullable()
    .describe('`YYYY-MM-DD` of the earliest event; null where the document does not say.'),
  meetDateRange: MeetDays.optional(),
  venue: z.string().optional(),
  events: z.array(SwimEvent),
  warnings: z.array(z.string()),
  sharedWarnings: z
    .array(z.string())
    .default([])
    .describe('The warnings as the page of the result shows them: without others of the sheet.'),
})

/** Events of one of several swimmers in one document. */
export const SwimmerExtraction = Found.extend({
  swimmerName: z.string().describe('As was asked for.'),
  resultCode: z.string().describe("Code that shares this swimmer's events alone."),
})
export type SwimmerExtraction = z.infer<typeof SwimmerExtraction>

/** Events in one document, with its meet; kept as the result of its job. */
export const Extraction = Found.extend({
  swimmers: z
    .array(SwimmerExtraction)
    .optional()
    .describe('Where several swimmers were asked for: what the document holds for each. `events` has those of all.'),
  covered: z
    .array(z.string())
    .optional()
    .describe('All events of the document with their rounds, such as `12 prelims`, for comparing sheets of a meet.'),
})
export type Extraction = z.infer<typeof Extraction>

/** The answer of `GET /api/result/:code`. */
export const SharedResultAnswer = Found.omit({ sharedWarnings: true })
  .extend({
    success: z.literal(true),
    resultCode: z.string(),
    swimmerName: z.string().describe('As was asked for.'),
    warnings: z.array(z.string()).describe('Warnings that name no other swimmer.'),
    expiresAt: z.iso.datetime().describe('When the code ends.'),
    pageUrl: z.string().describe('The page of the result, to read and to print.'),
    calendarUrl: z.string().describe('The events as a calendar; without a host unless the server knows its own.'),
  })
  .meta({ id: 'SharedResultAnswer' })
export type SharedResultAnswer = z.infer<typeof SharedResultAnswer>

/** The answer of `DELETE /api/result/:code`. */
export const RevokedCode = z
  .object({ success: z.literal(true), resultCode: z.string(), revoked: z.literal(true) })
  .meta({ id: 'RevokedCode' })
export type RevokedCode = z.infer<typeof RevokedCode>

const Place = z.object({
  heatNumber: z.int().nullable(),
  lane: z.int().nullable(),
  seedTime: z.string().nullable(),
  heatStartTime: z.string().nullable(),
  sessionDate: z.string().nullable(),
})

/** A difference between two extractions of a meet. */
export const Change = z.object({
  kind: z.enum(['changed', 'scratched', 'added']),
  swimmerName: z.string(),
  meetName: z.string(),
  eventNumber: z.int(),
  eventName: z.string(),
  fields: z
    .array(z.enum(['heatNumber', 'lane', 'seedTime', 'heatStartTime', 'sessionDate']))
    .describe('What differs, where `kind` is `changed`.'),
  before: Place.nullable().describe('Null of what was added.'),
  after: Place.nullable().describe('Null of what was scratched.'),
})
export type Change = z.infer<typeof Change>

/** The answer of `GET /api/batch/:id/changes`. */
export const MeetChanges = z
  .object({
    success: z.literal(true),
    batchId: z.string(),
    status: z.string().describe('Of the batch: before its end, documents that are still to be read are not compared.'),
    comparedWith: z
      .array(z.object({ batchId: z.string(), meetName: z.string() }))
      .describe('The last extractions before; empty where there is none.'),
    changes: z.array(Change),
    unchanged: z.int(),
    notCompared: z.int().describe('Swims of events that the documents of one side alone hold.'),
  })
  .meta({ id: 'MeetChanges' })
export type MeetChanges = z.infer<typeof MeetChanges>

/** Minutes before a start at which the alarm of an entry may ring. */
const REMINDERS = ['5', '10', '15', 'none'] as const

/** Query of a calendar. */
export const CalendarQuery = z.strictObject({
  reminder: z
    .enum(REMINDERS)
    .default('10')
    .describe('Minutes before the start of a heat at which an alarm rings. Swims without a time have none.'),
  timezone: z
    .string()
    .refine(isTimeZone, 'Expected a time zone of the IANA database, such as America/New_York.')
    .optional()
    .describe('Zone that the meet is in. Without it, times are floating: the same time of day wherever they are read.'),
})
export type CalendarQuery = z.infer<typeof CalendarQuery>

/** Facts of a finished job that the merged answer needs. */
export const Summary = z.object({ resultCode: z.string() })

/** A document that an event of the merged answer came from. */
export const Source = z.object({
  sequence: z.int(),
  filename: z.string().nullable().describe('Name of the document; null for a link without a file name.'),
  url: z.string().nullable().describe('Link that the document is behind; null for one that was sent.'),
  meetName: z.string(),
  sessionDate: z
    .string()
    .nullable()
    .describe('`YYYY-MM-DD` of the earliest event; null where the document does not say.'),
  meetDateRange: MeetDays.optional().describe(
    "The meet's days, where `sessionDate` is null and the document prints them.",
  ),
  eventCount: z.int(),
  resultCode: z.string().describe('Of the first swimmer, where several were asked for.'),
  swimmers: z
    .array(z.object({ swimmerName: z.string(), eventCount: z.int(), resultCode: z.string() }))
    .optional()
    .describe('Where several swimmers were asked for: each with the code of its own result.'),
})

const EventSource = Source.pick({ sequence: true, filename: true, url: true, meetName: true, resultCode: true })

/** The merged answer of `GET /api/batch/:id/results`: events by session date, event number, heat. */
export const MergedResults = z
  .object({
    success: z.literal(true),
    swimmerName: z.string().describe('The first, where several were asked for; of a team, its name as asked for.'),
    team: z.string().optional().describe('As asked for, where a team was.'),
    swimmers: z
      .array(z.object({ swimmerName: z.string(), totalEvents: z.int() }))
      .optional()
      .describe('All, where several were asked for, or a team: then those who were found.'),
    totalEvents: z.int().describe('Rows of the schedule: an event of a heat sheet and of a psych sheet is one.'),
    sources: z.array(Source),
    events: z.array(
      SwimEvent.extend({
        swimmer: z.string().optional().describe('Whose event it is, as asked for, where several were.'),
        source: EventSource,
        otherSources: z
          .array(EventSource)
          .optional()
          .describe('Psych sheets that list the same event; what the row says is from `source`, a heat sheet.'),
      }),
    ),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'MergedResults' })
export type MergedResults = z.infer<typeof MergedResults>
