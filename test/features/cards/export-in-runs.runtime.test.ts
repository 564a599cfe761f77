/** Long exports: written in several runs, they are byte for byte what one run writes. Runs on Node and inside workerd. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { exportCards } from '../../../src/features/cards/operations/export.ts'
import { readBatch } from '../../../src/live/state.ts'
import type { Attempt, Operation } from '../../../src/operation.ts'
import { openEngine, until } from '../../support/fixture.ts'

const CARDS = 1_400
/** Of six pages, two a run. */
const short: Operation = {
  ...exportCards,
  name: 'cards.export.short',
  async run(job, ctx) {
    let pages = 0
    await beforeRun(job)
    return exportCards.run(job, { ...ctx, budgetExhausted: () => ++pages >= 2 })
  },
}

/** Done before each run of `short`. */
let beforeRun: (job: Attempt) => Promise<void>

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  beforeRun = async () => {}
  engine = await openEngine({ operations: [exportCards, short] })
  const rows = Array.from({ length: CARDS }, (_, i) => [
    `card-${String(i).padStart(6, '0')}`,
    `Card ${i} ž`,
    `Body "${i}"\n`,
  ])
  await engine.db.run(sql`
    INSERT INTO cards (owner, id, hash, title, body, category, privacy_level, tags, metadata, created_at, updated_at)
    SELECT 'me', r.value ->> 0, 'h', r.value ->> 1, r.value ->> 2, 'note', 'IDEAS', '["a"]', '{"n":1}', 0, 0
    FROM json_each(${JSON.stringify(rows)}) r`)
})
afterEach(() => engine.close())

const keys = async () => {
  const found: string[] = []
  for await (const { key } of engine.blobs.list('uploads/')) found.push(key)
  return found.sort()
}

async function run(operation: Operation, options: { format?: string; gzip?: boolean; ids?: readonly string[] } = {}) {
  const { format = 'json', gzip = false, ids = null } = options
  const request = {
    ids,
    privacyLevels: null,
    categories: null,
    publishedOnly: false,
    format,
    withMetadata: true,
    gzip,
    pages: 'https://example.org/cards/',
    filename: 'cards',
    totalCards: CARDS,
  }
  const { batchId } = await submit(engine, { owner: 'me', operation, request })
  await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.finished ? true : null), 60_000)
  const [job] = await engine.db.all<{ status: string; attempt: number; result: string }>(
    sql`SELECT status, attempt, result FROM jobs WHERE batch_id = ${batchId}`,
  )
  expect(job).toMatchObject({ status: 'completed', attempt: 1 })
  const { key, ...result } = JSON.parse(job?.result ?? '{}')
  const stored = await engine.blobs.get(key)
  if (stored === null) throw new Error('the export is gone')
  const text = new Response(gzip ? new Response(stored).body?.pipeThrough(new DecompressionStream('gzip')) : stored)
  return { key, result, text: await text.text() }
}

it.each(['json', 'ndjson', 'markdown', 'csv'])('as %s is the same in one run as in several', async (format) => {
  await engine.work()
  const whole = await run(exportCards, { format })
  const pieced = await run(short, { format })
  expect(whole.result).toMatchObject({ cards: CARDS, failed: 0 })
  expect(pieced.text === whole.text).toBe(true)
  expect(pieced.result).toEqual(whole.result)
  expect(await keys()).toEqual([whole.key, pieced.key].sort())
})

it('is one gzip file, whatever it was put together of', async () => {
  await engine.work()
  const whole = await run(exportCards)
  const pieced = await run(short, { gzip: true })
  expect(pieced.text === whole.text).toBe(true)
  expect(pieced.result.size).toBeLessThan(whole.text.length / 4)
})

it('of ids goes on where it was, those that are missing told of once', async () => {
  await engine.work()
  const ids = Array.from({ length: 450 }, (_, i) =>
    i % 100 === 99 ? `none-${i}` : `card-${String(i).padStart(6, '0')}`,
  )
  const whole = await run(exportCards, { ids })
  const pieced = await run(short, { ids })
  expect(pieced.text === whole.text).toBe(true)
  expect(pieced.result).toEqual(whole.result)
  expect(pieced.result).toMatchObject({ cards: 446, failed: 4 })
})

it('begins anew where a piece is gone', async () => {
  let lost: string | undefined
  beforeRun = async ({ checkpoint }) => {
    const { pieces } = z.object({ pieces: z.array(z.string()).default([]) }).parse(checkpoint ?? {})
    if (lost !== undefined || pieces.length < 2) return
    lost = pieces[0] ?? ''
    await engine.blobs.delete([lost])
  }
  await engine.work()
  const pieced = await run(short)
  expect(lost).toMatch(/^uploads\//)
  expect(JSON.parse(pieced.text)).toHaveLength(CARDS)
  expect(await keys()).toContain(pieced.key)
})
