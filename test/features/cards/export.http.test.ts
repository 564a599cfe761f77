/** Exports: formats, filters, downloads, the way back in; and deletes and restores, whose cards they no longer show. */
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { CardClient, card, keyOf, query, someCards } from './client.ts'
import { serveCards } from './fixture.ts'

const fixture = serveCards()

const download = async (url: string, headers: Record<string, string> = {}, method = 'GET') =>
  fixture.server.fetch(url, { headers, method })

describe('an export', () => {
  it('holds what was imported, as JSON', async () => {
    const full = card(1, {
      tags: ['a', 'b'],
      source_platform: 'twitter',
      source_url: 'https://twitter.com/user/status/123',
      metadata: { nested: { list: [1, 'two', null], text: 'half \ud800' } },
    })
    const began = Date.now()
    await fixture.client.import([full])
    const result = await fixture.client.export()
    expect(result).toMatchObject({ cards_exported: 1, export_format: 'json', cards_failed: 0, errors: [] })
    expect(result.file_size_bytes).toBe(Buffer.byteLength(result.export_data ?? ''))
    const [made] = await fixture.client.cards()
    expect(made).toMatchObject({ ...full, is_published: true })
    expect(Object.keys(made ?? {})).not.toContain('owner')
    expect(Date.parse(String(made?.created_at))).toBeGreaterThanOrEqual(began - 1_000)
    expect(Date.parse(String(made?.created_at))).toBeLessThanOrEqual(Date.now() + 1_000)
    expect((await fixture.client.cards({ include_metadata: false }))[0]).not.toHaveProperty('metadata')
  })

  it('is a CSV with the columns in their order', async () => {
    await fixture.client.import([card(1, { tags: ['a', 'b'], body: '=HYPERLINK("x")' })])
    const { export_data = '' } = await fixture.client.export({ format: 'csv', include_metadata: false })
    const [header, record] = String(export_data).split('\r\n')
    expect(header).toBe(
      'id,title,body,category,privacy_level,tags,source_platform,source_url,is_published,published_url,created_at,published_at',
    )
    expect(record).toContain(`,Card 1,"'=HYPERLINK(""x"")",BUSINESS,BUSINESS,"a,b",,,yes,http`)
  })

  it('is a CSV without formulas, also where it is opened with semicolons or tabs', async () => {
    const metadata = { note: 'a;=1+1' }
    await fixture.client.import([
      card(1, { title: 'a;=HYPERLINK(1)', body: 't\t=1+1\n- one ;-)', tags: ['b', 'c;@x'], metadata }),
    ])
    const { export_data } = await fixture.client.export({ format: 'csv' })
    expect(export_data).toContain(`,"a;'=HYPERLINK(1)","t\t'=1+1\n'- one ;-)",`)
    expect(export_data).toContain(`,"b,""c;'@x""",`)
    expect(export_data).toContain(`,"{""note"":""a;'=1+1""}"\r\n`)
  })

  it('is Markdown with a heading a card', async () => {
    await fixture.client.import([card(1), card(2, { title: 'A * star', source_platform: 'web' })])
    const { export_data } = await fixture.client.export({ format: 'markdown' })
    expect(export_data).toMatch(
      /^# Card 1\n\n\*\*Category:\*\* BUSINESS {2}\n\*\*Privacy:\*\* BUSINESS {2}\n\*\*Tags:\*\* test\n\n---\n\nWhat card 1 says\n/,
    )
    expect(export_data).toContain('\n# A \\* star\n')
    expect(export_data).toContain('**Source:** web')
  })

  it('takes the filters of the seed, and nobody else’s cards', async () => {
    await fixture.client.import([
      card(1),
      card(2, { privacy_level: 'ideas', category: 'Science' }),
      card(3, { privacy_level: 'PERSONAL', category: 'science' }),
    ])
    const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    await other.import([card(9)])
    const [foreign] = await other.cards()
    const titles = async (filter: object) => (await fixture.client.cards({ ...filter })).map(({ title }) => title)
    expect(await titles({ privacy_levels: ['BUSINESS', 'IDEAS'] })).toEqual(['Card 1', 'Card 2'])
    expect(await titles({ categories: ['SCIENCE'] })).toEqual(['Card 2', 'Card 3'])
    expect(await titles({ published_only: true })).toEqual(['Card 1', 'Card 2'])
    expect(await titles({ card_ids: null, privacy_levels: null, categories: null })).toEqual([
      'Card 1',
      'Card 2',
      'Card 3',
    ])
    const all = await fixture.client.cards()
    const ids = [all[2]?.id, foreign?.id, all[0]?.id, 'no-such-card']
    const some = await fixture.client.export({ card_ids: ids, categories: ['BUSINESS'] })
    expect(some).toMatchObject({
      cards_exported: 1,
      cards_failed: 2,
      errors: [foreign?.id, 'no-such-card'].map((card_id) => ({ card_id, error: 'Card not found or access denied' })),
    })
    expect(some.export_data).toContain('Card 1')
  })

  it('finds words of any script, whatever their case and however they are composed', async () => {
    const words = [
      ['Café', 'privé'],
      ['CAFE\u0301', 'PRIVE\u0301'],
      ['Straße', 'Öffentlich'],
      ['STRASSE', 'ÖFFENTLICH'],
      ['İstanbul', 'ΟΔΟΣ'],
      ['i\u0307stanbul', 'οδος'],
      ['Cafe', 'prive'],
      ['Istanbul', 'PRIVATE'],
    ]
    await fixture.client.import(words.map(([category, privacy_level], at) => card(at, { category, privacy_level })))
    const all = await fixture.client.cards()
    const ids = all.map(({ id }) => id)
    const found = async (filter: object) => {
      const [whole, named] = await Promise.all([
        fixture.client.cards({ ...filter }),
        fixture.client.cards({ ...filter, card_ids: ids }),
      ])
      expect(named).toEqual(whole)
      return whole.map(({ title }) => Number(String(title).slice('Card '.length)))
    }
    for (const asked of ['Café', 'café', 'CAFÉ', 'cafe\u0301'])
      expect(await found({ categories: [asked] })).toEqual([0, 1])
    for (const asked of ['straße', 'Strasse', 'STRAẞE']) expect(await found({ categories: [asked] })).toEqual([2, 3])
    expect(await found({ categories: ['İSTANBUL'] })).toEqual([4, 5])
    expect(await found({ categories: ['ISTANBUL', 'CAFE'] })).toEqual([6, 7])
    expect(await found({ privacy_levels: ['Privé', 'öffentlich'] })).toEqual([0, 1, 2, 3])
    expect(await found({ privacy_levels: ['ΟΔΟς'], categories: ['İstanbul', 'private'] })).toEqual([4, 5])
    expect(await found({ privacy_levels: ['private'], categories: ['Café'] })).toEqual([])
  })

  it('tells an empty source as none, in whatever form it came and goes', async () => {
    await fixture.client.import([card(1, { source_platform: '', source_url: '' }), card(2)])
    const { export_data } = await fixture.client.export({ format: 'csv' })
    await fixture.client.result(fixture.client.send('/bulk/import', 'text/csv', export_data ?? ''), ImportResult)
    const sources = (await fixture.client.cards()).map(({ source_platform, source_url }) => [
      source_platform,
      source_url,
    ])
    expect(sources).toEqual(Array(4).fill([null, null]))
  })

  it('of nothing is an empty one', async () => {
    expect(await fixture.client.cards()).toEqual([])
    expect(await fixture.client.export({ format: 'ndjson' })).toMatchObject({
      cards_exported: 0,
      export_data: '',
      file_size_bytes: 0,
    })
  })

  it('of many cards is a download alone, read through pages without a gap', async () => {
    await fixture.client.result(
      fixture.client.send(
        '/bulk/import',
        'application/x-ndjson',
        someCards(10_001)
          .map((one) => JSON.stringify(one))
          .join('\n'),
      ),
      ImportResult,
    )
    const result = await fixture.client.export({ format: 'ndjson' })
    expect(result).toMatchObject({ cards_exported: 10_001, export_data: null })
    const text = await (await download(result.download_url)).text()
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).title),
    ).toEqual(someCards(10_001).map(({ title }) => title))
  })

  it('of more than 32 MB is a download alone', async () => {
    // 1,000,000 bytes each, all told: 33 of them are below 32 MB, 34 above.
    const large = (number: number) => {
      const sent = card(number, { body: '€'.repeat(250_000), metadata: { filler: '' } })
      const room = 999_990 - Buffer.byteLength(JSON.stringify(sent))
      return { ...sent, metadata: { filler: 'x'.repeat(room) } }
    }
    const body = Array.from({ length: 34 }, (_, at) => JSON.stringify(large(at))).join('\n')
    await fixture.client.result(fixture.client.send('/bulk/import', 'application/x-ndjson', body), ImportResult)
    const all = await fixture.client.export({ format: 'ndjson' })
    expect(all).toMatchObject({ cards_exported: 34, export_data: null })
    const text = await (await download(all.download_url)).text()
    const lines = text.trimEnd().split('\n')
    expect(Buffer.byteLength(text)).toBe(all.file_size_bytes)
    expect(all.file_size_bytes).toBeGreaterThan(32 * 1024 * 1024)
    const card_ids = lines.slice(1).map((line): unknown => JSON.parse(line).id)
    const fewer = await fixture.client.export({ format: 'ndjson', card_ids })
    expect(fewer.file_size_bytes).toBeLessThan(32 * 1024 * 1024)
    expect(fewer.export_data === `${lines.slice(1).join('\n')}\n`).toBe(true)
  })

  it('of large cards goes by pages that fit', async () => {
    await fixture.client.import(
      Array.from({ length: 30 }, (_, at) => card(at, { body: `${at} ${'é'.repeat(100_000)}` })),
    )
    const bodies = (await fixture.client.cards()).map(({ body }) => Number.parseInt(String(body), 10))
    expect(bodies).toEqual(Array.from({ length: 30 }, (_, at) => at))
  })
})

describe('a download', () => {
  it('has its name, length, tag, and parts', async () => {
    await fixture.client.import(someCards(50))
    const result = await fixture.client.export({ format: 'csv' })
    const { download_url: url, filename, export_data } = result
    const whole = await download(url)
    expect(whole.status).toBe(200)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-disposition': `attachment; filename="${filename}"`,
      'content-length': String(result.file_size_bytes),
      'content-type': 'text/csv; charset=utf-8; header=present',
      etag: `"${result.sha256}"`,
      'accept-ranges': 'bytes',
    })
    const text = await whole.text()
    expect(text).toBe(export_data)
    const size = result.file_size_bytes
    const part = async (range: string, more: Record<string, string> = {}) => {
      const response = await download(url, { Range: range, ...more })
      return [response.status, response.headers.get('Content-Range'), await response.text()]
    }
    expect(await part('bytes=10-19')).toEqual([206, `bytes 10-19/${size}`, text.slice(10, 20)])
    expect(await part('bytes=-5')).toEqual([206, `bytes ${size - 5}-${size - 1}/${size}`, text.slice(-5)])
    expect(await part(`bytes=${size - 3}-`)).toEqual([206, `bytes ${size - 3}-${size - 1}/${size}`, text.slice(-3)])
    expect(await part(`bytes=${size}-`)).toEqual([416, `bytes */${size}`, ''])
    expect((await part('bytes=0-4', { 'If-Range': '"another"' }))[0]).toBe(200)
    expect((await part('bytes=0-4', { 'If-Range': `"${result.sha256}"` }))[0]).toBe(206)
    expect((await download(url, { 'If-None-Match': `"${result.sha256}"` })).status).toBe(304)
    const head = await download(url, {}, 'HEAD')
    expect([head.status, head.headers.get('Content-Length'), await head.text()]).toEqual([200, String(size), ''])
  })

  it('needs the signed address, or the key of the owner', async () => {
    await fixture.client.import([card(1)])
    const { download_url, download_expires_at } = await fixture.client.export()
    const [path = '', token = ''] = download_url.split('?token=')
    expect((await download(path)).status).toBe(401)
    expect((await download(`${path}?token=${token}x`)).status).toBe(401)
    expect((await fixture.client.fetch(path)).status).toBe(200)
    const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    expect((await other.fetch(path)).status).toBe(404)
    expect((await fixture.server.fetch(`/bulk/tokens?token=${token}`)).status).toBe(401)
    expect((await fixture.server.fetch(`${path.replace('/exports/', '/api/batch/')}?token=${token}`)).status).toBe(401)
    expect(Date.parse(download_expires_at) - Date.now()).toBeGreaterThan(3_600_000)
  })

  it('may be compressed', async () => {
    await fixture.client.import(someCards(20))
    const plain = await fixture.client.export({ format: 'json' })
    const packed = await fixture.client.export({ format: 'json', compression: 'gzip' })
    expect(packed).toMatchObject({ export_data: null, filename: expect.stringMatching(/\.json\.gz$/) })
    const bytes = Buffer.from(await (await download(packed.download_url)).arrayBuffer())
    expect(gunzipSync(bytes).toString()).toBe(plain.export_data)
  })

  it('is gone with its task', async () => {
    const { task_id } = await fixture.client.accepted(fixture.client.post('/bulk/export', {}))
    await fixture.client.ended(task_id)
    expect((await fixture.client.fetch(`/exports/${task_id}`)).status).toBe(200)
    await fixture.client.fetch(`/api/batch/${task_id}`, { method: 'DELETE' })
    expect((await fixture.client.fetch(`/exports/${task_id}`)).status).toBe(404)
  })
})

describe('what is exported', () => {
  /** Text in which everything that means something in one of the formats is common. */
  const text = (minLength: number) =>
    fc.string({
      unit: fc.constantFrom(',', ';', '"', '\r', '\n', "'", '=', '-', '\t', ' ', 'a', 'é', '😀', '\\', '\u2028'),
      minLength,
      maxLength: 12,
    })
  const word = text(1)
    .map((text) => text.trim())
    .filter((text) => text !== '')
  const cards = fc.array(
    fc.record({
      title: text(1),
      body: text(0),
      category: word,
      privacy_level: fc.constantFrom('BUSINESS', 'ideas', 'PERSONAL'),
      tags: fc.array(word, { maxLength: 3 }),
      source_platform: fc.option(text(1)),
      source_url: fc.option(text(1)),
      metadata: fc.dictionary(text(1), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2, noNullPrototype: true }),
    }),
    { minLength: 300, maxLength: 300 },
  )
  const own = ({ id, published_url, created_at, published_at, ...rest }: Record<string, unknown>) => rest

  it.each([
    ['json', 'application/json'],
    ['ndjson', 'application/x-ndjson'],
    ['csv', 'text/csv'],
  ])('can be imported again unchanged, as %s', async (format, type) => {
    // As JSON has it: it knows no negative zero.
    const sent: unknown[] = JSON.parse(JSON.stringify(fc.sample(cards, 1)[0]))
    expect(await fixture.client.import(sent)).toMatchObject({ cards_imported: 300 })
    const before = await fixture.client.cards()
    expect(before.map(own)).toMatchObject(sent)
    const { export_data } = await fixture.client.export({ format })
    const copy = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    const result = await copy.result(copy.send('/bulk/import', type, export_data ?? ''), ImportResult)
    expect(result).toMatchObject({ cards_imported: 300, cards_failed: 0 })
    expect((await copy.cards()).map(own)).toEqual(before.map(own))
    const again = fixture.client.send('/bulk/import?on_duplicate=skip', type, export_data ?? '')
    expect(await fixture.client.result(again, ImportResult)).toMatchObject({ cards_imported: 0, cards_skipped: 300 })
  })
})

describe('a delete', () => {
  it('is soft unless told otherwise, hides the card and its page, and can be undone', async () => {
    await fixture.client.import([card(1, { metadata: { mine: true } }), card(2)])
    const before = await fixture.client.cards()
    const id = String(before[0]?.id)
    const url = String(before[0]?.published_url)
    expect(await fixture.client.change('delete', { card_ids: [id] })).toMatchObject({
      cards_deleted: 1,
      cards_failed: 0,
      errors: [],
    })
    expect(await fixture.client.cards()).toEqual([before[1]])
    expect((await fetch(url)).status).toBe(404)
    const [row] = query(fixture.server, 'SELECT metadata, deleted_at FROM cards WHERE id = ?', id)
    expect(JSON.parse(String(row?.metadata))).toEqual({
      mine: true,
      deleted: true,
      deleted_at: expect.stringMatching(/^20.*Z$/),
    })
    expect(await fixture.client.change('restore', { card_ids: [id] })).toMatchObject({ cards_restored: 1 })
    expect(await fixture.client.cards()).toEqual(before)
    expect((await fetch(url)).status).toBe(200)
    expect((await fixture.client.tokens()).balance).toBe('2.00000000')
  })

  it('that is soft leaves the owner’s own marks to the card', async () => {
    const metadata = [
      { deleted: 'my own', deleted_at: '2019', k: 1 },
      { k: 2, deleted: null },
      { deleted_at: { year: 2019 } },
      { 'deleted.at': false, k: 1e21 },
      {},
    ]
    await fixture.client.import(metadata.map((own, at) => card(at, { metadata: own })))
    const before = await fixture.client.cards()
    const card_ids = before.map(({ id }) => id)
    for (let time = 0; time < 2; time++) {
      expect(await fixture.client.change('delete', { card_ids })).toMatchObject({ cards_deleted: 5 })
      const rows = query(
        fixture.server,
        "SELECT metadata ->> 'deleted' AS deleted FROM cards WHERE owner = ?",
        fixture.owner,
      )
      expect(rows).toEqual(Array(5).fill({ deleted: 1 }))
      expect(await fixture.client.change('restore', { card_ids })).toMatchObject({ cards_restored: 5 })
      expect(await fixture.client.cards()).toEqual(before)
    }
    expect(before.map((one) => one.metadata)).toEqual(metadata)
  })

  it('that is hard leaves nothing but the ledger', async () => {
    await fixture.client.import([card(1)])
    const [made] = await fixture.client.cards()
    expect(await fixture.client.change('delete', { card_ids: [made?.id], soft_delete: false })).toMatchObject({
      cards_deleted: 1,
    })
    expect(query(fixture.server, 'SELECT * FROM cards WHERE owner = ?', fixture.owner)).toEqual([])
    expect(await fixture.client.change('restore', { card_ids: [made?.id] })).toMatchObject({
      cards_restored: 0,
      cards_failed: 1,
    })
    expect((await fixture.client.tokens()).balance).toBe('1.00000000')
  })

  it("counts ids that are not there, or another's, as failed", async () => {
    const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    await other.import([card(1)])
    const [foreign] = await other.cards()
    await fixture.client.import([card(2)])
    const [mine] = await fixture.client.cards()
    const accepted = await fixture.client.accepted(
      fixture.client.post('/bulk/delete', {
        card_ids: ['550e8400-e29b-41d4-a716-446655440000', foreign?.id, mine?.id, mine?.id],
      }),
    )
    expect(accepted.message).toBe('Bulk delete initiated for 3 cards')
    const error = 'Card not found or access denied'
    expect(await fixture.client.ended(accepted.task_id)).toMatchObject({
      status: 'SUCCESS',
      result: {
        cards_deleted: 1,
        cards_failed: 2,
        errors: [
          { card_id: '550e8400-e29b-41d4-a716-446655440000', error },
          { card_id: foreign?.id, error },
        ],
      },
    })
    expect(await other.cards()).toHaveLength(1)
    expect(await fixture.client.change('delete', { card_ids: [mine?.id] })).toMatchObject({
      cards_deleted: 0,
      cards_failed: 1,
    })
  })

  it('asked for twice at once is done once', async () => {
    await fixture.client.import(someCards(1_000))
    const ids = (await fixture.client.cards()).map(({ id }) => id)
    const results = await Promise.all(
      Array.from({ length: 4 }, () => fixture.client.change('delete', { card_ids: ids })),
    )
    expect(results.reduce((sum, { cards_deleted = 0 }) => sum + cards_deleted, 0)).toBe(1_000)
    expect(results.reduce((sum, { cards_failed }) => sum + cards_failed, 0)).toBe(3_000)
    expect(query(fixture.server, 'SELECT cards FROM card_accounts WHERE owner = ?', fixture.owner)).toEqual([
      { cards: 0 },
    ])
  })
})
