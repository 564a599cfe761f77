/** Serves the changes since the last extraction of the same meet: heats, lanes, times, scratches, additions. */
import type { Hono } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { BATCH_ID, demandSameRun, findBatch } from '../../http/request/find-batch.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import { Routes } from '../../http/routes.ts'
import type { BatchState } from '../../live/state.ts'
import { askedOf, teamPrefix } from './asked.ts'
import { compare, type Extracted } from './changes.ts'
import { type Found, readEarlier, readFound } from './changes-queries.ts'
import { heatSheet } from './operation.ts'
import { spoken } from './parser/names.ts'
import { type Change, MeetChanges } from './schemas.ts'

const readChanges = {
  route: 'GET /api/batch/:id/changes',
  id: 'readBatchChanges',
  summary: 'What changed since the last extraction of the same meet',
  description:
    "A heat-sheet batch against the caller's last one before it for the same swimmer, or team, and meet: changes of heat, lane, time, start and day, scratches and additions. Events that the documents of one side alone hold are not compared.",
  access: 'link',
  path: BATCH_ID,
  headers: ['If-None-Match'],
  answers: { 200: json('The changes, as far as the batch has come.', MeetChanges, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readChanges]

export function changesRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/batch', CODED_ERRORS).add(readChanges, async (c) => {
    const { owner } = c.get('caller')
    const batch = await findBatch(deps, owner, c.req.valid('param').id)
    if (batch.operation !== heatSheet.name) throw notOfHeatSheets(batch.operation)
    const now = await readFound(deps.db, batch.id)
    const pairs = [...new Map(now.map((one) => [keyOf(one), { subject: one.subject, meet: one.meet }])).values()]
    const earlier = pairs.length === 0 ? [] : await readEarlier(deps.db, owner, batch.id, pairs)
    await demandSameRun(deps.db, batch)
    return jsonWithETag(c, present(batch, now, earlier))
  }).hono
}

const keyOf = ({ subject, meet }: Pick<Found, 'subject' | 'meet'>) => JSON.stringify([subject, meet])

function present(batch: BatchState, now: readonly Found[], all: readonly Found[]): MeetChanges {
  const asked = askedOf(batch.facts.team === undefined ? {} : { team: batch.facts.team })
  const known = new Set(now.map(keyOf))
  const meets = new Map(now.map(({ meet, extraction }) => [meet, extraction]))
  const prefix = asked.team === undefined ? null : teamPrefix(asked.team)
  // Includes swimmers of the team who are no longer on any of its sheets, as scratched.
  const earlier = all.filter((one) => known.has(keyOf(one)) || (prefix !== null && one.subject.startsWith(prefix)))
  const before = Map.groupBy(earlier, keyOf)
  const after = Map.groupBy(now, keyOf)
  const changes: Change[] = []
  let [unchanged, notCompared] = [0, 0]
  for (const key of new Set([...after.keys(), ...before.keys()])) {
    const [old, own] = [before.get(key), after.get(key)]
    const [first] = own ?? old ?? []
    if (first === undefined) continue
    const covered = own === undefined ? now.filter(({ meet }) => meet === first.meet) : own
    const found = compare(extracted(old ?? []), { ...extracted(covered), events: extracted(own ?? []).events })
    const { meetName } = meets.get(first.meet) ?? first.extraction
    const swimmerName = nameOf(batch, first)
    changes.push(...found.changes.map((change) => ({ ...change, swimmerName, meetName })))
    unchanged += found.unchanged
    notCompared += found.notCompared
  }
  const compared = [...new Map(earlier.map((one) => [`${one.batchId} ${one.meet}`, one])).values()]
  return {
    success: true,
    batchId: batch.id,
    status: batch.status,
    comparedWith: compared.map(({ batchId, meet, extraction }) => ({
      batchId,
      meetName: (meets.get(meet) ?? extraction).meetName,
    })),
    changes,
    unchanged,
    notCompared,
  }
}

/** Returns the swimmer's name as requested; for a single one, the label of the batch. */
function nameOf(batch: BatchState, { swimmerName }: Found): string {
  return swimmerName ?? spoken(String(batch.facts.swimmerName ?? ''))
}

function extracted(found: readonly Found[]): Extracted {
  return {
    events: found.flatMap(({ extraction }) => extraction.events),
    covered: [...new Set(found.flatMap(({ extraction }) => extraction.covered ?? []))],
  }
}

const notOfHeatSheets = (operation: string) =>
  new MillraceError(
    'NOT_FOUND',
    `This batch has no changes of a meet: its operation is "${operation}", and meets are read by "${heatSheet.name}" alone.`,
  )
