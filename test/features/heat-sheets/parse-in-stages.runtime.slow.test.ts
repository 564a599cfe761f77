/** Long documents: read in several runs, they come to the same as read in one. Runs on Node and inside workerd. */
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createComputeTasks } from '../../../src/compute-tasks.ts'
import { createInlineCompute } from '../../../src/drivers/compute-inline.ts'
import { retryBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { MillraceError } from '../../../src/errors.ts'
import { heatSheet } from '../../../src/features/heat-sheets/operation.ts'
import { parseSheet } from '../../../src/features/heat-sheets/parser/parse.ts'
import type { Sheet } from '../../../src/features/heat-sheets/parser/sheet.ts'
import { readPdfText, type TextPage } from '../../../src/formats/pdf-text.ts'
import { readBatch } from '../../../src/live/state.ts'
import type { Compute } from '../../../src/ports.ts'
import { openFetchServer } from '../../support/fetch-origin.ts'
import { openEngine, until } from '../../support/fixture.ts'
import { scaled } from '../../support/time-limits.ts'

/** At least three stretches, which are of 64 pages or ten seconds, and at least two. */
const LONG = 132
const SHORT = 70
const noFile = () => Promise.reject(new Error('No task of a sheet needs a file.'))
const inline = createInlineCompute(createComputeTasks({ read: noFile, wasm: noFile, module: noFile }))
let server: Awaited<ReturnType<typeof openFetchServer>>
beforeAll(async () => {
  server = await openFetchServer()
})
afterAll(() => server.close())

let engine: Awaited<ReturnType<typeof openEngine>>
/** Tasks that were run, and what happens before the next. */
let ran: string[]
let before: (signal: AbortSignal | undefined) => Promise<void>
/** CPU time that each task says it took, in milliseconds; null for what it really took. */
let takes: number | null
const watched: Compute = {
  ...inline,
  documentCpuMs: 10_000,
  async run(task, input, options) {
    ran.push(task)
    await before(options?.signal)
    const onCpuTime = (ms: number) => options?.onCpuTime?.(takes ?? ms)
    return inline.run(task, input, { ...options, onCpuTime })
  },
}
beforeEach(async () => {
  ran = []
  takes = 0
  before = async () => {}
  engine = await openEngine({ operations: [heatSheet], compute: watched, allowPrivate: true })
})
afterEach(() => engine.close())

const keys = async () => {
  const found: string[] = []
  for await (const { key } of engine.blobs.list('uploads/')) found.push(key)
  return found
}

/** Puts a document through the engine; gives the sheet that was kept of it. */
async function extract(document: object): Promise<{ sheet: unknown; batch: object }> {
  const request = { swimmers: ['Nobody Atall'], documents: [document] }
  const { batchId } = await submit(engine, { owner: 'me', operation: heatSheet, request })
  // The lease is long enough for a stretch on a machine that does much else.
  await engine.work({ leaseMs: 120_000 })
  const batch = await until(async () => {
    const state = await readBatch(engine.db, batchId, 'me')
    return state?.finished ? state : null
  }, 240_000)
  return { sheet: await keptSheet(), batch }
}

async function keptSheet(): Promise<unknown> {
  const key = (await engine.db.all<{ blob_key: string }>(sql`SELECT blob_key FROM documents`))[0]?.blob_key ?? ''
  return new Response(await engine.blobs.get(key)).json()
}

const printed = new Map<number, ReturnType<typeof printAnew>>()

/** The bytes of a document, and the sheet that comes of reading it at once. */
function print(count: number): ReturnType<typeof printAnew> {
  const known = printed.get(count) ?? printAnew(count)
  printed.set(count, known)
  return known
}

async function printAnew(count: number): Promise<{ pdf: Uint8Array; whole: Sheet }> {
  const pdf = new Uint8Array(await (await fetch(`${server.origin}/sheet/${count}`)).arrayBuffer())
  const pages: TextPage[] = []
  for await (const { page } of readPdfText(pdf)) pages.push(page)
  expect(pages).toHaveLength(count)
  return { pdf, whole: parseSheet(pages) }
}

async function upload(pdf: Uint8Array) {
  const { md5 } = await engine.blobs.put('uploads/long', pdf)
  return { kind: 'upload', key: 'uploads/long', filename: 'long.pdf', md5 }
}

it('a long sheet is read in several runs that are one attempt, to the same sheet as at once', {
  timeout: scaled(300_000),
}, async () => {
  const { pdf, whole } = await print(LONG)
  const { sheet, batch } = await extract(await upload(pdf))
  expect(batch).toMatchObject({ status: 'completed', completed: 1, lastSeq: 3 })
  expect(ran.filter((task) => task === 'heat-sheet.parse').length).toBeGreaterThanOrEqual(3)
  expect(ran.at(-1)).toBe('heat-sheet.parse-pages')
  expect(whole.entries.length).toBeGreaterThan(10_000)
  expect(sheet).toEqual(whole)
  const [job] = await engine.db.all(sql`SELECT attempt, losses FROM jobs`)
  expect(job).toEqual({ attempt: 1, losses: 0 })
  expect((await keys()).filter((key) => !key.endsWith('.sheet'))).toEqual(['uploads/long'])
})

it('what was put away and is gone is read anew', { timeout: scaled(300_000) }, async () => {
  let lost = 0
  before = async () => {
    const pages = (await keys()).filter((key) => key.endsWith('.pages'))
    if (lost > 0 || pages.length < 2) return
    lost = pages.length
    await engine.blobs.delete(pages)
  }
  const { pdf, whole } = await print(SHORT)
  const { sheet } = await extract(await upload(pdf))
  expect(lost).toBe(2)
  expect(sheet).toEqual(whole)
  expect((await keys()).filter((key) => !key.endsWith('.sheet'))).toEqual(['uploads/long'])
})

it('a linked one is fetched once for all runs, and not kept', { timeout: scaled(300_000) }, async () => {
  const { whole } = await print(SHORT)
  await fetch(`${server.origin}/requests?for=stretches`)
  const { sheet, batch } = await extract({ kind: 'url', url: `${server.origin}/sheet/${SHORT}?for=stretches` })
  expect(batch).toMatchObject({ status: 'completed' })
  expect(sheet).toEqual(whole)
  const requests: unknown = await (await fetch(`${server.origin}/requests?for=stretches`)).json()
  expect(requests).toHaveLength(1)
  expect((await keys()).filter((key) => !key.endsWith('.sheet'))).toEqual([])
})

it('one that ends whoever reads it is given up, and may be tried again by hand', {
  timeout: scaled(300_000),
}, async () => {
  const { pdf, whole } = await print(SHORT)
  const document = await upload(pdf)
  // Nothing is heard of the reader any more, as when the platform ended it.
  before = async (signal) => {
    await engine.db.run(sql`UPDATE jobs SET lease = 'gone', lease_until = 0 WHERE status = 'running'`)
    await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  const request = { swimmers: ['Nobody Atall'], documents: [document] }
  const { batchId } = await submit(engine, { owner: 'me', operation: heatSheet, request })
  await engine.work({ leaseMs: 120_000 })
  const ended = () =>
    until(async () => {
      const state = await readBatch(engine.db, batchId, 'me')
      return state?.finished ? state : null
    }, 60_000)
  expect(await ended()).toMatchObject({ status: 'failed' })
  expect(ran).toHaveLength(3)
  const [job] = await engine.db.all(sql`SELECT error_code AS code, error_message AS message, losses FROM jobs`)
  expect(job).toEqual({
    code: 'TOO_LARGE',
    message: expect.stringContaining('too much memory'),
    losses: 3,
  })
  before = async () => {}
  await retryBatch(engine, batchId)
  expect(await ended()).toMatchObject({ status: 'completed' })
  expect(await keptSheet()).toEqual(whole)
})

it('one that takes more time than a document may, over all its runs, fails alone; tried again by hand it goes on', {
  timeout: scaled(300_000),
}, async () => {
  const [{ pdf, whole }, beside] = [await print(LONG), await print(1)]
  takes = 4_000
  const { md5 } = await engine.blobs.put('uploads/short', beside.pdf)
  const short = { kind: 'upload', key: 'uploads/short', filename: 'short.pdf', md5 }
  const request = { swimmers: ['Nobody Atall'], documents: [await upload(pdf), short] }
  const { batchId } = await submit(engine, { owner: 'me', operation: heatSheet, request })
  await engine.work({ leaseMs: 120_000 })
  const ended = () =>
    until(async () => {
      const state = await readBatch(engine.db, batchId, 'me')
      return state?.finished ? state : null
    }, 240_000)
  expect(await ended()).toMatchObject({ status: 'partial', completed: 1, failed: 1 })
  const [job] = await engine.db.all(
    sql`SELECT error_code AS code, error_message AS message, attempt FROM jobs WHERE sequence = 1`,
  )
  expect(job).toEqual({
    code: 'TOO_LARGE',
    message: expect.stringContaining(
      'more than the 10 seconds of CPU time that one document may take (MAX_DOCUMENT_CPU_SECONDS)',
    ),
    attempt: 1,
  })
  // The first three stretches, and the other document.
  expect(ran).toEqual(Array.from({ length: 4 }, () => 'heat-sheet.parse'))
  takes = 0
  await retryBatch(engine, batchId)
  expect(await ended()).toMatchObject({ status: 'completed' })
  const found = await engine.db.all<{ blob_key: string }>(sql`SELECT blob_key FROM documents ORDER BY created_at DESC`)
  expect(await new Response(await engine.blobs.get(found[0]?.blob_key ?? '')).json()).toEqual(whole)
})

it('what a run took counts though it failed and was tried again', { timeout: scaled(300_000) }, async () => {
  const { pdf } = await print(SHORT)
  takes = 6_000
  const answer = watched.run
  const failing: Compute = {
    ...watched,
    async run(task, input, options) {
      await answer(task, input, options)
      throw new MillraceError('SERVICE_UNAVAILABLE', 'The process that read the document was ended from outside.')
    },
  }
  await engine.close()
  engine = await openEngine({ operations: [heatSheet], compute: failing })
  const { md5 } = await engine.blobs.put('uploads/long', pdf)
  const document = { kind: 'upload', key: 'uploads/long', filename: 'long.pdf', md5 }
  const request = { swimmers: ['Nobody Atall'], documents: [document] }
  const { batchId } = await submit(engine, { owner: 'me', operation: heatSheet, request })
  await engine.work({ leaseMs: 120_000 })
  await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.finished ? true : null), 120_000)
  const [job] = await engine.db.all(sql`SELECT error_code AS code, attempt FROM jobs`)
  expect(job).toEqual({ code: 'TOO_LARGE', attempt: 2 })
})
