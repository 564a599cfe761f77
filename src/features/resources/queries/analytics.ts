/** Reads participations by activity, by child and by week, from counters that each create of participations updates. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import type { Row } from '../../../rows/owned-rows.ts'
import { asFound, type Found } from '../../../rows/readable-resource.ts'
import { participationWeeks } from '../activity-tables.ts'
import { isIsoWeek } from '../weeks.ts'

const ID = /^(?:(activity|child):([A-Za-z0-9._:-]{1,128})|(week):(.{1,128}))$/s

/**
 * Reads the counters of ids such as `activity:<id>`, `child:<id>` and `week:2026-W07`; 0 where there is no participation.
 * @returns by id `{id, dimension, key, participations, weeks: [{week, participations}]}`, or an error for a week that does not exist; ids
 * of another form are left out
 */
export async function readAnalytics(db: Database, owner: string, ids: Iterable<string>): Promise<Map<string, Found>> {
  const asked = new Map<string, { dimension: string; key: string }>()
  const noWeeks = new Map<string, Found>()
  for (const id of ids) {
    const [, dimension, key, week, weekKey] = ID.exec(id) ?? []
    const [kind, of] = [dimension ?? week, key ?? weekKey]
    if (weekKey !== undefined && !isIsoWeek(weekKey)) noWeeks.set(id, noSuchWeek(weekKey))
    else if (kind !== undefined && of !== undefined) asked.set(id, { dimension: kind, key: of })
  }
  const keys = [...asked.values()].map(({ dimension, key }) => [dimension, key])
  const rows = await db
    .select({
      dimension: participationWeeks.dimension,
      key: participationWeeks.key,
      week: participationWeeks.week,
      participations: participationWeeks.times,
    })
    .from(participationWeeks)
    .where(
      sql`owner = ${owner} AND (dimension, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${JSON.stringify(keys)}))`,
    )
    .orderBy(participationWeeks.week)
  const weeks = new Map<string, { week: string; participations: number }[]>()
  for (const { dimension, key, ...count } of rows) {
    const name = `${dimension}:${key}`
    const counts = weeks.get(name)
    if (counts === undefined) weeks.set(name, [count])
    else counts.push(count)
  }
  const counted = new Map(
    [...asked].map(([id, { dimension, key }]): [string, Row] => {
      const counts = weeks.get(id) ?? []
      const participations = counts.reduce((sum, count) => sum + count.participations, 0)
      return [id, { id, dimension, key, participations, weeks: counts }]
    }),
  )
  return new Map([...asFound(counted), ...noWeeks])
}

/** Makes the error of an id that names no week; 53 is the last one of some years, 52 of the others. */
function noSuchWeek(name: string): Found {
  return { error: `There is no week ${name}. Expected one of ISO 8601, such as week:2026-W07.`, status: 400 }
}
