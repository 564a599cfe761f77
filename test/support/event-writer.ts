/** A writer that writes the event logs of batches which nobody works at: as many events, as large and as fast as a test wants. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { echo } from '../../src/features/echo/operation.ts'
import type { Database, Notifier } from '../../src/ports.ts'
import { batches } from '../../src/schema/batches.ts'

/** Writes event logs as the engine does: an event, or several, and the batch's numbers in one commit, then a notice. */
export class EventWriter {
  readonly #db: Database
  readonly #notifier: Pick<Notifier, 'publish'>

  constructor(db: Database, notifier: Pick<Notifier, 'publish'>) {
    this.#db = db
    this.#notifier = notifier
  }

  /** A batch of one job that runs, with its first event. */
  async begin(id: string = uuidv7()): Promise<string> {
    const row = { id, owner: 'local', operation: echo.name, status: 'processing' as const, input: {}, total: 1 }
    await this.#db.insert(batches).values({ ...row, facts: {}, tallies: {}, createdAt: Date.now() })
    await this.write(id, 1, { type: 'batch_started' })
    return id
  }

  /** Writes `count` events. Their `n` is their number. */
  async write(
    batchId: string,
    count: number,
    event: { type?: 'batch_started' | 'job_completed' | 'batch_completed'; filler?: string } = {},
  ): Promise<void> {
    const { type = 'job_completed', filler = '' } = event
    const numbers = JSON.stringify(Array.from({ length: count }, (_, index) => index + 1))
    const finishedAt = type === 'batch_completed' ? Date.now() : null
    const [rows] = await this.#db.batch([
      this.#db.all<{ last_seq: number }>(sql`SELECT last_seq FROM batches WHERE id = ${batchId}`),
      this.#db.run(sql`
        INSERT INTO events (batch_id, seq, type, at, data)
        SELECT b.id, b.last_seq + n.value, ${type}, ${Date.now()}, json_object('n', b.last_seq + n.value, 'filler', ${filler})
        FROM json_each(${numbers}) n, batches b WHERE b.id = ${batchId}`),
      this.#db.run(sql`
        UPDATE batches SET last_seq = last_seq + ${count}, finished_at = ${finishedAt},
          status = ${finishedAt === null ? 'processing' : 'completed'} WHERE id = ${batchId}`),
    ])
    this.#notifier.publish(batchId, { seq: (rows[0]?.last_seq ?? 0) + count })
  }

  /** Lets the log reach a number. The batch is made where there is none. */
  async reach(batchId: string, seq: number): Promise<void> {
    const [batch] = await this.#db.all<{ end: number }>(
      sql`SELECT last_seq AS "end" FROM batches WHERE id = ${batchId}`,
    )
    if (batch === undefined) await this.begin(batchId)
    await this.write(batchId, seq - (batch?.end ?? 1))
  }

  /** Ends the batch. */
  finish(batchId: string): Promise<void> {
    return this.write(batchId, 1, { type: 'batch_completed' })
  }

  /** Replaces what was written from a number on by a new start, as a retry does. */
  async retry(batchId: string, from: number): Promise<void> {
    await this.#db.run(
      sql`UPDATE events SET superseded_at = ${Date.now()} WHERE batch_id = ${batchId} AND seq >= ${from}`,
    )
    await this.write(batchId, 1, { type: 'batch_started' })
  }
}
