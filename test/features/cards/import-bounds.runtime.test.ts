/** What a streamed body may hold, by bounds that are small enough to be tried. Runs on Node and inside workerd. */
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { formOf, keepBody } from '../../../src/features/cards/import-upload.ts'
import type { Env } from '../../../src/http/context.ts'
import { openEngine } from '../../support/fixture.ts'

const BOUNDS = { cards: 40, bytes: 1_000 }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

/** Sends a body piece by piece, so that nobody knows its length beforehand; gives what it is refused with, or how many cards were found. */
async function send(type: string, text: string, gzip = false): Promise<string> {
  const app = new Hono<Env>().post('/', async (c) => {
    try {
      const { totalCards } = await keepBody(c, engine, formOf(c), { bounds: BOUNDS })
      return c.text(`${totalCards} cards`)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      return c.text(`${error.code} ${error.message}`)
    }
  })
  const pieces = new Blob([text]).stream()
  const body = gzip ? pieces.pipeThrough(new CompressionStream('gzip')) : pieces
  const headers = { 'Content-Type': type, ...(gzip ? { 'Content-Encoding': 'gzip' } : {}) }
  // Undici wants to be told; the types of the DOM do not know it.
  const init = { method: 'POST', body, headers, duplex: 'half' }
  const request = new Request('http://localhost/', init)
  return (await app.request(request)).text()
}

async function kept(): Promise<number> {
  let count = 0
  for await (const _ of engine.blobs.list('uploads/')) count++
  return count
}

const HEADER = 'title,body,category,privacy_level\n'
const FORMS: readonly [type: string, around: readonly [string, string], card: (size: number) => string][] = [
  ['application/x-ndjson', ['', ''], (size) => `"${'x'.repeat(size - 3)}"\n`],
  ['application/json', ['[', '0]'], (size) => `"${'x'.repeat(size - 3)}",`],
  ['text/csv', [HEADER, ''], (size) => `${'x'.repeat(size - 1)}\n`],
]

it.each(FORMS)('%s ends with the bytes it may hold, packed or not', async (type, [before, after], card) => {
  const room = BOUNDS.bytes - before.length - after.length
  for (const gzip of [false, true]) {
    expect(await send(type, before + card(room) + after, gzip)).toMatch(/^[12] cards$/)
    expect(await kept()).toBe(gzip ? 2 : 1)
    expect(await send(type, before + card(room + 1) + after, gzip)).toMatch(/^TOO_LARGE A body may hold /)
    expect(await kept()).toBe(gzip ? 2 : 1)
  }
})

it.each(FORMS)('%s ends with the cards it may hold', async (type, [before, after], card) => {
  const most = BOUNDS.cards - (after === '' ? 0 : 1)
  expect(await send(type, before + card(5).repeat(most) + after)).toBe('40 cards')
  expect(await send(type, before + card(5).repeat(most + 1) + after)).toBe(
    'INVALID_REQUEST Maximum 40 cards per import operation',
  )
  expect(await kept()).toBe(1)
})
