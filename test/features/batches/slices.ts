/** Items without number, sent to an open batch in slices of one size: what the server needs for it. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Connection from 'libsql'
import { z } from 'zod'
import { BatchStatus } from '../../../src/features/batches/follow-schemas.ts'
import type { TestServer } from '../../support/server.ts'

const Created = z.object({ batchId: z.string() })
const Received = z.object({ received: z.int(), next: z.int() })
/** What it took. */
export interface Passed {
  readonly slices: number
  /** Bytes of all slices. */
  readonly bytes: number
  /** Until the last slice was answered: all items are on disk. */
  readonly acceptMs: number
  /** Until the batch had ended. */
  readonly runMs: number
  /** The most memory that the server's process had resident meanwhile, in bytes. */
  readonly peakBytes: number
}

/**
 * Sends so many items through a server, and waits until they have run.
 * @param text of about so many characters in each item
 * @throws Error when an item was lost or counted twice
 */
export async function passThrough(
  server: TestServer,
  { items, sliceBytes, text }: { items: number; sliceBytes: number; text: number },
): Promise<Passed> {
  await resetPeak(server)
  const began = performance.now()
  const { batchId } = Created.parse(await send(server, '/api/batch', '{"operation":"echo","open":true}'))
  const padding = 'x'.repeat(text)
  let slices = 0
  let bytes = 0
  for (let from = 0; from < items; slices++) {
    let body = ''
    let next = from
    for (; next < items && body.length < sliceBytes; next++) body += `{"value":"${next} ${padding}","amount":${next}}\n`
    const path = `/api/batch/${batchId}/items?from=${from}`
    const answer = Received.parse(await send(server, path, body, 'application/x-ndjson'))
    if (answer.next !== next) throw new Error(`Items up to ${next} were sent: ${JSON.stringify(answer)}`)
    bytes += body.length
    from = next
  }
  const acceptMs = performance.now() - began
  await send(server, `/api/batch/${batchId}/seal`, JSON.stringify({ total: items }))
  await ended(server, batchId)
  const runMs = performance.now() - began
  checkAll(server, batchId, items)
  return { slices, bytes, acceptMs, runMs, peakBytes: await peak(server) }
}

async function send(server: TestServer, path: string, body: string, type = 'application/json'): Promise<unknown> {
  const response = await server.fetch(path, { method: 'POST', headers: { 'Content-Type': type }, body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${text}`)
  return JSON.parse(text)
}

async function ended(server: TestServer, batchId: string): Promise<void> {
  for (;;) {
    const response = await server.fetch(`/api/batch/${batchId}`)
    const { status } = BatchStatus.parse(await response.json()).batch
    if (status !== 'pending' && status !== 'processing') return
    await pause(200)
  }
}

/** Each item once: their places add up, and so do their events. */
function checkAll(server: TestServer, batchId: string, items: number): void {
  const db = new Connection(join(server.dataDir, 'millrace.db'), { readonly: true })
  const [row] = db
    .prepare(
      `SELECT status, total, completed, last_seq, tallies ->> 'amount', (SELECT count(*) FROM events WHERE batch_id = b.id),
        (SELECT count(*) FROM jobs WHERE batch_id = b.id AND status = 'completed') FROM batches b WHERE id = ?`,
    )
    .raw(true)
    .all([batchId])
  db.close()
  const wanted = ['completed', items, items, items + 2, (items * (items - 1)) / 2, items + 2, items]
  if (JSON.stringify(row) !== JSON.stringify(wanted)) {
    throw new Error(`${items} items came to ${JSON.stringify(row)} in place of ${JSON.stringify(wanted)}.`)
  }
}

/** See `clear_refs` in proc_pid_clear_refs(5). */
async function resetPeak(server: TestServer): Promise<void> {
  await writeFile(`/proc/${await server.processId()}/clear_refs`, '5')
}

/** The kernel keeps the highest mark of a process: see VmHWM in proc_pid_status(5). */
async function peak(server: TestServer): Promise<number> {
  const status = await readFile(`/proc/${await server.processId()}/status`, 'utf8')
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1])
}
