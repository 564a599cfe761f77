/** Recommends activities for many children at once, by three queries whatever the number of children, activities and participations. */
import { sql } from 'drizzle-orm'
import type { Clock, Database } from '../../../ports.ts'
import { findRows, readableBy, SHARED } from '../../../rows/owned-rows.ts'
import { ACTIVITY_TYPES, type Activity } from '../activity-schemas.ts'
import { activities, participationTallies } from '../activity-tables.ts'
import type { Recommendation } from '../schemas.ts'
import {
  type Candidate,
  type History,
  historyPoints,
  historyReasons,
  holdsAge,
  type Occasion,
  type Points,
  scoreOccasion,
  toScore,
} from '../scoring.ts'
import { TABLE_RESOURCES } from '../tables.ts'

/** Request for recommendations. */
export interface Question {
  readonly childIds: readonly string[]
  /** Most activities a child. */
  readonly limit: number
  /** Types to keep; unknown ones are ignored, and without a known one every type is kept. */
  readonly types: readonly string[]
  readonly occasion: Occasion
}

interface Scored {
  readonly activity: Candidate
  readonly base: Points
}

interface Choice extends Scored {
  readonly score: number
  readonly history: History | undefined
}

/** Participations of a child in one activity: its id, their number, the time of the last. */
type Tally = readonly [activityId: string, times: number, lastAt: number]

/** Ranks the best activities for each child, best first. Children without participations are included. */
export async function recommend(
  deps: { db: Database; clock: Clock },
  owner: string,
  question: Question,
): Promise<Map<string, Recommendation[]>> {
  const { db } = deps
  const now = deps.clock.now()
  const children = JSON.stringify([...new Set(question.childIds)])
  const [candidates, tallies] = await db.batch([selectCandidates(db, owner), selectTallies(db, owner, children)])
  const scored = scoreAll(candidates, question)
  const byId = new Map(scored.map((one) => [one.activity.id, one]))
  const done = new Map(tallies.map(({ childId, history }) => [childId, history]))
  const chosen = new Map<string, Choice[]>()
  for (const child of new Set(question.childIds)) {
    chosen.set(child, choose(scored, byId, done.get(child) ?? [], question.limit, now))
  }
  const ids = new Set([...chosen.values()].flatMap((choices) => choices.map(({ activity }) => activity.id)))
  const found = await findRows<Activity>(db, TABLE_RESOURCES.activities, owner, ids)
  return new Map(
    [...chosen].map(([child, choices]) => [
      child,
      choices.flatMap(({ activity: { id }, base, history, score }) => {
        const activity = found.get(id)
        const reasoning = [...base.reasons, ...historyReasons(history, now)].join('; ')
        return activity === undefined ? [] : [{ activity, relevance_score: score, reasoning }]
      }),
    ]),
  )
}

/** Selects the activities that may be recommended to an owner. Its own hides a shared one of the same id, even when it is not active. */
function selectCandidates(db: Database, owner: string) {
  return db
    .select({
      id: activities.id,
      name: activities.name,
      activity_type: activities.activityType,
      age_range: activities.ageRange,
      setting: activities.setting,
      group_size: activities.groupSize,
      has_adaptations: sql<boolean>`coalesce(special_needs_adaptations, '') <> ''`.mapWith(Boolean),
    })
    .from(activities)
    .where(
      sql`${readableBy(activities, owner)} AND is_active = 1 AND NOT (owner = ${SHARED} AND owner <> ${owner}
        AND EXISTS (SELECT 1 FROM activities own WHERE own.owner = ${owner} AND own.id = activities.id))`,
    )
}

/** Selects participations as one row a child: tens of thousands of small rows cost more to transfer than to read. */
function selectTallies(db: Database, owner: string, children: string) {
  return db
    .select({
      childId: participationTallies.childId,
      history: sql`json_group_array(json_array(activity_id, times, last_at))`.mapWith((json: string): Tally[] =>
        JSON.parse(json),
      ),
    })
    .from(participationTallies)
    .where(sql`owner = ${owner} AND child_id IN (SELECT value FROM json_each(${children}))`)
    .groupBy(participationTallies.childId)
}

/** Scores the candidates that pass the filters, best first. */
function scoreAll(candidates: readonly Candidate[], { types, occasion }: Question): Scored[] {
  const known = new Set<string>([...ACTIVITY_TYPES, ...candidates.map((one) => one.activity_type)])
  const wanted = new Set(types.map((type) => type.trim().toLowerCase()).filter((type) => known.has(type)))
  const { ageMonths } = occasion
  return candidates
    .filter((one) => wanted.size === 0 || wanted.has(one.activity_type))
    .filter((one) => ageMonths === null || holdsAge(one.age_range, ageMonths))
    .map((activity) => ({ activity, base: scoreOccasion(activity, occasion) }))
    .sort(byBase)
}

function byBase(a: Scored, b: Scored): number {
  return (
    b.base.points - a.base.points || compare(a.activity.name, b.activity.name) || compare(a.activity.id, b.activity.id)
  )
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Chooses the best for one child. Activities that it never did all gain the same, so the first few of these in the common order are
 * enough; those that it did are scored one by one. Equal scores: fewer participations first, then the common order.
 */
function choose(
  scored: readonly Scored[],
  byId: ReadonlyMap<string, Scored>,
  tallies: readonly Tally[],
  limit: number,
  now: number,
): Choice[] {
  const best: Choice[] = []
  const consider = (one: Scored, history: History | undefined) => {
    const choice = { ...one, history, score: toScore(one.base.points + historyPoints(history, now)) }
    const last = best[limit - 1]
    if (last !== undefined && byMerit(choice, last) >= 0) return
    const index = best.findIndex((other) => byMerit(choice, other) < 0)
    best.splice(index === -1 ? best.length : index, 0, choice)
    if (best.length > limit) best.pop()
  }
  const done = new Set(tallies.map(([id]) => id))
  let fresh = 0
  for (const one of scored) {
    if (fresh === limit) break
    if (done.has(one.activity.id)) continue
    consider(one, undefined)
    fresh++
  }
  for (const [id, times, lastAt] of tallies) {
    const one = byId.get(id)
    if (one !== undefined) consider(one, { times, lastAt })
  }
  return best
}

function byMerit(a: Choice, b: Choice): number {
  return b.score - a.score || (a.history?.times ?? 0) - (b.history?.times ?? 0) || byBase(a, b)
}
