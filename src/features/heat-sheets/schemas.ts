/** The heat-sheet surface, `/api/batch/*`: what its requests, answers and events hold, as its clients know them. */
import * as z from 'zod'

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
  sessionDate: z.string().optional().describe('`YYYY-MM-DD`.'),
  rank: z.int().optional().describe('Position in a list without heats.'),
  alternate: z.int().optional().describe('Position in an Alternates block.'),
  round: z.string().optional().describe("As printed in the heat's heading: `A - Final`."),
  relay: z
    .object({ team: z.string(), letter: z.string().optional(), leg: z.int() })
    .optional()
    .describe('Set when the entry is a leg of a relay; `leg` counts from 1.'),
})
export type SwimEvent = z.infer<typeof SwimEvent>

/** Documents of one batch, files and links together; the same one given twice counts once. */
export const MAX_DOCUMENTS = 100
/** Characters that a link to a document may have. */
export const MAX_URL_CHARACTERS = 8_192

/** A link without what is after its `#`, which no server sees, in one spelling. @throws TypeError when it is none */
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
    swimmer: z.string().min(1).max(200).describe('Whose events to look for, in either order of the names.'),
    urls: z.string().optional().describe('A JSON array of links to PDFs.'),
    pdfs: z.array(z.file()).max(MAX_DOCUMENTS).optional().describe('PDF files.'),
  })
  .meta({ id: 'ExtractForm' })

/** Events of one swimmer in one document, with its meet; kept as the result of its job. */
export const Extraction = z.object({
  meetName: z.string(),
  sessionDate: z.string().nullable().describe('`YYYY-MM-DD`; null when the document prints no date.'),
  meetDateRange: z.object({ start: z.string(), end: z.string() }).optional(),
  venue: z.string().optional(),
  events: z.array(SwimEvent),
  warnings: z.array(z.string()),
})
export type Extraction = z.infer<typeof Extraction>

/** A document that an event of the merged answer came from. */
export const Source = z.object({
  sequence: z.int(),
  filename: z.string().nullable(),
  meetName: z.string(),
  sessionDate: z.string().nullable(),
  eventCount: z.int(),
  resultCode: z.string(),
})

/** The merged answer of `GET /api/batch/:id/results`: events by session date, event number, heat. */
export const MergedResults = z
  .object({
    success: z.literal(true),
    swimmerName: z.string(),
    totalEvents: z.int(),
    sources: z.array(Source),
    events: z.array(
      SwimEvent.extend({ source: Source.pick({ sequence: true, filename: true, meetName: true, resultCode: true }) }),
    ),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'MergedResults' })
export type MergedResults = z.infer<typeof MergedResults>
