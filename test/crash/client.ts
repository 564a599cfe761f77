/**
 * A client that hands over work and does not care that the server dies: a request whose answer was lost is sent again, under the same
 * key, until it is answered. What was answered is what the server has promised.
 */
import { formOf } from '../support/batches.ts'
import { heatSheet, OTHER, SWIMMER } from '../support/sheets.ts'
import { between } from './random.ts'

/** An item of the operation `echo`. */
export interface EchoItem {
  readonly value: { readonly key: string; readonly place: number }
  readonly waitMs: number
  readonly amount: number
  readonly steps?: number
  readonly failures?: number
  readonly error?: string
}

/** A batch that was promised. */
export interface Promised {
  readonly key: string
  readonly batchId: string
  readonly operation: 'echo' | 'heat-sheet'
  /** What was sent to `echo`; empty for documents. */
  readonly items: readonly EchoItem[]
  readonly jobs: number
  /** Whether its owner cancelled it, so that some of it may not have run. */
  cancelled: boolean
}

/** What clients saw together. */
export interface Ledger {
  readonly promised: Promised[]
  /** Requests whose answer was lost. */
  lost: number
  /** Answers that no server should give. */
  readonly wrong: string[]
}

interface Wanted {
  readonly url: string
  readonly random: () => number
  readonly ledger: Ledger
  /** Begins every key of this client. */
  readonly name: string
  /** No new work once it aborts; what was begun is brought to its end. */
  readonly signal: AbortSignal
}

/** The tries of `echo`; an item that fails as often fails for good. */
const MAX_ATTEMPTS = 3

/** Whether an item of a batch that is left alone succeeds in the end. */
export function succeeds({ error, failures = 0 }: EchoItem): boolean {
  return error === undefined && failures < MAX_ATTEMPTS
}

/** Submits work of all kinds until told to end. */
export async function submitUntil(client: Wanted): Promise<void> {
  for (let number = 1; !client.signal.aborted; number++) {
    const key = `${client.name}-${number}`
    const kind = client.random()
    if (kind < 0.4) await whole(client, key, {})
    else if (kind < 0.65) await whole(client, key, { concurrency: between(client.random, 1, 4) })
    else if (kind < 0.85) await runInChunks(client, key)
    else await documents(client, key)
    if (client.random() < 0.3) await steer(client)
    await pause(between(client.random, 0, 120))
  }
}

function itemsOf({ random }: Wanted, key: string, count: number): EchoItem[] {
  return Array.from({ length: count }, (_, place) => {
    const item = { value: { key, place }, waitMs: between(random, 0, 60), amount: between(random, 0, 1_000) }
    const fate = random()
    if (fate < 0.05) return { ...item, error: 'no good' }
    if (fate < 0.13) return { ...item, failures: 1 }
    if (fate < 0.15) return { ...item, failures: 9 }
    if (fate < 0.2) return { ...item, waitMs: 400, steps: 4 }
    return item
  })
}

async function whole(client: Wanted, key: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  const items = itemsOf(client, key, between(client.random, 1, 25))
  const body = JSON.stringify({ operation: 'echo', items, options })
  const batchId = await create(client, '/api/batch', key, () => ({ body, type: 'application/json' }))
  client.ledger.promised.push({ key, batchId, operation: 'echo', items, jobs: items.length, cancelled: false })
}

async function runInChunks(client: Wanted, key: string): Promise<void> {
  const options = client.random() < 0.5 ? { concurrency: 3 } : {}
  const body = JSON.stringify({ operation: 'echo', open: true, options })
  const batchId = await create(client, '/api/batch', key, () => ({ body, type: 'application/json' }))
  const items: EchoItem[] = []
  for (let slice = between(client.random, 1, 4); slice > 0; slice--) {
    const from = items.length
    items.push(...itemsOf(client, key, between(client.random, 1, 15)).map((item, i) => placed(item, from + i)))
    const lines = items.slice(from).map((item) => `${JSON.stringify(item)}\n`)
    await send(client, `/api/batch/${batchId}/items?from=${from}`, () => ({
      body: lines.join(''),
      type: 'application/x-ndjson',
    }))
  }
  await send(client, `/api/batch/${batchId}/seal`)
  client.ledger.promised.push({ key, batchId, operation: 'echo', items, jobs: items.length, cancelled: false })
}

function placed(item: EchoItem, place: number): EchoItem {
  return { ...item, value: { ...item.value, place } }
}

async function documents(client: Wanted, key: string): Promise<void> {
  const count = between(client.random, 1, 2)
  const first = between(client.random, 1, 30)
  const pdfs = await Promise.all(Array.from({ length: count }, (_, i) => sheet(first + i)))
  const swimmer = client.random() < 0.5 ? SWIMMER : OTHER
  const batchId = await create(client, '/api/batch/extract', key, () => ({ body: formOf({ swimmer, pdfs }) }))
  client.ledger.promised.push({ key, batchId, operation: 'heat-sheet', items: [], jobs: count, cancelled: false })
}

const sheets = new Map<number, Promise<{ name: string; bytes: Uint8Array }>>()

/** A document by number; the same bytes each time it is asked for. */
function sheet(number: number): Promise<{ name: string; bytes: Uint8Array }> {
  const made =
    sheets.get(number) ??
    heatSheet({ meet: `Meet ${number}`, pages: 2 }).then((bytes) => ({ name: `${number}.pdf`, bytes }))
  sheets.set(number, made)
  return made
}

/** Cancels or retries one of the batches promised lately. */
async function steer(client: Wanted): Promise<void> {
  const { promised } = client.ledger
  const batch = promised[promised.length - between(client.random, 1, Math.min(10, promised.length))]
  if (batch === undefined) return
  if (client.random() < 0.4) {
    batch.cancelled = true
    await send(client, `/api/batch/${batch.batchId}/cancel`)
  } else {
    // Refused while it runs, or when nothing of it failed.
    await send(client, `/api/batch/${batch.batchId}/retry`, undefined, [200, 409])
  }
}

type Body = () => { readonly body: BodyInit; readonly type?: string }

async function create(client: Wanted, path: string, key: string, body: Body): Promise<string> {
  const answer = await send(client, path, body, [200, 202], { 'Idempotency-Key': key })
  const { batchId } = answer
  if (typeof batchId !== 'string') throw new Error(`A create was answered: ${JSON.stringify(answer)}`)
  return batchId
}

/** Sends until there is an answer. */
async function send(
  client: Wanted,
  path: string,
  body?: Body,
  expected: readonly number[] = [200],
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  for (;;) {
    const made = body?.()
    const type = made?.type === undefined ? {} : { 'Content-Type': made.type }
    try {
      const response = await fetch(new URL(path, client.url), {
        method: 'POST',
        headers: { ...headers, ...type },
        ...(made === undefined ? {} : { body: made.body }),
      })
      const text = await response.text()
      if (!expected.includes(response.status)) client.ledger.wrong.push(`${path}: ${response.status} ${text}`)
      return Object.fromEntries(Object.entries(JSON.parse(text)))
    } catch {
      client.ledger.lost++
      await pause(between(client.random, 20, 200))
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
