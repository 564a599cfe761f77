/** The operation `heat-sheet`: finds one swimmer's events in meet documents. A job is a document. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { list, safeParse } from '../../http/request/fields.ts'
import type { Attempt, CompletedJob, Operation, RunContext, RunResult } from '../../ports.ts'
import { Cache, forgetResults, type KeptSheet, newResultCode } from './cache.ts'
import { DocumentInput, type OpenedDocument, openDocument } from './document.ts'
import { forget, type Reading, readingOf, readOn } from './parse-in-stages.ts'
import { findSwimmer } from './parser/match.ts'
import { normalizeSwimmer } from './parser/names.ts'
import type { Sheet } from './parser/sheet.ts'
import { Extraction, MAX_DOCUMENTS, MAX_URL_CHARACTERS, type MergedResults, plainUrl } from './schemas.ts'

const Request = z.object({ swimmer: z.string(), documents: z.array(DocumentInput) })
/** Items of one request, the same link given twice counted twice. */
const MAX_LINKS = 10 * MAX_DOCUMENTS
/** By the native surface only links can be given: a blob's key is nobody's to name. */
const NativeRequest = z.object({
  swimmer: z.string().trim().min(1).max(200),
  items: list(z.object({ url: z.url().max(MAX_URL_CHARACTERS).transform(plainUrl) }), MAX_LINKS),
})
const BatchInput = z.object({ swimmer: z.string() })
const Summary = z.object({ resultCode: z.string() })

/** Most time that goes by before a document counts as stuck: a download may take 30 s, a stretch of it a few, more where others have their turn first. */
const TIME_LIMIT_MS = 180_000

export const heatSheet: Operation = {
  name: 'heat-sheet',
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: TIME_LIMIT_MS,
  summaryDefaults: { resultCode: null, eventCount: 0, meetName: null, cached: false },

  plan(request) {
    const { swimmer, documents } = Request.parse(request)
    if (normalizeSwimmer(swimmer) === '') {
      throw new MillraceError(
        'MISSING_SWIMMER',
        'The field "swimmer" needs a name with letters, such as "First Last".',
        {
          details: { field: 'swimmer' },
        },
      )
    }
    return {
      input: { swimmer },
      facts: { swimmerName: swimmer },
      jobs: documents.map((document) => ({
        input: document,
        label: document.kind === 'upload' ? document.filename : document.url,
      })),
    }
  },

  maxJobs: MAX_DOCUMENTS,

  fromItems(input, items, whole = false) {
    const parsed = safeParse(NativeRequest, { ...asObject(input), items })
    if (parsed.success) {
      const urls = parsed.data.items.map(({ url }) => url)
      const distinct = whole ? [...new Set(urls)] : urls
      if (distinct.length > MAX_DOCUMENTS) throw tooManyDocuments()
      return { swimmer: parsed.data.swimmer, documents: distinct.map((url) => ({ kind: 'url', url })) }
    }
    const issue = parsed.error.issues[0]
    const field = issue?.path.join('.') ?? 'items'
    throw new MillraceError(
      'INVALID_REQUEST',
      `${field}: ${issue?.message}. Expected input {"swimmer": "First Last"} and items [{"url": "https://…"}].`,
      {
        details: { field },
      },
    )
  },

  deleteOwnedRows: forgetResults,

  async run(job, ctx) {
    const { swimmer } = BatchInput.parse(job.batchInput)
    const kept = readingOf(job.checkpoint)
    const document = await openDocument(job, ctx, kept?.document ?? null)
    // A document that had to be fetched anew may have changed.
    const reading = kept?.document?.key === document.fetched?.key ? kept : null
    try {
      return await extract(job, ctx, swimmer, document, reading)
    } catch (error) {
      // Unless a run to come goes on from a checkpoint that names it.
      if (reading === null && document.fetched !== null) await ctx.blobs.delete([document.fetched.key])
      throw error
    }
  },

  batchTotals: (tallies) => ({ totalEvents: tallies.events ?? 0 }),

  merge: (batchInput, jobs) => merge(BatchInput.parse(batchInput).swimmer, jobs),
}

const tooManyDocuments = () =>
  new MillraceError('BATCH_TOO_LARGE', `One batch takes at most ${MAX_DOCUMENTS} documents. Send the rest in another.`)

const asObject = (value: unknown) => (typeof value === 'object' && value !== null ? value : {})

async function extract(
  job: Attempt,
  ctx: RunContext,
  swimmer: string,
  document: OpenedDocument,
  reading: Reading | null,
): Promise<RunResult | 'continue'> {
  const cache = new Cache(ctx, job.owner, document.md5)
  const subject = normalizeSwimmer(swimmer)
  const release = () => forget(ctx, { stretches: [], ...reading, document: document.fetched })
  const known = await cache.findResult(subject)
  if (known !== null) {
    await release()
    return done(job, ctx, cache, subject, known, true)
  }
  let sheet: Sheet | null = await cache.findSheet()
  let kept: KeptSheet | null = null
  if (sheet === null) {
    if (reading === null) ctx.progress(10, 'Reading the document')
    const read = await readOn(ctx, document, reading)
    if ('reading' in read) {
      await ctx.checkpoint(read.reading)
      return 'continue'
    }
    sheet = read.sheet
    kept = await cache.keepSheet(sheet)
  }
  await release()
  const found = Extraction.parse(findSwimmer(sheet, swimmer))
  return done(job, ctx, cache, subject, found, false, kept)
}

function done(
  job: Attempt,
  ctx: RunContext,
  cache: Cache,
  subject: string,
  found: Extraction,
  cached: boolean,
  keptSheet: KeptSheet | null = null,
): RunResult {
  const resultCode = newResultCode()
  return {
    result: found,
    summary: { resultCode, eventCount: found.events.length, meetName: found.meetName, cached },
    tallies: { events: found.events.length },
    writes: (held) => cache.rows({ held, job, subject, resultCode, keptSheet, now: ctx.clock.now() }),
  }
}

/** One schedule of all documents, each event naming the document it is from. */
function merge(swimmerName: string, jobs: readonly CompletedJob[]): Omit<MergedResults, 'success'> {
  const read = jobs.map((job) => ({
    job,
    found: Extraction.parse(job.result),
    resultCode: Summary.parse(job.summary).resultCode,
  }))
  const events = read.flatMap(({ job, found, resultCode }) => {
    const source = { sequence: job.sequence, filename: job.label, meetName: found.meetName, resultCode }
    return found.events.map((event) => ({ ...event, source }))
  })
  events.sort(
    (a, b) =>
      (a.sessionDate ?? '').localeCompare(b.sessionDate ?? '') ||
      a.eventNumber - b.eventNumber ||
      (a.heatNumber ?? 0) - (b.heatNumber ?? 0) ||
      (a.lane ?? 0) - (b.lane ?? 0),
  )
  return {
    swimmerName,
    totalEvents: events.length,
    sources: read.map(({ job, found, resultCode }) => ({
      sequence: job.sequence,
      filename: job.label,
      meetName: found.meetName,
      sessionDate: found.sessionDate,
      eventCount: found.events.length,
      resultCode,
    })),
    events,
    warnings: read.flatMap(({ job, found }) =>
      found.warnings.map((warning) => (job.label === null ? warning : `${job.label}: ${warning}`)),
    ),
  }
}
