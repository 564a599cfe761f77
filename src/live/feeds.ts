/** What can be followed: one batch. */
import type { Database, Notifier, Operations } from '../ports.ts'
import type { Feed } from './channel.ts'
import { readPage } from './log.ts'
import { readRunning } from './state.ts'

/** Running jobs whose progress a joining client is told. */
const SNAPSHOT_JOBS = 500

/** What feeds need of the world. */
export interface FeedDeps {
  readonly db: Database
  readonly notifier: Notifier
  readonly operations: Operations
}

/** The events of one batch, under their numbers within it. */
export function batchFeed(deps: FeedDeps, batch: { id: string; operation: string }): Feed {
  return {
    label: { batchId: batch.id },
    page: (after) => readPage(deps.db, deps.operations, batch, after),
    async running() {
      const running = await readRunning(deps.db, batch.id, SNAPSHOT_JOBS)
      return running.map((progress) => ({ ...progress, batchId: batch.id }))
    },
    subscribe: (follower) =>
      deps.notifier.subscribe(batch.id, (notice) => {
        if ('progress' in notice) follower.progress(batch.id, notice.progress)
        // 0 is no event: it tells that the batch was deleted.
        else if (notice.seq === 0) follower.look()
        else follower.reaches(notice.seq)
      }),
  }
}
