/** The card surface by the seed: bodies, states, messages and codes, against a real server. */
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VERSION } from '../../../src/version.ts'
import { Follower } from '../../support/follow.ts'
import { curl, freshFolder, startServer, type TestServer } from '../../support/server.ts'
import { CardClient, card, KEYED, keyOf, refusal, someCards } from './client.ts'

let server: TestServer
let client: CardClient

beforeAll(async () => {
  server = await startServer({ env: { ...KEYED, MILLRACE_API_KEY: 'a-key-for-tests' } })
  client = new CardClient(server, 'a-key-for-tests')
})
afterAll(() => server[Symbol.asyncDispose]())

describe('an import', () => {
  it('is accepted and ends as the seed prints it', async () => {
    const cards = [...someCards(800), ...someCards(200, { privacy_level: 'PERSONAL' }, 800)]
    const accepted = await client.accepted(client.post('/bulk/import', { cards }))
    expect(accepted).toMatchObject({
      status: 'PENDING',
      message: 'Bulk import initiated for 1000 cards',
      check_status_url: `/bulk/status/${accepted.task_id}`,
    })
    expect(accepted.estimated_duration_seconds).toBeGreaterThan(0)
    const status = await client.ended(accepted.task_id)
    expect(status).toMatchObject({
      task_id: accepted.task_id,
      status: 'SUCCESS',
      result: {
        cards_imported: 1000,
        cards_failed: 0,
        cards_published: 800,
        extropy_earned: '800.00000000',
        errors: [],
      },
    })
    expect(Date.parse(status.completed_at ?? '')).toBeGreaterThan(0)
    expect(status.progress).toBeUndefined()
  })

  it('publishes by level, without case, unless told otherwise', async () => {
    const levels = ['BUSINESS', 'business', 'Ideas', 'PERSONAL']
    const cards = levels.map((privacy_level, at) => card(at, { privacy_level }))
    const published = async (options: object) => (await client.import(cards, { ...options })).cards_published
    expect(await published({})).toBe(3)
    expect(await published({ publish_business: false })).toBe(1)
    expect(await published({ publish_ideas: false })).toBe(2)
    expect(await published({ publish_business: false, publish_ideas: false })).toBe(0)
    expect(await published({ publish_business: null, publish_ideas: null })).toBe(3)
  })

  it('fails bad cards alone, by their place in the request', async () => {
    const cards = [
      card(0),
      card(1, { title: undefined }),
      card(2, { title: 'x'.repeat(1_001) }),
      card(3, { tags: 'no list' }),
      card(4, { category: null }),
      'no card',
      null,
      card(7, { body: 'half a pair \ud800' }),
      card(8, { metadata: [] }),
      card(9, { source_platform: null, source_url: null, metadata: null, tags: null, extra: 1 }),
    ]
    const result = await client.import(cards)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 8 })
    expect(result.errors.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(result.errors[0]).toEqual({ index: 1, title: '', error: 'title: Field required' })
    expect(result.errors[1]).toEqual({
      index: 2,
      title: 'x'.repeat(200),
      error: 'title: Input should have at most 1000 characters',
    })
    expect(result.errors[2]).toMatchObject({ title: 'Card 3', error: expect.stringMatching(/^tags: .*array/) })
    expect(result.errors[4]?.error).toContain('object')
  })

  it('counts all failures and lists the first hundred, across slices', async () => {
    const result = await client.import(
      Array.from({ length: 4_200 }, (_, at) => card(at, at % 2 === 0 ? {} : { title: 7 })),
    )
    expect(result).toMatchObject({ cards_imported: 2_100, cards_failed: 2_100 })
    expect(result.errors.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, at) => 2 * at + 1))
  })

  it('can be watched as any batch, under the same id', async () => {
    const accepted = await client.accepted(client.post('/bulk/import', { cards: someCards(4_500) }))
    const follower = new Follower(new URL(accepted.stream_url, server.url).href)
    await follower.completed()
    follower.close()
    expect(await client.status(accepted.task_id)).toMatchObject({
      status: 'SUCCESS',
      result: { cards_imported: 4_500 },
    })
  })
})

describe('what is refused', () => {
  it.each([
    ['/bulk/import', { cards: [] }, 'No cards provided for import'],
    ['/bulk/import', {}, 'No cards provided for import'],
    ['/bulk/import', { cards: Array(10_001).fill(0) }, 'Maximum 10,000 cards per import operation'],
    ['/bulk/export', { format: 'xml' }, 'Invalid format. Must be one of: json, markdown, csv'],
    ['/bulk/delete', { card_ids: [] }, 'No card IDs provided for deletion'],
    ['/bulk/delete', { card_ids: Array.from({ length: 10_001 }, String) }, 'Maximum 10,000 cards per delete operation'],
  ])('%s %#', async (path, body, detail) => {
    expect(await refusal(client.post(path, body))).toEqual({ status: 400, detail })
  })

  it.each([
    ['/bulk/import', { cards: {} }, 'cards'],
    ['/bulk/import', { cards: [1], publish_business: 'yes' }, 'publish_business'],
    ['/bulk/import', { cards: [1], on_duplicate: 'merge' }, 'on_duplicate'],
    ['/bulk/import', { cards: [1], run_at: 'tomorrow' }, 'run_at'],
    ['/bulk/export', { privacy_levels: 'BUSINESS' }, 'privacy_levels'],
    ['/bulk/export', { card_ids: [] }, 'card_ids'],
    ['/bulk/delete', { card_ids: [7] }, 'card_ids.0'],
  ])('%s %# names the field', async (path, body, field) => {
    expect(await refusal(client.post(path, body))).toMatchObject({
      status: 400,
      detail: expect.stringContaining(field),
    })
  })

  it('tells what is no JSON, what is no known type, and what is too large', async () => {
    expect(await refusal(client.send('/bulk/import', 'application/json', '{"cards": ['))).toMatchObject({ status: 400 })
    expect(await refusal(client.send('/bulk/import', 'text/plain', 'x'))).toMatchObject({ status: 415 })
    const folder = await freshFolder()
    const large = join(folder, 'large.json')
    await writeFile(large, '')
    await truncate(large, 65 * 1024 * 1024)
    const headers = ['-H', 'Content-Type: application/json', '-H', 'Authorization: Bearer a-key-for-tests']
    // By a client that reads the answer though no more is taken of what it sends; undici may fail to write first.
    const answer = await curl([
      '-w',
      ' %{http_code}',
      ...headers,
      '-X',
      'POST',
      '-T',
      large,
      `${server.url}/bulk/import`,
    ])
    expect(answer).toMatch(/^\{"detail":".+"\} 413$/)
    await rm(folder, { recursive: true })
  })

  it('says 401 to whoever has no key, or a wrong one', async () => {
    const answer = { status: 401, detail: 'Invalid or missing API key' }
    expect(await refusal(new CardClient(server).post('/bulk/import', { cards: [card(0)] }))).toEqual(answer)
    expect(await refusal(new CardClient(server, 'wrong').fetch('/bulk/tokens'))).toEqual(answer)
    expect(await refusal(new CardClient(server).fetch('/bulk/status/x'))).toEqual(answer)
  })

  it("does not know another owner's task, nor one that never was", async () => {
    const { task_id } = await client.accepted(client.post('/bulk/import', { cards: [card(0)] }))
    const other = new CardClient(server, await keyOf('other'))
    expect(await refusal(other.fetch(`/bulk/status/${task_id}`))).toMatchObject({ status: 404 })
    expect(await refusal(client.fetch('/bulk/status/550e8400-e29b-41d4-a716-446655440000'))).toMatchObject({
      status: 404,
    })
  })
})

describe('a task', () => {
  it('waits for its time as PENDING', async () => {
    const run_at = new Date(Date.now() + 3_600_000).toISOString()
    const { task_id } = await client.accepted(client.post('/bulk/import', { cards: someCards(3), run_at }))
    expect(await client.status(task_id)).toEqual({
      task_id,
      status: 'PENDING',
      progress: { current: 0, total: 3, percent: 0 },
    })
  })

  it('that is cancelled is a FAILURE with a reason and what was done', async () => {
    const run_at = new Date(Date.now() + 3_600_000).toISOString()
    const { task_id } = await client.accepted(client.post('/bulk/import', { cards: someCards(600), run_at }))
    await client.post(`/api/batch/${task_id}/cancel`, {})
    const status = await client.ended(task_id)
    expect(status).toMatchObject({ status: 'FAILURE', result: { cards_imported: 0, cards_failed: 600 } })
    expect(status.error).not.toBe('')
  })

  it('of every kind says what was done when it is cancelled before it began', async () => {
    const run_at = new Date(Date.now() + 3_600_000).toISOString()
    const cancelled = async (path: string, body: object) => {
      const { task_id } = await client.accepted(client.post(path, { ...body, run_at }))
      await client.post(`/api/batch/${task_id}/cancel`, {})
      const { status, error, result } = await client.ended(task_id)
      expect([status, error]).toEqual(['FAILURE', 'The batch was cancelled.'])
      return result
    }
    const nothing = { cards_failed: 0, errors: [], duration_seconds: 0 }
    expect(await cancelled('/bulk/export', { format: 'csv' })).toEqual({
      ...nothing,
      cards_exported: 0,
      export_format: 'csv',
    })
    const ids = ['a', 'b']
    const errors = ids.map((card_id) => ({ card_id, error: 'The batch was cancelled.' }))
    const failed = { ...nothing, cards_failed: 2, errors }
    expect(await cancelled('/bulk/delete', { card_ids: ids })).toEqual({ ...failed, cards_deleted: 0 })
    expect(await cancelled('/bulk/restore', { card_ids: ids })).toEqual({ ...failed, cards_restored: 0 })
  })

  it('sent twice under one key is done once', async () => {
    const send = (cards: unknown[]) => client.post('/bulk/import', { cards }, { 'Idempotency-Key': 'nightly-1' })
    const blobs = (await server.blobs()).length
    const first = await client.accepted(send(someCards(5)))
    const again = await client.accepted(send(someCards(5)))
    expect(again.task_id).toBe(first.task_id)
    expect((await server.blobs()).length).toBe(blobs + 1)
    expect(await refusal(send(someCards(6)))).toMatchObject({ status: 422 })
    expect((await server.blobs()).length).toBe(blobs + 1)
    expect((await client.ended('nightly-1')).task_id).toBe(first.task_id)
  })

  it('is estimated by what the last ones took here', async () => {
    const delay = async () => {
      const answer = await client.accepted(
        client.post('/bulk/import', {
          cards: someCards(10_000),
          run_at: new Date(Date.now() + 3_600_000).toISOString(),
        }),
      )
      return answer.estimated_duration_seconds
    }
    const { task_id } = await client.accepted(client.post('/bulk/import', { cards: someCards(2_000) }))
    const { result } = await client.ended(task_id)
    const seconds = result && 'duration_seconds' in result ? result.duration_seconds : 0
    // Earlier, smaller imports are in the mean: it is in the order of what 10,000 cards take at that pace.
    expect(await delay()).toBeLessThanOrEqual(Math.max(2, 50 * seconds))
  })
})

describe('health', () => {
  it('is told without a key, and knows the workers', async () => {
    const response = await server.fetch('/bulk/health')
    expect(await response.json()).toEqual({
      status: 'healthy',
      service: 'bulk-operations',
      version: VERSION,
      celery_workers: 'healthy',
      worker_count: 1,
    })
  })
})
