/** Records when a worker last asked for jobs of a queue. So a client that waits for a result learns that no worker is connected. */
import { sql } from 'drizzle-orm'
import type { OfferedQueue } from '../../engine/transitions/fair-queue.ts'
import type { Clock, Database } from '../../ports.ts'

/** Time without a claim after which a worker counts as absent, in milliseconds. */
export const ABSENT_MS = 60_000
/** Shortest interval between two writes for the same queue, in milliseconds: workers ask often, and each write is a commit. */
const NOTE_EVERY_MS = 10_000

type Deps = { readonly db: Database; readonly clock: Clock }

/** Records that a worker asks for the jobs of these queues. */
export class Presence {
  readonly #deps: Deps
  readonly #notedAt = new Map<string, number>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async note(queues: readonly OfferedQueue[]): Promise<void> {
    const now = this.#deps.clock.now()
    const due = queues.filter((queue) => now - (this.#notedAt.get(keyOf(queue)) ?? 0) >= NOTE_EVERY_MS)
    if (due.length === 0) return
    for (const [key, at] of this.#notedAt) if (now - at > ABSENT_MS) this.#notedAt.delete(key)
    for (const queue of due) this.#notedAt.set(keyOf(queue), now)
    const rows = JSON.stringify(due.map(({ name, owner }) => [name, owner ?? '']))
    await this.#deps.db.run(sql`
      INSERT INTO queue_workers (queue, owner, seen_at) SELECT value ->> 0, value ->> 1, ${now} FROM json_each(${rows}) WHERE true
      ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at WHERE excluded.seen_at > queue_workers.seen_at + ${NOTE_EVERY_MS / 2}`)
  }
}

const keyOf = ({ name, owner }: OfferedQueue) => `${name} ${owner ?? ''}`

/** Reads when a worker last asked for an owner's jobs, by queue; queues that no worker asked for are left out. */
export async function readLastSeen(
  db: Database,
  owner: string,
  queues: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.all<{ queue: string; at: number }>(sql`
    SELECT w.queue, max(w.seen_at) AS at FROM json_each(${JSON.stringify(queues)}) q
    CROSS JOIN queue_workers w ON w.queue = q.value AND w.owner IN (${owner}, '') GROUP BY w.queue`)
  return new Map(rows.map(({ queue, at }) => [queue, at]))
}

/** Returns true where a worker asked for an owner's jobs in a queue during the last {@link ABSENT_MS}. */
export async function isWorkedOn(
  { db, clock }: Deps,
  { owner, queue }: { owner: string; queue: string },
): Promise<boolean> {
  const at = (await readLastSeen(db, owner, [queue])).get(queue)
  return at !== undefined && clock.now() - at < ABSENT_MS
}

/** Writes the notice for clients whose batch no worker works on. */
export const noticeOf = (queue: string) =>
  `No worker has asked for jobs of "${queue}" in the last minute. They wait until one does: POST /api/workers/claim.`
