/** Reads how often children took part, by activity, by child and by week, from counts kept as participations come in. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import type { Row } from '../../../rows/owned-rows.ts'
import { participationWeeks } from '../activity-tables.ts'

const ID = /^(?:(activity|child):([A-Za-z0-9._:-]{1,128})|(week):(\d{4}-W[0-5]\d))$/

/**
 * Counts for ids such as `activity:<id>`, `child:<id>` and `week:2026-W07`. What nobody took part in counts 0.
 * @returns by id `{id, dimension, key, participations, weeks: [{week, participations}]}`; ids of another form are left out
 */
export async function readAnalytics(db: Database, owner: string, ids: Iterable<string>): Promise<Map<string, Row>> {
  const asked = new Map<string, { dimension: string; key: string }>()
  for (const id of ids) {
    const [, dimension, key, week, weekKey] = ID.exec(id) ?? []
    const [kind, of] = [dimension ?? week, key ?? weekKey]
    if (kind !== undefined && of !== undefined) asked.set(id, { dimension: kind, key: of })
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
  return new Map(
    [...asked].map(([id, { dimension, key }]) => {
      const counts = weeks.get(id) ?? []
      const participations = counts.reduce((sum, count) => sum + count.participations, 0)
      return [id, { id, dimension, key, participations, weeks: counts }]
    }),
  )
}
