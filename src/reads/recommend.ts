/** Activities for many children at once: three queries however many children, activities and participations there are. */
import { sql } from 'drizzle-orm'
import type { Clock, Database } from '../ports.ts'
import { activities, participationTallies } from '../schema/activities.ts'
import { ACTIVITY_FIELDS, SHARED } from '../schema/resources.ts'
import { ACTIVITY_TYPES } from '../wire/activities.ts'
import type { Recommendation } from '../wire/batch-reads.ts'
import { readableBy } from './rows.ts'
import {
  type Candidate,
  type History,
  holdsAge,
  type Occasion,
  type Points,
  scoreHistory,
  scoreOccasion,
  toScore,
} from './scoring.ts'

/** What is asked for. */
export interface Question {
  readonly childIds: readonly string[]
  /** Most activities a child. */
  readonly limit: number
  /** Types to keep; unknown ones are skipped as if they were not there, and without any known one every type is kept. */
  readonly types: readonly string[]
  readonly occasion: Occasion
}

interface Scored {
  readonly activity: Candidate
  readonly base: Points
}

interface Choice extends Scored {
  readonly own: Points
  readonly score: number
  readonly times: number
}

/** The best activities for each child, best first. Children without any participation are answered like all others. */
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
  const histories = new Map<string, Map<string, History>>()
  for (const { childId, activityId, ...history } of tallies) {
    const known = histories.get(childId)
    if (known === undefined) histories.set(childId, new Map([[activityId, history]]))
    else known.set(activityId, history)
  }
  const chosen = new Map<string, Choice[]>()
  for (const child of new Set(question.childIds)) {
    chosen.set(child, choose(scored, byId, histories.get(child) ?? new Map(), question.limit, now))
  }
  const ids = new Set([...chosen.values()].flatMap((choices) => choices.map(({ activity }) => activity.id)))
  const found = await selectActivities(db, owner, ids)
  return new Map(
    [...chosen].map(([child, choices]) => [
      child,
      choices.flatMap(({ activity: { id }, base, own, score }) => {
        const activity = found.get(id)
        const reasoning = [...base.reasons, ...own.reasons].join('; ')
        return activity === undefined ? [] : [{ activity, relevance_score: score, reasoning }]
      }),
    ]),
  )
}

/** What an owner may be recommended; its own activity hides a shared one of the same id, also when it is not active. */
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

function selectTallies(db: Database, owner: string, children: string) {
  return db
    .select({
      childId: participationTallies.childId,
      activityId: participationTallies.activityId,
      times: participationTallies.times,
      lastAt: participationTallies.lastAt,
    })
    .from(participationTallies)
    .where(sql`owner = ${owner} AND child_id IN (SELECT value FROM json_each(${children}))`)
}

async function selectActivities(db: Database, owner: string, ids: Iterable<string>) {
  const rows = await db
    .select(ACTIVITY_FIELDS)
    .from(activities)
    .where(sql`${readableBy(activities, owner)} AND id IN (SELECT value FROM json_each(${JSON.stringify([...ids])}))`)
    .orderBy(sql`owner = ${owner}`)
  return new Map(rows.map((row) => [row.id, row]))
}

/** The candidates that the filters keep, best first. */
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
 * The best for one child. What it never did gains the same everywhere, so the first few of those in the common order are enough; what
 * it did is scored one by one. Equal scores: fewer participations first, then the common order.
 */
function choose(
  scored: readonly Scored[],
  byId: ReadonlyMap<string, Scored>,
  history: ReadonlyMap<string, History>,
  limit: number,
  now: number,
): Choice[] {
  const choices: Choice[] = []
  const add = (one: Scored, known: History | undefined) => {
    const own = scoreHistory(known, now)
    choices.push({ ...one, own, score: toScore(one.base.points + own.points), times: known?.times ?? 0 })
  }
  for (const one of scored) {
    if (choices.length === limit) break
    if (!history.has(one.activity.id)) add(one, undefined)
  }
  for (const [id, known] of history) {
    const one = byId.get(id)
    if (one !== undefined) add(one, known)
  }
  return choices.sort((a, b) => b.score - a.score || a.times - b.times || byBase(a, b)).slice(0, limit)
}
