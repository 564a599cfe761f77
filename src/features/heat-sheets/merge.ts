/** Merges the documents of a batch into one schedule, whose events name their documents. */
import type { CompletedJob } from '../../operation.ts'
import type { Asked } from './asked.ts'
import { printedForm } from './parser/names.ts'
import { Extraction, type MergedResults, Summary } from './schemas.ts'

type Scheduled = MergedResults['events'][number]

/** An event with its sort key and its identity. */
interface Row {
  readonly event: Scheduled
  /** Sort key: the event's own day, else the first of the meet. */
  readonly day: string
  readonly key: string
  readonly meet: Extraction
}

/** Normalizes a name for comparison. */
export const plain = (text: string) =>
  printedForm(text)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** Makes the key of a swim, equal in all documents of its meet. */
function keyOf({ meetName }: Extraction, { eventNumber, eventName, swimmerName, relay }: Scheduled) {
  const leg = relay === undefined ? null : [plain(relay.team), relay.letter ?? null]
  return JSON.stringify([plain(meetName), eventNumber, plain(eventName), plain(swimmerName), leg])
}

const isListed = ({ heatNumber, rank }: Scheduled) => heatNumber === null && rank !== undefined

/** Joins the rows of psych sheets to the same events of heat sheets, as further sources. */
function joinListed(rows: readonly Row[]): Row[] {
  const heats = Map.groupBy(
    rows.filter(({ event }) => event.heatNumber !== null),
    ({ key }) => key,
  )
  const others = new Map<Scheduled, Scheduled['source'][]>()
  const left = rows.filter((row) => {
    const { key, event } = row
    const same = (heats.get(key) ?? []).filter((heat) => isSameSwim(heat, row))
    if (!isListed(event) || same.length === 0) return true
    for (const heat of same) others.set(heat.event, [...(others.get(heat.event) ?? []), event.source])
    return false
  })
  return left.map((row) => {
    const otherSources = others.get(row.event)
    return otherSources === undefined ? row : { ...row, event: { ...row.event, otherSources } }
  })
}

/** Returns true for rows of different documents of a meet on the same days. */
function isSameSwim(heat: Row, listed: Row): boolean {
  if (heat.event.source.sequence === listed.event.source.sequence) return false
  const [one, other] = [heat.meet.meetDateRange, listed.meet.meetDateRange]
  if (one && other && (one.end < other.start || other.end < one.start)) return false
  const [day, listedDay] = [heat.event.sessionDate, listed.event.sessionDate]
  return day === undefined || listedDay === undefined || day === listedDay
}

function inOrder(a: Row, b: Row): number {
  return (
    a.day.localeCompare(b.day, 'en') ||
    Number(a.event.sessionDate === undefined) - Number(b.event.sessionDate === undefined) ||
    a.event.eventNumber - b.event.eventNumber ||
    (a.event.heatNumber ?? 0) - (b.event.heatNumber ?? 0) ||
    (a.event.lane ?? 0) - (b.event.lane ?? 0)
  )
}

/** Events of one swimmer in one document. */
interface Part {
  readonly job: CompletedJob
  readonly swimmer: string
  readonly found: Extraction
  readonly resultCode: string
}

function partsOf(swimmer: string, job: CompletedJob): Part[] {
  const { swimmers, ...found } = Extraction.parse(job.result)
  if (swimmers === undefined) return [{ job, swimmer, found, resultCode: Summary.parse(job.summary).resultCode }]
  return swimmers.map((one) => ({ job, swimmer: one.swimmerName, found: one, resultCode: one.resultCode }))
}

function rowsOf({ job, swimmer, found, resultCode }: Part, several: boolean): Row[] {
  const { sequence, filename, url } = job
  const source = { sequence, filename, url, meetName: found.meetName, resultCode }
  return found.events.map((of) => {
    const event = several ? { ...of, swimmer, source } : { ...of, source }
    const key = JSON.stringify([swimmer, keyOf(found, event)])
    return { event, day: of.sessionDate ?? found.meetDateRange?.start ?? '', key, meet: found }
  })
}

function sourceOf(all: readonly Part[], team: string | undefined): MergedResults['sources'] {
  const [first] = all
  if (!first) return []
  const isTeam = team !== undefined
  // A document without a swimmer of the team has a part in the name of the team itself.
  const parts = isTeam && first.swimmer === team ? [] : all
  const { job, found, resultCode } = first
  const days = parts.flatMap((part) => part.found.events.flatMap(({ sessionDate }) => sessionDate ?? []))
  const sessionDate = days.toSorted()[0] ?? found.sessionDate
  const swimmers = parts.map((part) => ({
    swimmerName: part.swimmer,
    eventCount: part.found.events.length,
    resultCode: part.resultCode,
  }))
  return [
    {
      sequence: job.sequence,
      filename: job.filename,
      url: job.url,
      meetName: found.meetName,
      sessionDate,
      ...(sessionDate === null && found.meetDateRange ? { meetDateRange: found.meetDateRange } : {}),
      eventCount: swimmers.reduce((sum, { eventCount }) => sum + eventCount, 0),
      resultCode,
      ...(parts.length > 1 || isTeam ? { swimmers } : {}),
    },
  ]
}

function warningsOf(parts: readonly Part[]): string[] {
  const [name] = parts.map(({ job }) => job.filename ?? job.url)
  const warnings = [...new Set(parts.flatMap(({ found }) => found.warnings))]
  return typeof name === 'string' ? warnings.map((warning) => `${name}: ${warning}`) : warnings
}

/**
 * Merges the events of a batch's documents.
 * @param asked at least one swimmer, or a team
 * @param jobs in order of their documents
 */
export function merge({ swimmers, team }: Asked, jobs: readonly CompletedJob[]): Omit<MergedResults, 'success'> {
  const swimmerName = team ?? swimmers[0] ?? ''
  const several = swimmers.length > 1 || team !== undefined
  const read = jobs.map((job) => partsOf(swimmerName, job))
  const rows = read.flatMap((parts) => parts.flatMap((part) => rowsOf(part, several)))
  const events = joinListed(rows)
    .toSorted(inOrder)
    .map(({ event }) => event)
  const found = new Set(read.flat().map(({ swimmer }) => swimmer))
  const names = team === undefined ? swimmers : [...found].filter((name) => name !== team)
  const counted = names.map((name) => ({
    swimmerName: name,
    totalEvents: events.filter(({ swimmer }) => swimmer === name).length,
  }))
  return {
    swimmerName,
    ...(team === undefined ? {} : { team }),
    ...(several ? { swimmers: counted } : {}),
    totalEvents: events.length,
    sources: read.flatMap((parts) => sourceOf(parts, team)),
    events,
    warnings: read.flatMap(warningsOf),
  }
}
