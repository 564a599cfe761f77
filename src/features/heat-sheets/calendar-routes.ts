/** Serves the calendar of a batch, which clients may subscribe to while its documents are read and after. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Answer, type Endpoint, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { BATCH_ID, demandSameRun, findBatch } from '../../http/request/find-batch.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { answerTagged, makeTag } from '../../http/response/etag.ts'
import { Routes } from '../../http/routes.ts'
import { readCompleted } from '../../rows/completed-jobs.ts'
import { askedOf } from './asked.ts'
import { calendarOf, type Swim } from './calendar/entries.ts'
import { type Calendar, writeCalendar } from './calendar/icalendar.ts'
import { merge } from './merge.ts'
import { heatSheet } from './operation.ts'
import { ifWhole, pageAddress } from './result-links.ts'
import { CalendarQuery, Extraction } from './schemas.ts'

/** Describes a calendar as an answer. */
export const CALENDAR_ANSWER: Answer = {
  description: 'The calendar (RFC 5545).',
  content: { 'text/calendar': { schema: z.string() } },
  headers: ['ETag'],
}

const readBatchCalendar = {
  route: 'GET /api/batch/:id/calendar.ics',
  id: 'readBatchCalendar',
  summary: "A heat-sheet batch's swims as a calendar",
  description:
    'An entry a swim of every document that was read, as the merged results have them. The token of its `streamUrl` lets in calendar programs, which send no headers.',
  access: 'link',
  path: BATCH_ID,
  query: CalendarQuery,
  headers: ['If-None-Match'],
  answers: { 200: CALENDAR_ANSWER, 304: NOT_MODIFIED },
  errors: [400, 404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readBatchCalendar]

export function batchCalendarRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/batch', CODED_ERRORS).add(readBatchCalendar, async (c) => {
    const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
    if (batch.operation !== heatSheet.name) throw notOfHeatSheets(batch.operation)
    const { batchInput, jobs } = await readCompleted(deps.db, batch.id)
    await demandSameRun(deps.db, batch)
    const asked = askedOf(batchInput)
    const { events, swimmerName } = merge(asked, jobs)
    const bySequence = new Map(jobs.map(({ sequence, result, finishedAt }) => [sequence, { result, finishedAt }]))
    const meets = new Map([...bySequence].map(([sequence, { result }]) => [sequence, Extraction.parse(result)]))
    const swims = events.flatMap((event): Swim[] => {
      const { sequence, resultCode } = event.source
      const meet = meets.get(sequence)
      const readAt = bySequence.get(sequence)?.finishedAt ?? batch.createdAt
      const url = ifWhole(pageAddress(c, deps, resultCode))
      return meet === undefined ? [] : [{ event, swimmer: event.swimmer ?? swimmerName, meet, readAt, url }]
    })
    return sendCalendar(c, await calendarOf(asked.team ?? asked.swimmers.join(' & '), swims), c.req.valid('query'))
  }).hono
}

/** Answers with a calendar and its ETag, or 304. */
export async function sendCalendar(
  c: Context<Env>,
  calendar: Calendar,
  { reminder, timezone }: CalendarQuery,
): Promise<Response> {
  const text = writeCalendar(calendar, {
    reminder: reminder === 'none' ? null : Number(reminder),
    timeZone: timezone,
  })
  const bytes = new TextEncoder().encode(text)
  c.header('Cache-Control', 'no-cache')
  c.header('Content-Disposition', 'inline; filename="swims.ics"')
  return answerTagged(c, await makeTag(bytes), bytes, 'text/calendar; charset=utf-8')
}

const notOfHeatSheets = (operation: string) =>
  new MillraceError(
    'NOT_FOUND',
    `This batch has no calendar: its operation is "${operation}", and swims are read by "${heatSheet.name}" alone.`,
  )
