/** The schema of a D1 database, beside the one that this release knows. */
import { NEWEST_MIGRATION } from '../schema/version.ts'
import type { D1Client } from './db-d1.ts'

/**
 * Compares the migrations that wrangler applied with those of this release.
 * @returns a sentence where the schema is newer, null where it is not, or where the applied migrations were not recorded
 */
export async function describeNewerSchema(d1: D1Client): Promise<string | null> {
  const noted = await d1
    .prepare("SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'd1_migrations'")
    .all()
  if (noted.results.length === 0) return null
  const { results } = await d1.prepare('SELECT max(name) AS name FROM d1_migrations').all()
  const applied = String(results[0]?.name ?? '').replace(/\.sql$/, '')
  if (applied <= NEWEST_MIGRATION) return null
  return `The database has the schema of a newer release (${applied}; this one knows it up to ${NEWEST_MIGRATION}). Deploy that release.`
}
