/** Feeds that can be followed: the events of one batch, or of all of an owner's batches. */
import type { Database, Notifier } from '../ports.ts'
import type { Feed, Follower } from './channel.ts'
import { type EventPage, type Presentation, readOwnersPage, readPage } from './event-log.ts'
import { PushedPages } from './pushed-pages.ts'
import { readRunning, readRunningOf, readUnfinished } from './state.ts'

/** Running jobs whose progress is sent to a joining client. */
const SNAPSHOT_JOBS = 500

/** Dependencies of feeds. */
export interface FeedDeps extends Presentation {
  readonly db: Database
  readonly notifier: Notifier
}

/** The events of one batch, under their numbers within it. */
export function batchFeed(deps: FeedDeps, batch: { id: string; operation: string }): Feed {
  const pushed = new PushedPages()
  return {
    label: { batchId: batch.id },
    page: async (after) => pushed.after(after) ?? (await readPage(deps.db, deps, batch, after)),
    async running() {
      const running = await readRunning(deps.db, batch.id, SNAPSHOT_JOBS)
      return running.map((progress) => ({ ...progress, batchId: batch.id }))
    },
    subscribe: (follower) =>
      deps.notifier.subscribe(batch.id, (notice) => {
        if ('progress' in notice) follower.progress(batch.id, notice.progress)
        // 0 is no event number: it means that the batch was deleted.
        else if (notice.seq === 0) follower.look()
        else {
          if (notice.page !== undefined) pushed.put(notice.page)
          follower.reaches(notice.seq)
        }
      }),
  }
}

/** Batches of an owner whose notices are listened to; what happens to others is found by comparing. */
const LISTENED_BATCHES = 1_000

/** The events of all batches of an owner, under the numbers that order the events of all batches. Has no end. */
export function ownerFeed(deps: FeedDeps, owner: string): Feed {
  const listening = new Map<string, () => void>()
  let follower: Follower | null = null
  const listen = (batchId: string) => {
    const current = follower
    if (current === null || listening.has(batchId) || listening.size >= LISTENED_BATCHES) return
    const unsubscribe = deps.notifier.subscribe(batchId, (notice) => {
      if ('progress' in notice) current.progress(batchId, notice.progress)
      else current.look()
    })
    listening.set(batchId, unsubscribe)
  }
  const hear = ({ events }: EventPage) => {
    for (const { type, batchId } of events) {
      if (type !== 'batch_completed') listen(batchId)
      else {
        listening.get(batchId)?.()
        listening.delete(batchId)
      }
    }
  }
  return {
    label: { owner },
    async page(after) {
      const page = await readOwnersPage(deps.db, deps, owner, after)
      hear(page)
      return page
    },
    async running() {
      for (const { id } of await readUnfinished(deps.db, owner, LISTENED_BATCHES)) listen(id)
      return readRunningOf(deps.db, owner, SNAPSHOT_JOBS)
    },
    subscribe(one) {
      follower = one
      return () => {
        follower = null
        for (const unsubscribe of listening.values()) unsubscribe()
        listening.clear()
      }
    },
  }
}
