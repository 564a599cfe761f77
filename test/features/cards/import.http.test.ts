/** Imports in every form, duplicates, publishing and the ledger, against a real server. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { CardClient, card, keyOf, query, refusal, someCards } from './client.ts'
import { serveCards } from './fixture.ts'

const fixture = serveCards()

const ndjson = (cards: readonly unknown[]) => cards.map((one) => `${JSON.stringify(one)}\n`).join('')
const send = (type: string, body: string | Uint8Array<ArrayBuffer>, headers = {}, search = '') =>
  fixture.client.result(fixture.client.send(`/bulk/import${search}`, type, body, headers), ImportResult)

describe('a streamed body', () => {
  it('of NDJSON holds a card a line; a line that is none fails alone', async () => {
    const lines = [JSON.stringify(card(0)), '', 'no json', '  ', JSON.stringify(card(2)), '[1]']
    const result = await send('application/x-ndjson', lines.join('\n'))
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 2 })
    expect(result.errors).toMatchObject([{ index: 1, error: 'The line is not JSON' }, { index: 3 }])
  })

  it('may be as long as it likes, and keeps its order', async () => {
    const result = await send('application/x-ndjson', ndjson(someCards(12_345)))
    expect(result).toMatchObject({ cards_imported: 12_345, cards_failed: 0, cards_published: 12_345 })
    const titles = query(fixture.server, 'SELECT title FROM cards WHERE owner = ? ORDER BY id', fixture.owner).map(
      ({ title }) => title,
    )
    expect(titles).toEqual(someCards(12_345).map(({ title }) => title))
  })

  it('of CSV has its columns named, and may be quoted over lines', async () => {
    const csv = [
      '\ufeffTitle,body,category,privacy_level,tags,source_url,colour',
      'One,"two\r\nlines, and ""quotes""",C,PERSONAL,"a,""b,c"", d",,red',
      "Two,'=1+1,C,BUSINESS,,https://example.com,blue",
      'Three,too few',
      ',no title,C,BUSINESS,,,',
    ].join('\r\n')
    const result = await send('text/csv', csv)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 2, cards_published: 1 })
    expect(result.errors).toMatchObject([
      { index: 2, error: 'The record has 2 fields, the header 7' },
      { index: 3, error: 'title: Input should have at least 1 characters' },
    ])
    expect(await fixture.client.cards()).toMatchObject([
      { title: 'One', body: 'two\r\nlines, and "quotes"', tags: ['a', 'b,c', 'd'], source_url: null },
      { title: 'Two', body: '=1+1', tags: [], source_url: 'https://example.com' },
    ])
  })

  it('may be compressed, as JSON may', async () => {
    const gzip = { 'Content-Encoding': 'gzip' }
    expect(await send('application/x-ndjson', gzipSync(ndjson(someCards(700))), gzip)).toMatchObject({
      cards_imported: 700,
    })
    const json = gzipSync(JSON.stringify({ cards: someCards(3) }))
    expect(await send('application/json', json, gzip)).toMatchObject({ cards_imported: 3 })
    const broken = fixture.client.send('/bulk/import', 'application/x-ndjson', 'not gzip', gzip)
    expect(await refusal(broken)).toEqual({
      status: 400,
      detail: 'The body is not gzip, is cut off, or is several gzip files joined: pack it as one.',
    })
  })

  it('takes its options from the address', async () => {
    const search = '?publish_business=false&on_duplicate=skip'
    expect(await send('application/x-ndjson', ndjson([card(1), card(1), card(2)]), {}, search)).toMatchObject({
      cards_imported: 2,
      cards_skipped: 1,
      cards_published: 0,
    })
    const wrong = fixture.client.send('/bulk/import?validate_only=perhaps', 'application/x-ndjson', ndjson([card(1)]))
    expect(await refusal(wrong)).toMatchObject({ status: 400, detail: expect.stringContaining('validate_only') })
  })

  it('with a card beyond 1 MB fails that card alone', async () => {
    const lines = ndjson([
      card(0),
      card(1, { body: 'x'.repeat(1_100_000) }),
      card(2, { body: 'x'.repeat(250_001) }),
      card(3),
    ])
    const result = await send('application/x-ndjson', lines)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 2 })
    expect(result.errors).toEqual([
      { index: 1, title: '', error: 'A card should have at most 1,000,000 bytes' },
      { index: 2, title: 'Card 2', error: 'body: Input should have at most 250000 characters' },
    ])
  })

  it('that is empty, or a CSV without the columns, is refused and not kept', async () => {
    const blobs = (await fixture.server.blobs()).length
    const empty = { status: 400, detail: 'No cards provided for import' }
    expect(await refusal(fixture.client.send('/bulk/import', 'application/x-ndjson', '\n \n'))).toEqual(empty)
    expect(
      await refusal(fixture.client.send('/bulk/import', 'text/csv', 'title,body,category,privacy_level\n')),
    ).toEqual(empty)
    expect(await refusal(fixture.client.send('/bulk/import', 'text/csv', 'title,text\na,b\n'))).toEqual({
      status: 400,
      detail: 'The first line of a CSV names its columns. Missing: body, category, privacy_level.',
    })
    expect(await fixture.server.blobs()).toHaveLength(blobs)
  })
})

describe('duplicates', () => {
  const again = [
    card(1, { category: 'NEW', tags: ['new'] }),
    card(2),
    card(2, { category: 'LAST' }),
    card(3, { body: 'Other' }),
  ]

  it('are imported unless something else is asked', async () => {
    await fixture.client.import([card(1), card(2)])
    expect(await fixture.client.import(again)).toMatchObject({ cards_imported: 4, cards_skipped: 0 })
  })

  it('are skipped', async () => {
    await fixture.client.import([card(1)])
    expect(await fixture.client.import(again, { on_duplicate: 'skip' })).toMatchObject({
      cards_imported: 2,
      cards_skipped: 2,
      cards_failed: 0,
      cards_published: 2,
      extropy_earned: '2.00000000',
    })
    expect(await fixture.client.cards()).toMatchObject([
      { category: 'BUSINESS' },
      { title: 'Card 2', category: 'BUSINESS' },
      { body: 'Other' },
    ])
  })

  it('are brought up to date, the last of several last, and paid for once', async () => {
    await fixture.client.import([card(1)])
    const before = await fixture.client.cards()
    expect(await fixture.client.import(again, { on_duplicate: 'update' })).toMatchObject({
      cards_imported: 2,
      cards_updated: 2,
      cards_published: 2,
    })
    const after = await fixture.client.cards()
    expect(after).toMatchObject([{ category: 'NEW', tags: ['new'] }, { category: 'LAST' }, { body: 'Other' }])
    expect(after[0]?.id).toBe(before[0]?.id)
    expect((await fixture.client.tokens()).balance).toBe('3.00000000')
  })

  it('fail, each with its place', async () => {
    await fixture.client.import([card(1)])
    const result = await fixture.client.import(again, { on_duplicate: 'fail' })
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 2, cards_published: 2 })
    const error = 'A card with this title and body exists already'
    expect(result.errors).toEqual([
      { index: 0, title: 'Card 1', error },
      { index: 2, title: 'Card 2', error },
    ])
  })

  it('of one another stay out when two imports race', async () => {
    const cards = someCards(3_000)
    const results = await Promise.all(
      Array.from({ length: 4 }, () => fixture.client.import(cards, { on_duplicate: 'skip' })),
    )
    const sum = (name: 'cards_imported' | 'cards_skipped' | 'cards_published') =>
      results.reduce((total, result) => total + result[name], 0)
    expect([sum('cards_imported'), sum('cards_skipped'), sum('cards_published')]).toEqual([3_000, 9_000, 3_000])
    expect(query(fixture.server, 'SELECT count(*) AS n FROM cards WHERE owner = ?', fixture.owner)).toEqual([
      { n: 3_000 },
    ])
    expect((await fixture.client.tokens('?limit=1')).balance).toBe('3000.00000000')
  })

  it('are those of the same fixture.owner, not deleted', async () => {
    await fixture.client.import([card(1)])
    const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    expect(await other.import([card(1)], { on_duplicate: 'skip' })).toMatchObject({ cards_imported: 1 })
    const ids = (await fixture.client.cards()).map(({ id }) => id)
    await fixture.client.change('delete', { card_ids: ids })
    expect(await fixture.client.import([card(1)], { on_duplicate: 'skip' })).toMatchObject({ cards_imported: 1 })
  })
})

describe('validate_only', () => {
  it('says what an import would come to and writes nothing', async () => {
    await fixture.client.import([card(1)])
    const cards = [card(1), card(2), { title: 'x' }]
    expect(await fixture.client.import(cards, { validate_only: true })).toMatchObject({
      cards_imported: 0,
      cards_valid: 2,
      cards_failed: 1,
    })
    expect(await fixture.client.import(cards, { validate_only: true, on_duplicate: 'skip' })).toMatchObject({
      cards_valid: 1,
      cards_skipped: 1,
    })
    expect(await fixture.client.import(cards, { validate_only: true, on_duplicate: 'fail' })).toMatchObject({
      cards_valid: 1,
      cards_failed: 2,
    })
    expect(await fixture.client.cards()).toHaveLength(1)
    expect((await fixture.client.tokens()).balance).toBe('1.00000000')
  })
})

describe('publishing', () => {
  it('gives a page that everybody can read, safe whatever the card holds', async () => {
    await fixture.client.import([
      card(1, {
        title: `How to Build Momentum! Ünïcode & <b>${'long '.repeat(30)}`,
        body: '<script>alert(1)</script>',
        source_url: 'javascript:alert(1)',
      }),
    ])
    const [made] = await fixture.client.cards()
    const url = new URL(String(made?.published_url))
    expect(url.href.startsWith(`${fixture.server.url}/cards/`)).toBe(true)
    const slug = url.pathname.slice('/cards/'.length)
    expect(slug).toMatch(/^how-to-build-momentum-unicode-b-[a-z0-9-]+$/)
    expect(slug.length).toBeLessThanOrEqual(60)
    const response = await fetch(url)
    expect(response.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
    const page = await response.text()
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(page).not.toMatch(/<script|href="javascript/)
    expect((await fixture.server.fetch('/cards/nothing-here')).status).toBe(404)
  })

  it('shows where a card is from, by a link that can be seen', async () => {
    const source_url = 'https://example.org/1'
    const link = (name: string) => ` · Source: <a href="${source_url}" rel="nofollow noopener ugc">${name}</a>`
    const sources = [
      [{ source_platform: 'web', source_url }, link('web')],
      [{ source_platform: '', source_url }, link(source_url)],
      [{ source_platform: ' \t', source_url }, link(source_url)],
      [{ source_url }, link(source_url)],
      [{ source_platform: 'a book', source_url: '' }, ' · Source: a book'],
      [{ source_platform: '', source_url: '' }, ''],
    ] as const
    await fixture.client.import(sources.map(([source]) => card(1, source)))
    for (const [at, { published_url }] of (await fixture.client.cards()).entries()) {
      const page = await (await fetch(String(published_url))).text()
      expect(page).toContain(`</time>${sources[at]?.[1]}</footer>`)
    }
  })

  it('gives an address that says the title, whatever its script', async () => {
    const expected = new Map([
      ['ガラスの仮面', 'ガラスの仮面'],
      ['हिन्दी में लिखें', 'हिन्दी-में-लिखें'],
      ['한국어 카드', '한국어-카드'],
      ['Мой жёлтый йогурт', 'мой-жёлтый-йогурт'],
      ['Crème brûlée, İzmir & Ångström', 'creme-brulee-izmir-angstrom'],
      ['Ἀθήνα', 'αθηνα'],
      ['می\u200cخواهم ☀\ufe0f 1\ufe0f\u20e3', 'میخواهم-1'],
      ['שָׁלוֹם', 'שָׁלוֹם'],
      ['😀', 'card'],
      [`${'長'.repeat(20)}${'😀𠮷'.repeat(40)}`, `${'長'.repeat(20)}-𠮷-𠮷`],
    ])
    await fixture.client.import([...expected.keys()].map((title) => card(1, { title })))
    const cards = await fixture.client.cards()
    expect(cards.map(({ title }) => title)).toEqual([...expected.keys()])
    for (const { title, published_url } of cards) {
      const href = String(published_url)
      expect(new URL(href).href).toBe(href)
      const slug = decodeURIComponent(href.slice(`${fixture.server.url}/cards/`.length))
      expect(slug.startsWith(`${expected.get(String(title))?.normalize('NFC')}-`)).toBe(true)
      expect(slug.length).toBeLessThanOrEqual(60)
      for (const spelling of [href, slug, slug.normalize('NFD')]) {
        const page = await fetch(new URL(spelling, `${fixture.server.url}/cards/`))
        expect(page.status).toBe(200)
        expect(await page.text()).toContain(`<h1>${String(title).replaceAll('&', '&amp;')}</h1>`)
      }
    }
  })

  it('ends when an update makes the card private, and its page with it', async () => {
    await fixture.client.import([card(1)])
    const [made] = await fixture.client.cards()
    await fixture.client.import([card(1, { privacy_level: 'PERSONAL' })], { on_duplicate: 'update' })
    expect(await fixture.client.cards()).toMatchObject([{ is_published: false, published_url: null }])
    expect((await fetch(String(made?.published_url))).status).toBe(404)
    expect(await fixture.client.import([card(1)], { on_duplicate: 'update' })).toMatchObject({
      cards_updated: 1,
      cards_published: 0,
    })
    expect(await fixture.client.cards()).toMatchObject([{ published_url: made?.published_url }])
    expect((await fixture.client.tokens()).balance).toBe('1.00000000')
  })

  it('goes by one way to compare levels, in whatever letters they are written', async () => {
    // A long s and a dotless i, which SQLite takes for letters of their own.
    const cards = ['BUſINESS', 'ıdeas'].map((privacy_level, at) => card(at, { privacy_level }))
    expect(await fixture.client.import(cards)).toMatchObject({ cards_published: 2 })
    const withheld = { publish_business: false, publish_ideas: false, on_duplicate: 'update' }
    expect(await fixture.client.import(cards, withheld)).toMatchObject({ cards_updated: 2 })
    expect(await fixture.client.cards({ published_only: true, privacy_levels: ['business', 'IDEAS'] })).toHaveLength(2)
  })

  it('gives cards of one title pages of their own', async () => {
    await fixture.client.import(Array(1_200).fill(card(1)))
    const slugs = query(fixture.server, 'SELECT DISTINCT slug FROM cards WHERE owner = ?', fixture.owner)
    expect(slugs).toHaveLength(1_200)
  })

  it('is paid for in a ledger that is read page by page', async () => {
    await fixture.client.import(someCards(25))
    const { ledger, next, balance } = await fixture.client.tokens('?limit=10')
    expect(balance).toBe('25.00000000')
    expect(ledger).toHaveLength(10)
    expect(ledger[0]).toMatchObject({ amount: '1.00000000', reason: 'card_published' })
    const second = await fixture.client.tokens(`?limit=20&cursor=${next}`)
    expect(second.ledger).toHaveLength(15)
    expect(second.next).toBeNull()
    expect(new Set([...ledger, ...second.ledger].map((row) => row.card_id)).size).toBe(25)
    expect(await new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`)).tokens()).toEqual({
      balance: '0.00000000',
      ledger: [],
      next: null,
    })
  })
})
