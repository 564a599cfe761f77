/** Routes of shared results for programs: read as JSON or calendar by code, revoked by their owner. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'
import { type Endpoint, json, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import { publicLookups } from '../../http/response/public-lookups.ts'
import { Routes } from '../../http/routes.ts'
import { calendarOf } from './calendar/entries.ts'
import { CALENDAR_ANSWER, sendCalendar } from './calendar-routes.ts'
import { CODE_DAYS, readShared, revokeCode, type SharedResult } from './queries.ts'
import { calendarAddress, ifWhole, pageAddress } from './result-links.ts'
import { CalendarQuery, RevokedCode, SharedResultAnswer } from './schemas.ts'

const CODE = z.strictObject({ code: z.string().describe('The `resultCode` of a completed job.') })

const readResult = {
  route: 'GET /api/result/:code',
  id: 'readSharedResult',
  summary: 'What a heat sheet holds for a swimmer, as it is shared',
  description: `For everybody who has the code, without a key. A code is good for ${CODE_DAYS} days, unless its owner revokes it or deletes its batch.`,
  access: 'public',
  path: CODE,
  headers: ['If-None-Match'],
  answers: { 200: json('The events.', SharedResultAnswer, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 404, 429],
} satisfies Endpoint

const readCalendar = {
  route: 'GET /api/result/:code/calendar.ics',
  id: 'readResultCalendar',
  summary: "A shared result's swims as a calendar",
  description:
    'An entry a swim, to import or to follow. A newer sheet of the meet updates the entries of an older one: they have the same `UID`.',
  access: 'public',
  path: CODE,
  query: CalendarQuery,
  headers: ['If-None-Match'],
  answers: { 200: CALENDAR_ANSWER, 304: NOT_MODIFIED },
  errors: [400, 404, 429],
} satisfies Endpoint

const revokeResult = {
  route: 'DELETE /api/result/:code',
  id: 'revokeResult',
  summary: 'Revoke the code of a result',
  description: 'Its page, its JSON and its calendar are gone for everybody. The events stay with their batch.',
  path: CODE,
  answers: { 200: json('The code is revoked.', RevokedCode) },
  errors: [404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readResult, readCalendar, revokeResult]

/** Makes the routes of `/api/result`. */
export function sharedResultRoutes(deps: AppDeps, quotas: Quotas): Hono<Env> {
  const lookUp = publicLookups(deps, quotas)
  const find = async (c: Context<Env>, code: string): Promise<SharedResult> => {
    const { found, retryAfter } = await lookUp(c, () => readShared(deps.db, code, deps.clock.now()))
    if (found !== null) return found
    throw retryAfter === null ? noResult() : tooManyTries(retryAfter)
  }
  return new Routes('/api/result', CODED_ERRORS)
    .add(readResult, async (c) => {
      const found = await find(c, c.req.valid('param').code)
      return jsonWithETag(c, present(c, deps, found))
    })
    .add(readCalendar, async (c) => {
      const found = await find(c, c.req.valid('param').code)
      const { swimmerName, meetName, readAt } = found
      const url = ifWhole(pageAddress(c, deps, found.code))
      const swims = found.events.map((event) => ({ event, swimmer: swimmerName, meet: found, readAt, url }))
      return sendCalendar(c, await calendarOf(`${swimmerName} – ${meetName}`, swims), c.req.valid('query'))
    })
    .add(revokeResult, async (c) => {
      const code = await revokeCode(deps.db, c.get('caller').owner, c.req.valid('param').code)
      if (code === null) throw noResult()
      return c.json({ success: true, resultCode: code, revoked: true } satisfies RevokedCode)
    }).hono
}

function present(c: Context<Env>, deps: AppDeps, found: SharedResult): SharedResultAnswer {
  const { code, swimmerName, readAt, expiresAt, swimmers, covered, warnings, sharedWarnings, ...extraction } = found
  return {
    success: true,
    resultCode: code,
    swimmerName,
    ...extraction,
    warnings: sharedWarnings,
    expiresAt: new Date(expiresAt).toISOString(),
    pageUrl: pageAddress(c, deps, code),
    calendarUrl: calendarAddress(c, deps, code),
  }
}

const noResult = () =>
  new MillraceError(
    'NOT_FOUND',
    `No result has this code, or no longer: a code ends after ${CODE_DAYS} days, or when its owner revokes it or deletes its batch. Ask who shared it for a new one, or have the sheet read again with POST /api/batch/extract.`,
  )

const tooManyTries = (retryAfter: number) =>
  new MillraceError(
    'RATE_LIMIT',
    `No result has this code, and too many codes were tried from here. Check the code, and try again in ${retryAfter} seconds. A code that is right is answered all the same.`,
    { details: { retryAfter } },
  )
