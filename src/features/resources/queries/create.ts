/** Creates activities, participations and coaching notes: many at once, all or none of them. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { MillraceError } from '../../../errors.ts'
import { jsonArrays } from '../../../formats/json-arrays.ts'
import type { FieldIssue } from '../../../http/request/fields.ts'
import type { Clock, Database, Statement } from '../../../ports.ts'
import { findRows, insertRows, type Row, whoseRows } from '../../../rows/owned-rows.ts'
import { activities } from '../activity-tables.ts'
import { TABLE_RESOURCES, type TableResource, type TableResourceName } from '../tables.ts'
import { isoWeek } from '../weeks.ts'

/**
 * Inserts the rows of a request in one commit.
 * @param items as parsed by the resource's `create` schema
 * @returns the rows as answers show them, in the same order
 * @throws MillraceError CONFLICT when one of the ids exists, UNPROCESSABLE when an id is given twice or an activity does not exist;
 * nothing is inserted then
 */
export async function createRows(
  deps: { db: Database; clock: Clock },
  name: TableResourceName,
  owner: string,
  items: readonly Row[],
): Promise<Row[]> {
  const { db } = deps
  const resource: TableResource = TABLE_RESOURCES[name]
  const rows = items.map((item) => complete(name, item, deps.clock.now()))
  const ids = rows.map(({ id }) => String(id))
  refuseDoubles(name, ids)
  if (name === 'participations') await requireActivities(db, owner, rows)
  const [first, ...rest] = [
    ...insertRows(db, sql`${resource.table}`, owner, rows),
    ...(name === 'participations' ? tally(db, owner, rows) : []),
  ]
  if (first === undefined) return []
  try {
    await db.batch([first, ...rest])
  } catch (error) {
    // The error of a violated key differs by driver, so the table is read to find the id that exists.
    const taken = [...(await whoseRows(db, resource.table, owner, ids))].find(([, whose]) => whose === 'own')
    if (taken === undefined) throw error
    throw new MillraceError('CONFLICT', `${resource.noun} with id ${taken[0]} already exists`)
  }
  const made = await findRows(db, resource, owner, ids)
  return ids.map((id) => made.get(id)).filter((row) => row !== undefined)
}

/** Completes a row to all columns of its table. */
function complete(name: TableResourceName, item: Row, now: number): Row {
  const { id, ...rest } = item
  const row = { id: id ?? uuidv7(), ...rest, created_at: now }
  if (name === 'participations') return { ...row, participated_at: item.participated_at ?? now }
  return { ...row, updated_at: now }
}

function refuse(issues: readonly FieldIssue[]): void {
  if (issues.length === 0) return
  const message = issues[0]?.msg ?? ''
  throw new MillraceError('UNPROCESSABLE', message, { details: { issues: issues.slice(0, 100) } })
}

function refuseDoubles(name: string, ids: readonly string[]): void {
  const seen = new Set<string>()
  const doubles = ids.flatMap((id, index) => {
    if (!seen.has(id)) {
      seen.add(id)
      return []
    }
    return [{ loc: ['body', name, index, 'id'], msg: `The id ${id} is given twice`, type: 'duplicate' }]
  })
  refuse(doubles)
}

async function requireActivities(db: Database, owner: string, rows: readonly Row[]): Promise<void> {
  const wanted = [...new Set(rows.map((row) => String(row.activity_id)))]
  const known = await whoseRows(db, activities, owner, wanted)
  refuse(
    rows.flatMap(({ activity_id: id }, index) =>
      known.has(String(id))
        ? []
        : [
            {
              loc: ['body', 'participations', index, 'activity_id'],
              msg: `Activity with id ${String(id)} not found`,
              type: 'not_found',
            },
          ],
    ),
  )
}

/** Increments the counters of participations, so that no answer reads the history. */
function tally(db: Database, owner: string, rows: readonly Row[]): Statement[] {
  const pairs = new Map<string, [child: unknown, activity: unknown, times: number, lastAt: number]>()
  const weeks = new Map<string, [dimension: string, key: unknown, week: string, times: number]>()
  for (const { child_id: child, activity_id: activity, participated_at } of rows) {
    const at = Number(participated_at)
    const week = isoWeek(at)
    const pair = pairs.get(`${child} ${activity}`)
    pairs.set(`${child} ${activity}`, [child, activity, (pair?.[2] ?? 0) + 1, Math.max(pair?.[3] ?? at, at)])
    for (const [dimension, key] of [
      ['activity', activity],
      ['child', child],
      ['week', week],
    ] as const) {
      const name = `${dimension} ${key} ${week}`
      weeks.set(name, [dimension, key, week, (weeks.get(name)?.[3] ?? 0) + 1])
    }
  }
  return [
    ...jsonArrays(pairs.values()).map((array) =>
      db.run(sql`
        INSERT INTO participation_tallies (owner, child_id, activity_id, times, last_at)
        SELECT ${owner}, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3 FROM json_each(${array}) r WHERE true
        ON CONFLICT DO UPDATE SET times = times + excluded.times, last_at = max(last_at, excluded.last_at)`),
    ),
    ...jsonArrays(weeks.values()).map((array) =>
      db.run(sql`
        INSERT INTO participation_weeks (owner, dimension, key, week, times)
        SELECT ${owner}, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3 FROM json_each(${array}) r WHERE true
        ON CONFLICT DO UPDATE SET times = times + excluded.times`),
    ),
  ]
}
