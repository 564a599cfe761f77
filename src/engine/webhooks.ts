/**
 * Webhooks: deliveries are made in the commit that writes the event they carry, so that no crash comes between the two.
 *
 * A webhook is a follower of its batch's log with a cursor of its own (`enqueued_seq`): a commit that wrote events moves the cursor over
 * them and makes a job of each that is to be delivered. The jobs belong to a batch without an owner, so that no list and no look-up shows it;
 * it is never sealed, and is deleted with the batch that it is about. Claiming, leases, retries and fairness are those of any job.
 */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { MillraceError } from '../errors.ts'
import type { Clock, Database, Dispatcher, Statement } from '../ports.ts'
import { batches } from '../schema/batches.ts'
import { DELIVERY_ATTEMPTS, WEBHOOK_OPERATION, webhooks } from '../schema/webhooks.ts'
import { assignVirtualTimes } from './transitions/fair-queue.ts'
import { CANCELLING_CODES } from './transitions/stop-codes.ts'

/** Receiver of the events of a batch. */
export interface WebhookOptions {
  readonly url: string
  /** `whsec_` and 24 to 64 bytes in base64; made where it is left out. */
  readonly secret?: string | undefined
  /** Types of event; `batch_completed` alone where it is left out. */
  readonly events?: readonly string[] | undefined
}

/** Deliveries of one batch under way at once, those that wait for another try included: a dead receiver takes no more slots. */
const AT_ONCE = 4
/** The last instant a Date can hold: a batch of deliveries is never sealed. */
const NEVER = 8.64e15

/**
 * The statements that give a batch its webhook.
 * @returns them, and the webhook's id, which the batch must carry
 */
export function makeWebhook(
  db: Database,
  batch: { id: string; owner: string; now: number },
  options: WebhookOptions,
): { id: string; statements: Statement[] } {
  const id = uuidv7()
  const { url, secret = makeSecret(), events = ['batch_completed'] } = options
  return {
    id,
    statements: [
      db
        .insert(webhooks)
        .values({ id, batchId: batch.id, owner: batch.owner, url, secret, events, createdAt: batch.now }),
      db.insert(batches).values({
        id,
        // An owner of its own, which is no caller.
        owner: id,
        operation: WEBHOOK_OPERATION,
        status: 'pending',
        input: {},
        facts: {},
        total: 0,
        tallies: {},
        concurrency: AT_ONCE,
        maxAttempts: DELIVERY_ATTEMPTS,
        createdAt: batch.now,
        openUntil: NEVER,
      }),
      // Deliveries get virtual times, for which their owner must have a row; that of an empty batch may have none yet.
      assignVirtualTimes(db, batch.owner, sql`0`),
    ],
  }
}

/** 256 random bits, as Standard Webhooks writes a secret. */
function makeSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
}

/**
 * Makes deliveries of the events that this commit wrote to the batches' logs. Comes after the statements that wrote them.
 * @param batchIds a JSON array; batches without a webhook are passed over
 */
export function enqueueDeliveries(db: Database, batchIds: string, now: number): Statement[] {
  const hooked = sql`SELECT b.webhook_id FROM json_each(${batchIds}) i CROSS JOIN batches b ON b.id = i.value WHERE b.webhook_id IS NOT NULL`
  // Jobs that were cancelled are not delivered one by one.
  const news = sql`
    SELECT w.id AS webhook_id, w.owner, e.seq, e.type
    FROM (${hooked}) h CROSS JOIN webhooks w ON w.id = h.webhook_id
      CROSS JOIN events e ON e.batch_id = w.batch_id AND e.seq > w.enqueued_seq
    WHERE w.disabled_at IS NULL AND e.type IN (SELECT value FROM json_each(w.events)) AND coalesce(e.data ->> 'errorCode', '') NOT IN ${CANCELLING_CODES}`
  // Made due now rather than ready: a due job gets a new virtual time of its owner. The end of a batch waits for no slot.
  const status = sql`
    CASE WHEN n.type = 'batch_completed' OR d.total - d.completed - d.failed
      + row_number() OVER (PARTITION BY n.webhook_id ORDER BY n.seq) <= d.concurrency THEN 'scheduled' ELSE 'blocked' END`
  return [
    db.run(sql`
      INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, label, input, virtual_time, run_at, max_attempts, created_at)
      SELECT d.id || '-' || n.seq, d.id, n.owner, d.operation, n.seq, ${status}, n.type, '{}', 0, ${now}, d.max_attempts, ${now}
      FROM (${news}) n JOIN batches d ON d.id = n.webhook_id`),
    db.run(sql`
      UPDATE batches SET total = batches.total + t.n
      FROM (SELECT webhook_id, count(*) AS n FROM (${news}) GROUP BY webhook_id) t WHERE t.webhook_id = batches.id`),
    db.run(sql`
      UPDATE webhooks SET enqueued_seq = (SELECT b.last_seq FROM batches b WHERE b.id = webhooks.batch_id) WHERE id IN (${hooked})`),
  ]
}

/**
 * Sends an owner's delivery again, from its first try, under the same id. A receiver that had answered 410 gets events again.
 * @param id of a delivery that the owner may see
 * @throws MillraceError CONFLICT while it is being sent
 */
export async function redeliver(
  deps: { db: Database; clock: Clock; dispatcher: Dispatcher },
  owner: string,
  id: string,
): Promise<void> {
  const { db } = deps
  const again = sql`j.id = ${id} AND j.owner = ${owner} AND j.operation = ${WEBHOOK_OPERATION} AND j.status IN ('completed', 'failed', 'scheduled')`
  const [rows] = await db.batch([
    db.all(sql`SELECT 1 FROM jobs j WHERE ${again}`),
    db.run(sql`
      UPDATE batches SET completed = completed - (j.status = 'completed'), failed = failed - (j.status = 'failed')
      FROM jobs j WHERE ${again} AND batches.id = j.batch_id`),
    db.run(
      sql`UPDATE webhooks SET disabled_at = NULL FROM jobs j WHERE ${again} AND webhooks.id = j.batch_id AND disabled_at IS NOT NULL`,
    ),
    db.run(sql`
      UPDATE jobs AS j SET status = 'scheduled', run_at = ${deps.clock.now()}, attempt = 0, losses = 0, started_at = NULL, finished_at = NULL,
        result = NULL, summary = NULL, checkpoint = NULL, error_code = NULL, error_message = NULL, progress_percent = 0, progress_message = NULL
      WHERE ${again}`),
  ])
  if (rows.length === 0) {
    throw new MillraceError(
      'CONFLICT',
      'This delivery is being sent, or waits for its turn. Look at it again in a moment.',
    )
  }
  deps.dispatcher.wake()
}

/** The secret that signs the deliveries of a batch; undefined where it has no webhook. For the answer to its create alone. */
export async function readWebhookSecret(db: Database, batchId: string): Promise<string | undefined> {
  const row = await db
    .select({ secret: webhooks.secret })
    .from(webhooks)
    .where(sql`id = (SELECT webhook_id FROM batches WHERE id = ${batchId})`)
    .get()
  return row?.secret
}
