/** The operation `heat-sheet`: finds the events of swimmers in meet documents. A job is a document. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { filenameInLink } from '../../formats/file-name.ts'
import { list } from '../../http/request/fields.ts'
import { refuseItem } from '../../http/request/refusals.ts'
import { safeParse } from '../../http/request/safe-parse.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../operation.ts'
import { type Asked, askedOf, planAsked, teamPrefix } from './asked.ts'
import { Cache, forgetResults, type KeptSheet, newResultCode } from './cache.ts'
import { DocumentInput, type OpenedDocument, openDocument } from './document.ts'
import { coverageOf, meetKeyOf } from './meet-key.ts'
import { merge } from './merge.ts'
import { findSwimmer } from './parser/match.ts'
import { normalizeSwimmer } from './parser/names.ts'
import type { Sheet } from './parser/sheet.ts'
import { findTeam, withoutTeam } from './parser/team.ts'
import { readDocument } from './read-document.ts'
import { forget, type Reading, readingOf } from './reading.ts'
import {
  Extraction,
  MAX_DOCUMENTS,
  MAX_SWIMMERS,
  MAX_URL_CHARACTERS,
  plainUrl,
  type SwimmerExtraction,
} from './schemas.ts'

const Request = z.object({
  swimmers: z.array(z.string()),
  team: z.string().optional(),
  documents: z.array(DocumentInput),
})
/** Most items of one request, duplicate links included. */
const MAX_LINKS = 10 * MAX_DOCUMENTS
const SwimmerName = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^\P{Cc}*$/u, 'Expected a name without control characters')
/** Request of the native surface. Its items are links alone, because clients must not name keys of blobs. */
const NativeRequest = z.object({
  swimmer: SwimmerName.optional(),
  /** Further swimmers. */
  swimmers: z
    .array(SwimmerName)
    .max(MAX_SWIMMERS - 1, `Expected at most ${MAX_SWIMMERS - 1} swimmers beside "swimmer"`)
    .default([]),
  /** Team, instead of swimmers. */
  team: SwimmerName.optional(),
  items: list(z.object({ url: z.url().max(MAX_URL_CHARACTERS).transform(plainUrl) }), MAX_LINKS),
})

/** Time after which a run counts as stuck: a download may take 30 s, a part of the document a few more, plus the wait for a slot of Compute. */
const TIME_LIMIT_MS = 180_000

export const heatSheet: Operation = {
  name: 'heat-sheet',
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: TIME_LIMIT_MS,
  summaryDefaults: { resultCode: null, eventCount: 0, meetName: null, cached: false },

  plan(request) {
    const { documents, ...asked } = Request.parse(request)
    return {
      ...planAsked(asked),
      jobs: documents.map((document) =>
        document.kind === 'upload'
          ? { input: document, label: document.filename }
          : { input: document, url: document.url, label: document.label ?? filenameInLink(document.url) },
      ),
    }
  },

  maxJobs: MAX_DOCUMENTS,

  fromItems(input, items, whole = false) {
    const parsed = safeParse(NativeRequest, { ...asObject(input), items })
    if (parsed.success) {
      const urls = parsed.data.items.map(({ url }) => url)
      const distinct = whole ? [...new Set(urls)] : urls
      if (distinct.length > MAX_DOCUMENTS) throw tooManyDocuments()
      const { swimmer, swimmers, team } = parsed.data
      const names = swimmer === undefined ? swimmers : [swimmer, ...swimmers]
      return { swimmers: names, team, documents: distinct.map((url) => ({ kind: 'url', url })) }
    }
    const { message, details } = refuseItem(['body'], { ...asObject(input), items }, parsed.error)
    const expected = 'Expected input {"swimmer": "First Last"}, or {"team": "MILL"}, and items [{"url": "https://…"}].'
    throw new MillraceError('INVALID_REQUEST', `${message} ${expected}`, {
      details: { ...details },
    })
  },

  deleteOwnedRows: forgetResults,

  async run(job, ctx) {
    const kept = readingOf(job.checkpoint)
    const document = await openDocument(job, ctx, kept?.document ?? null)
    // A refetched document may have changed, so its progress is dropped.
    const reading = kept?.document?.key === document.fetched?.key ? kept : null
    try {
      return await extract(job, ctx, askedOf(job.batchInput), document, reading)
    } catch (error) {
      // Kept where a later run continues from a checkpoint that names it.
      if (reading === null && document.fetched !== null) await ctx.blobs.delete([document.fetched.key])
      throw error
    }
  },

  batchTotals: (tallies) => ({ totalEvents: tallies.events ?? 0 }),

  merge: (batchInput, jobs) => merge(askedOf(batchInput), jobs),
}

const tooManyDocuments = () =>
  new MillraceError('BATCH_TOO_LARGE', `One batch takes at most ${MAX_DOCUMENTS} documents. Send the rest in another.`)

const asObject = (value: unknown) => (typeof value === 'object' && value !== null ? value : {})

async function extract(
  job: Attempt,
  ctx: RunContext,
  { swimmers, team }: Asked,
  document: OpenedDocument,
  reading: Reading | null,
): Promise<RunResult | 'continue'> {
  const cache = new Cache(ctx, job.owner, document.md5)
  const release = () => forget(ctx, { stretches: [], ...reading, document: document.fetched })
  const [first = ''] = swimmers
  // For several swimmers only the sheet is looked up: a query for each would exceed the limit of a run.
  const known = swimmers.length === 1 && team === undefined ? await cache.findResult(normalizeSwimmer(first)) : null
  if (known !== null) {
    await release()
    return done(job, ctx, cache, {
      found: [{ ...known, swimmerName: first }],
      covered: known.covered,
      cached: true,
      keptSheet: null,
    })
  }
  let sheet: Sheet | null = await cache.findSheet()
  const cached = sheet !== null && (swimmers.length > 1 || team !== undefined)
  let keptSheet: KeptSheet | null = null
  if (sheet === null) {
    if (reading === null) ctx.progress(10, 'Reading the document')
    const read = await readDocument(ctx, document, reading)
    if ('reading' in read) {
      await ctx.checkpoint(read.reading)
      return 'continue'
    }
    sheet = read.sheet
    keptSheet = await cache.keepSheet(sheet)
  }
  await release()
  const of = sheet
  const covered = coverageOf(of)
  if (team !== undefined) return done(job, ctx, cache, { ...foundOfTeam(of, team), covered, cached, keptSheet })
  const found = swimmers.map((swimmerName) => ({ ...Extraction.parse(findSwimmer(of, swimmerName)), swimmerName }))
  return done(job, ctx, cache, { found, covered, cached, keptSheet })
}

/** Finds all swimmers of a team; where there are none, the team itself as a swimmer who was not found. */
function foundOfTeam(sheet: Sheet, team: string): Pick<Answer, 'found' | 'team'> {
  const found = findTeam(sheet, team, MAX_SWIMMERS).map(({ swimmerName, ...one }) => ({
    ...Extraction.parse(one),
    swimmerName,
  }))
  if (found.length > 0) return { found, team }
  return { found: [{ ...Extraction.parse(withoutTeam(sheet, team)), swimmerName: team }], team }
}

interface Answer {
  /** Requested team. */
  readonly team?: string
  readonly found: readonly (Extraction & { readonly swimmerName: string })[]
  /** Events of the whole document; undefined in results of earlier releases. */
  readonly covered: readonly string[] | undefined
  readonly cached: boolean
  readonly keptSheet: KeptSheet | null
}

function done(
  job: Attempt,
  ctx: RunContext,
  cache: Cache,
  { found, team, covered, cached, keptSheet }: Answer,
): RunResult {
  const swimmers = found.map((one) => ({ ...one, resultCode: newResultCode() }))
  const [first] = swimmers
  const result = { ...resultOf(swimmers, team), ...(covered === undefined ? {} : { covered: [...covered] }) }
  // The prefix keeps results of a team out of queries by name: swimmers of other teams may have that name.
  const of = team === undefined ? '' : teamPrefix(team)
  const codes = swimmers.map(({ swimmerName, resultCode }) => ({
    subject: of + normalizeSwimmer(swimmerName),
    resultCode,
    meet: meetKeyOf(result),
  }))
  const eventCount = result.events.length
  return {
    result,
    summary: { resultCode: first?.resultCode ?? null, eventCount, meetName: result.meetName, cached },
    tallies: { events: eventCount },
    writes: (held) => cache.rows({ held, job, codes, keptSheet, now: ctx.clock.now() }),
  }
}

/** Makes the result: one swimmer's extraction unchanged; of several, or a team, the events of all, and the extraction of each. */
function resultOf(swimmers: readonly SwimmerExtraction[], team: string | undefined): Extraction {
  const [first] = swimmers
  if (!first) throw new Error('A job of no swimmer was run.')
  const { swimmerName, resultCode, ...found } = first
  if (swimmers.length === 1 && (team === undefined || swimmerName === team)) return found
  const dates = swimmers.flatMap(({ events }) => events.flatMap(({ sessionDate }) => sessionDate ?? []))
  return {
    ...found,
    sessionDate: dates.toSorted()[0] ?? found.sessionDate,
    events: swimmers.flatMap(({ events }) => events),
    warnings: [...new Set(swimmers.flatMap(({ warnings }) => warnings))],
    // The result of all swimmers cannot be shared.
    sharedWarnings: [],
    swimmers: [...swimmers],
  }
}
