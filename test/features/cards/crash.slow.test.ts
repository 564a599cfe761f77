/** The ledger and the counts when the server is killed in the middle of imports, again and again. */
import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { freshFolder, startServer, type TestServer } from '../../support/server.ts'
import { scaled } from '../../support/time-limits.ts'
import { CardClient, KEYED, keyOf, query, someCards } from './client.ts'

const CARDS = 30_000
const KILLS = 5

let server: TestServer
let dataDir = ''

beforeAll(async () => {
  dataDir = await freshFolder()
  server = await startServer({ dataDir, env: KEYED })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

const ndjson = (from: number) =>
  someCards(CARDS, undefined, from)
    .map((one) => `${JSON.stringify(one)}\n`)
    .join('')

describe('kill -9 during imports', () => {
  it('loses no card, pays for none twice, and counts each once', { timeout: scaled(180_000) }, async () => {
    const key = await keyOf('me')
    let client = new CardClient(server, key)
    const send = (from: number, search = '') =>
      client.accepted(client.send(`/bulk/import${search}`, 'application/x-ndjson', ndjson(from)))
    // The second goes over cards of the first.
    const plain = await send(0)
    const skipping = await send(CARDS / 2, '?on_duplicate=skip')
    let cut = 0
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(150 + 100 * kill)
      await server.end('SIGKILL')
      const rows = query(server, 'SELECT status, count(*) AS n FROM jobs GROUP BY status')
      if (rows.some(({ status }) => status === 'running')) cut++
      const [sums] = query(
        server,
        'SELECT (SELECT sum(amount) FROM token_ledger) AS paid, (SELECT balance FROM card_accounts) AS balance',
      )
      expect(sums?.paid).toBe(sums?.balance)
      server = await startServer({ dataDir, env: KEYED })
      client = new CardClient(server, key)
    }
    expect(cut).toBeGreaterThan(0)
    const results = []
    for (const { task_id } of [plain, skipping]) {
      const status = await client.ended(task_id, 120_000)
      expect(status.status).toBe('SUCCESS')
      results.push(ImportResult.parse(status.result))
    }
    const [first, second] = results
    expect(first).toMatchObject({ cards_imported: CARDS, cards_failed: 0, cards_published: CARDS })
    const imported = CARDS + (second?.cards_imported ?? 0)
    expect(second).toMatchObject({ cards_failed: 0, cards_skipped: CARDS - imported + CARDS })
    expect(query(server, 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM cards')).toEqual([
      { n: imported, ids: imported },
    ])
    expect(query(server, 'SELECT cards, balance FROM card_accounts')).toEqual([
      { cards: imported, balance: imported * 100_000_000 },
    ])
    expect(query(server, 'SELECT count(*) AS n, sum(amount) AS paid FROM token_ledger')).toEqual([
      { n: imported, paid: imported * 100_000_000 },
    ])
    expect((await client.tokens('?limit=1')).balance).toBe(`${imported}.00000000`)
  })
})

describe('an import of which slices failed', () => {
  it('is resumed by those alone', async () => {
    const client = new CardClient(server, await keyOf('resumer'))
    const { task_id } = await client.accepted(client.send('/bulk/import', 'application/x-ndjson', ndjson(0)))
    await client.post(`/api/batch/${task_id}/cancel`, {})
    const stopped = await client.ended(task_id)
    expect(stopped).toMatchObject({ status: 'FAILURE', error: 'The batch was cancelled.' })
    const partial = ImportResult.parse(stopped.result)
    expect(partial.cards_imported + partial.cards_failed).toBe(CARDS)
    expect(partial.cards_failed).toBeGreaterThan(0)
    // Counted from 1, as in the label of the slice; `index` is the place in the request, from 0.
    const [, first] = /^Cards (\d+)–\d+ were not imported: /.exec(partial.errors[0]?.error ?? '') ?? []
    expect(Number(first)).toBe((partial.errors[0]?.index ?? 0) + 1)
    const resumed = await client.post(`/bulk/import/${task_id}/resume`, {})
    expect(await resumed.json()).toMatchObject({ task_id, status: 'PENDING' })
    const ended = await client.ended(task_id, 60_000)
    expect(ended).toMatchObject({
      status: 'SUCCESS',
      result: { cards_imported: CARDS, cards_failed: 0, cards_published: CARDS },
    })
    expect((await client.tokens('?limit=1')).balance).toBe(`${CARDS}.00000000`)
    const titles = query(server, "SELECT title FROM cards WHERE owner = 'resumer' ORDER BY id").map(
      ({ title }) => title,
    )
    expect(titles).toEqual(someCards(CARDS).map(({ title }) => title))
    expect((await client.post(`/bulk/import/${task_id}/resume`, {})).status).toBe(409)
  })
})
