/**
 * The same documents and questions give the same ten results on every runtime: those of the parts of the pipeline put together in this
 * process, whichever the server is.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { searchCollection } from '../../../src/features/rag/search/search.ts'
import { PageCache } from '../../../src/features/rag/store/page-cache.ts'
import { processBody } from '../../support/documents.ts'
import { openPlatform, type Platform } from '../../support/platform.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { followSocket } from '../../support/socket-client.ts'
import { scaled } from '../../support/time-limits.ts'
import { compute, english, fill, model } from './retrieval/measure.ts'

const API = '/api/public/bulk'
const PASSAGES = english.slice(0, 40)
const QUESTIONS = PASSAGES.slice(0, 8).flatMap(({ shared, paraphrase }) => [shared, paraphrase])
const MODES = ['vector', 'text', 'hybrid'] as const

const Results = z.object({ results: z.array(z.object({ text: z.string(), score: z.number() })) })
type Found = z.infer<typeof Results>['results']

let server: TestServer
let platform: Platform
beforeAll(async () => {
  platform = await openPlatform()
  await fill(
    platform.db,
    'default',
    PASSAGES.map(({ passage }) => passage),
  )
  server = await startServer()
  await process()
}, scaled(240_000))
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await platform.close()
})

const post = (path: string, body: unknown) =>
  server.fetch(`${API}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })

/** Has the server process all passages, and waits for it. */
async function process(): Promise<void> {
  const documents = PASSAGES.map(({ passage }, at) => ({ id: `passage-${at}`, text: passage }))
  const accepted = await post('/process', processBody('passages', documents))
  expect(accepted.status).toBe(200)
  const follower = followSocket(`${server.url}${API}/ws/bulk-processing/passages`)
  expect(await follower.closed).toBe(1000)
  expect(follower.messages.at(-1)).toMatchObject({ type: 'completed', completed_items: PASSAGES.length })
}

/** The texts in their order; where scores are equal, by themselves. */
const order = (found: Found) =>
  found
    .toSorted((a, b) => (Math.abs(a.score - b.score) < 1e-5 ? (a.text < b.text ? -1 : 1) : b.score - a.score))
    .map(({ text }) => text)

describe.each(MODES)('A search by %s', (mode) => {
  it('finds the same ten chunks in the same order with the same scores', { timeout: scaled(120_000) }, async () => {
    const deps = { db: platform.db, compute, model, cache: new PageCache(10_000_000) }
    for (const query of QUESTIONS) {
      const request = { collection: 'default', query, mode, topK: 10 }
      const here = await searchCollection(deps, 'ann', request)
      const { results } = Results.parse(await (await post('/search', { query, mode, top_k: 10 })).json())
      if (mode !== 'text') expect(results).toHaveLength(10)
      expect(order(results)).toEqual(order(here))
      for (const [at, { score }] of results.entries()) expect(score).toBeCloseTo(here[at]?.score ?? -1, 4)
    }
  })
})
