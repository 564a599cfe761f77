/** Deletes the rows that card operations store for a task beside its jobs. */
import { sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'

/** Makes the statements that delete the counts of these tasks; cards and ledger stay. */
export function forgetSlices(db: Database, ids: string): readonly Statement[] {
  return [db.run(sql`DELETE FROM card_slices WHERE batch_id IN (SELECT value FROM json_each(${ids}))`)]
}
