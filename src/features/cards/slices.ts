/** Deletes what the card operations keep of a task, beside its jobs. */
import { sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'

/** Statements that delete the counts of these tasks; cards and ledger stay. */
export function forgetSlices(db: Database, ids: string): readonly Statement[] {
  return [db.run(sql`DELETE FROM card_slices WHERE batch_id IN (SELECT value FROM json_each(${ids}))`)]
}
