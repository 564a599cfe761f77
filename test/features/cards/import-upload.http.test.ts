/** What a body of an import may be like, and what is said of one that is not: bounds, options, marks, cuts. Against a real server. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { curl, freshFolder, startServer, type TestServer } from '../../support/server.ts'
import { CardClient, card, KEYED, keyOf, query, refusal, someCards } from './client.ts'
import { serveCards } from './fixture.ts'

const fixture = serveCards()

const JSON_TYPE = 'application/json'
const NDJSON = 'application/x-ndjson'
const HEADER = 'title,body,category,privacy_level'
const GZIP = { 'Content-Encoding': 'gzip' }

const ndjson = (cards: readonly unknown[]) => cards.map((one) => `${JSON.stringify(one)}\n`).join('')
const result = (type: string, body: string | Uint8Array<ArrayBuffer>, headers = {}, search = '') =>
  fixture.client.result(fixture.client.send(`/bulk/import${search}`, type, body, headers), ImportResult)
const failure = (type: string, body: string) =>
  fixture.client.result(fixture.client.send('/bulk/import', type, body), ImportResult, 'FAILURE')
const refused = (type: string, body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
  refusal(fixture.client.send('/bulk/import', type, body, headers))
/** What is answered, and its code: on a connection of its own, for the fixture.server ends that of a body which it does not read to its end. */
async function byCurl(type: string, body: string | Uint8Array, args: readonly string[]): Promise<string> {
  const folder = await freshFolder()
  const file = join(folder, 'body')
  await writeFile(file, body)
  const headers = ['-H', `Authorization: Bearer ${await keyOf(fixture.owner)}`, '-H', `Content-Type: ${type}`, ...args]
  const answer = await curl([
    '-w',
    ' %{http_code}',
    ...headers,
    '--data-binary',
    `@${file}`,
    `${fixture.server.url}/bulk/import`,
  ])
  await rm(folder, { recursive: true })
  return answer
}
const tasks = () => query(fixture.server, 'SELECT id FROM batches WHERE owner = ?', fixture.owner).length

describe('a JSON array', () => {
  it('holds as many cards as an export does', async () => {
    const cards = someCards(12_000)
    expect(await result(NDJSON, ndjson(cards))).toMatchObject({ cards_imported: 12_000 })
    const { download_url } = await fixture.client.export({ format: 'json' })
    const file = await (await fixture.server.fetch(download_url)).text()
    const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-b`))
    const again = await other.result(other.send('/bulk/import', JSON_TYPE, file), ImportResult)
    expect(again).toMatchObject({ cards_imported: 12_000, cards_failed: 0 })
    const titles = query(fixture.server, 'SELECT title FROM cards WHERE owner = ? ORDER BY id', `${fixture.owner}-b`)
    expect(titles.map(({ title }) => title)).toEqual(cards.map(({ title }) => title))
  })

  it('in an object holds as many as the seed says', async () => {
    expect(await byCurl(JSON_TYPE, JSON.stringify({ cards: someCards(12_000) }), [])).toBe(
      '{"detail":"Maximum 10,000 cards per import operation"} 400',
    )
  })

  it.each([
    [NDJSON, (cards: number) => '{}\n'.repeat(cards)],
    [JSON_TYPE, (cards: number) => `[${'0,'.repeat(cards - 1)}0]`],
  ])('or lines: a million cards, and not one more: %s', async (type, body) => {
    expect(await byCurl(type, gzipSync(body(1_000_001)), ['-H', 'Content-Encoding: gzip'])).toBe(
      '{"detail":"Maximum 1,000,000 cards per import operation"} 400',
    )
    expect(tasks()).toBe(0)
    const later = `?run_at=${new Date(Date.now() + 3_600_000).toISOString()}`
    const whole = fixture.client.send(`/bulk/import${later}`, type, new Uint8Array(gzipSync(body(1_000_000))), GZIP)
    expect(await fixture.client.accepted(whole)).toMatchObject({ message: 'Bulk import initiated for 1000000 cards' })
  })
})

describe('options', () => {
  const body = JSON.stringify({ cards: [card(1)] })

  it('in the address hold for a JSON object too', async () => {
    expect(await result(JSON_TYPE, body, {}, '?validate_only=true')).toMatchObject({
      cards_valid: 1,
      cards_imported: 0,
    })
    expect(await fixture.client.cards()).toEqual([])
    expect(await result(JSON_TYPE, body, {}, '?publish_business=false')).toMatchObject({ cards_published: 0 })
    expect(await result(JSON_TYPE, body, {}, '?on_duplicate=skip')).toMatchObject({ cards_skipped: 1 })
  })

  it('may stand in both, but not say different things', async () => {
    const both = (inBody: object, search: string) =>
      fixture.client.post(`/bulk/import${search}`, { cards: [card(1)], ...inBody })
    expect(await refusal(both({ validate_only: false }, '?validate_only=true'))).toEqual({
      status: 400,
      detail: 'validate_only: The body and the query say different things; leave one of them out',
    })
    expect(tasks()).toBe(0)
    expect(await fixture.server.blobs()).toHaveLength(await keptFiles())
    await fixture.client.accepted(both({ validate_only: true }, '?validate_only=1'))
    await fixture.client.accepted(both({ validate_only: null }, '?validate_only=true'))
    await fixture.client.accepted(both({ on_duplicate: 'skip' }, '?publish_ideas=false'))
  })

  it('in the address are checked, whatever the body', async () => {
    const wrong = fixture.client.send('/bulk/import?validate_only=perhaps', JSON_TYPE, body)
    expect(await refusal(wrong)).toMatchObject({ status: 400, detail: expect.stringContaining('validate_only') })
  })
})

/** Files that a row names. */
const keptFiles = async () => query(fixture.server, 'SELECT key FROM uploads').length

describe('a byte order mark', () => {
  it.each([
    [JSON_TYPE, JSON.stringify([card(1), card(2)])],
    [NDJSON, ndjson([card(1), card(2)])],
    ['text/csv', `"title","body",category,privacy_level\na,b,c,d\ne,f,g,h\n`],
  ])('before %s costs no card', async (type, body) => {
    expect(await result(type, `\ufeff${body}`)).toMatchObject({ cards_imported: 2, cards_failed: 0 })
    expect(await result(type, new Uint8Array(gzipSync(`\ufeff${body}`)), GZIP)).toMatchObject({ cards_imported: 2 })
  })
})

describe('a CSV', () => {
  it.each([
    ['is cut off inside quotes', `${HEADER}\na,b,c,d\n"e","two\nlines",g,h\ni,"cut\noff`, 5],
    ['has a stray quote early', `${HEADER}\n"a,b,c,d\ne,f,g,h\ni,j,k,l\n`, 2],
    ['has one in its header', `"${HEADER}\na,b,c,d\n`, 1],
    ['doubles the quote that would close', `${HEADER}\na,"b""\nc,d\n`, 2],
  ])('that %s makes no task, and its line is named', async (_, csv, line) => {
    expect(await refused('text/csv', csv)).toEqual({
      status: 400,
      detail: `The CSV ends inside quotes: the field that begins on line ${line} is not closed.`,
    })
    expect(tasks()).toBe(0)
  })

  it('may end with the quote that closes', async () => {
    expect(await result('text/csv', `${HEADER}\na,b,c,"d"`)).toMatchObject({ cards_imported: 1 })
  })
})

describe('a body', () => {
  it('that says it is larger than any may be is refused before it is sent', async () => {
    const length = `Content-Length: ${4_096 * 1024 * 1024 + 1}`
    // Curl sends the few bytes that it has, and would wait for an answer to the rest.
    expect(await byCurl(NDJSON, '{}\n', ['-H', length])).toBe('{"detail":"A body may hold 4,096 MB."} 413')
  })
})

describe('a body of cards that are too large', () => {
  const MB = 1_000_000
  const long = (bytes: number) => JSON.stringify(card(1, { body: 'x'.repeat(bytes) }))
  const nothingKept = async () => {
    expect(tasks()).toBe(0)
    expect(await fixture.server.blobs()).toHaveLength(await keptFiles())
  }

  it.each([
    [JSON_TYPE, `{"cards":[${long(1.5 * MB)}]}`, 'Record 1, the only one,'],
    [JSON_TYPE, `[${long(1.5 * MB)},${long(2 * MB)}]`, 'Every one of the 2 records'],
    [NDJSON, `${long(1.5 * MB)}\n\n${long(1.5 * MB)}\n${long(3 * MB)}\n`, 'Every one of the 3 records'],
    ['text/csv', `${HEADER}\na,${'b'.repeat(1.5 * MB)},c,d\n`, 'Record 1, the only one,'],
  ])('and of nothing else makes no task: %s %#', async (type, body, which) => {
    const detail = `${which} is too large. A card should have at most 1,000,000 bytes. Nothing of this body was kept.`
    expect(await byCurl(type, body, [])).toBe(`${JSON.stringify({ detail })} 413`)
    await nothingKept()
  })

  it.each([
    [JSON_TYPE, `{"cards":[${JSON.stringify(card(1))},${long(60 * MB)}]}`, 2],
    [JSON_TYPE, `[${long(60 * MB)}]`, 1],
    [NDJSON, `${JSON.stringify(card(1))}\n${long(60 * MB)}`, 2],
    ['text/csv', `${HEADER}\na,b,c,d\ne,"${'f'.repeat(60 * MB)}`, 2],
  ])('is refused at the first that is larger than 8 MB: %s %#', async (type, body, record) => {
    const detail = `Record ${record} is larger than 8 MB. A card should have at most 1,000,000 bytes. Nothing of this body was kept.`
    expect(await byCurl(type, body, [])).toBe(`${JSON.stringify({ detail })} 413`)
    await nothingKept()
  })

  it('is refused when those make more than 64 MB', async () => {
    const body = `${JSON.stringify(card(1))}\n${`${long(6 * MB)}\n`.repeat(11)}`
    expect(await byCurl(NDJSON, body, [])).toContain(
      'from record 2 on, records that are too large make more than 64 MB',
    )
    await nothingKept()
  })

  it('and of others is taken, and those fail', async () => {
    expect(await result(NDJSON, `${long(5 * MB)}\n${JSON.stringify(card(2))}\n`)).toMatchObject({
      cards_imported: 1,
      cards_failed: 1,
    })
  })
})

describe('a packed body', () => {
  const packed = (type: string, body: string | Uint8Array) => byCurl(type, body, ['-H', 'Content-Encoding: gzip'])
  const filled = (mb: number, text: string) => text.repeat(Math.ceil((mb * 1024 * 1024) / text.length))

  it.each([
    [NDJSON, filled(40, '\n')],
    [NDJSON, filled(40, `${JSON.stringify({ body: 'a'.repeat(10_000) })}\n`)],
    [JSON_TYPE, `[${filled(40, ' ')}]`],
    [JSON_TYPE, `[${filled(40, `{"a":"${'a'.repeat(1_000)}"},`)}`],
    ['text/csv', `${HEADER}\n${filled(40, `a,${'b'.repeat(1_000)},c,d\n`)}`],
  ])('that unpacks to more than a hundred times its size is refused: %s %#', async (type, body) => {
    const answer = await packed(type, gzipSync(body))
    expect(answer).toMatch(/unpack to 100 times of its size beyond 16 MB.* 413$/)
    expect(tasks()).toBe(0)
    expect(await fixture.server.blobs()).toHaveLength(await keptFiles())
  })

  it('that is small is taken whatever it unpacks to', async () => {
    const body = `${filled(8, '\n')}${JSON.stringify(card(1))}`
    expect(await result(NDJSON, new Uint8Array(gzipSync(body)), GZIP)).toMatchObject({ cards_imported: 1 })
  })
})

describe('the quota of an owner', () => {
  const MB = 1_000_000
  let bounded: TestServer
  beforeAll(async () => {
    bounded = await startServer({ env: { ...KEYED, MAX_BYTES_PER_OWNER: String(5 * MB) } })
  })
  afterAll(() => bounded[Symbol.asyncDispose]())

  const blobs = async () => (await bounded.blobs()).length
  const full = { status: 413, detail: expect.stringMatching(/5 MB \(MAX_BYTES_PER_OWNER\), of which .* are used/) }
  const lines = ndjson(Array.from({ length: 20 }, (_, at) => card(at, { body: `${at} ${'b'.repeat(100_000)}` })))
  const on = async (name: string) => new CardClient(bounded, await keyOf(name))

  it('bounds bodies that are kept, plain or packed, one by one or side by side; others go on', async () => {
    const mine = await on('mine')
    const send = (headers: Record<string, string> = {}, body: string | Uint8Array<ArrayBuffer> = lines) =>
      mine.send('/bulk/import', NDJSON, body, headers)
    await mine.result(send({ 'Idempotency-Key': 'first' }), ImportResult)
    const side = await Promise.all([send(), send(), send()])
    expect(side.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 413, 413])
    expect(await refusal(send())).toMatchObject(full)
    expect(await refusal(send(GZIP, new Uint8Array(gzipSync(lines))))).toMatchObject(full)
    // What was accepted is answered, however full it is.
    expect((await send({ 'Idempotency-Key': 'first' })).status).toBe(200)
    expect(await blobs()).toBe(2)
    const other = await on('other')
    expect((await other.send('/bulk/import', NDJSON, lines)).status).toBe(200)
  })

  it('bounds what an export makes', async () => {
    const mine = await on('exporting')
    await mine.result(mine.send('/bulk/import', NDJSON, lines), ImportResult)
    await mine.result(mine.send('/bulk/import', NDJSON, lines), ImportResult)
    const { task_id } = await mine.accepted(mine.post('/bulk/export', { format: 'json' }))
    const told = await mine.ended(task_id)
    expect(JSON.stringify(told)).toMatch(/MAX_BYTES_PER_OWNER/)
  })
})

describe('numbers in metadata', () => {
  const written =
    '{"tweet_id":1234567890123456789,"likes":[9007199254740993,-1e400,1e-400],"deep":{"x":0.12345678901234567891},"n":0.5}'
  const line = `${JSON.stringify(card(1)).slice(0, -1)},"metadata":${written}}`
  const stored = (name: string) =>
    query(fixture.server, 'SELECT metadata FROM cards WHERE owner = ?', name).map(({ metadata }) => metadata)

  it.each([
    [JSON_TYPE, `{"cards":[${line}]}`],
    [JSON_TYPE, `[${line}]`],
    [NDJSON, line],
    ['text/csv', `${HEADER},metadata\na,b,c,d,"${written.replaceAll('"', '""')}"`],
  ])('sent as %s come out as they went in, and go in again: %#', async (type, body) => {
    await result(type, body)
    expect(stored(fixture.owner)).toEqual([written])
    const types = { json: JSON_TYPE, ndjson: NDJSON, csv: 'text/csv' }
    for (const [format, again] of Object.entries(types)) {
      const { export_data } = await fixture.client.export({ format })
      expect(export_data).toContain(format === 'csv' ? written.replaceAll('"', '""') : written)
      const other = new CardClient(fixture.server, await keyOf(`${fixture.owner}-${format}`))
      await other.result(other.send('/bulk/import', again, export_data ?? ''), ImportResult)
      expect(stored(`${fixture.owner}-${format}`)).toEqual([written])
    }
    const { export_data } = await fixture.client.export({ format: 'markdown' })
    expect(export_data).toContain('1234567890123456789')
  })

  it('are told apart under one key', async () => {
    const send = (id: string) =>
      fixture.client.send('/bulk/import', JSON_TYPE, `[${line.replace('1234567890123456789', id)}]`, {
        'Idempotency-Key': fixture.owner,
      })
    const { task_id } = await fixture.client.accepted(send('1234567890123456789'))
    expect((await fixture.client.accepted(send('1234567890123456789'))).task_id).toBe(task_id)
    expect((await send('1234567890123456788')).status).toBe(422)
  })

  it('are not taken for an object, nor for text', async () => {
    const number = '1234567890123456789'
    const cards = [
      `{"title":"a","body":"b","category":"c","privacy_level":"d","metadata":${number}}`,
      `{"title":${number},"body":"b","category":"c","privacy_level":"d"}`,
      number,
    ]
    const { errors, cards_failed } = await failure(NDJSON, cards.join('\n'))
    expect(cards_failed).toBe(3)
    expect(errors.map(({ error }) => error)).toEqual([
      'metadata: Input should be an object',
      'title: Input should be text',
      'A card should be an object with title, body, category and privacy_level',
    ])
  })
})

describe('a card with too much in it', () => {
  const most = 50_000
  /** Numbers that are kept as they were written: reading each costs most. */
  const numbers = (count: number) => `{"a":[${'0,'.repeat(count - 1)}1234567890123456789]}`
  const deep = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
  const withMetadata = (metadata: string) => `${JSON.stringify(card(1)).slice(0, -1)},"metadata":${metadata}}`
  const csvOf = (metadata: string) => `a,b,c,d,"${metadata.replaceAll('"', '""')}"`
  const forms: [string, (metadata: string[]) => string, string][] = [
    [JSON_TYPE, (all) => `[${all.map(withMetadata).join()}]`, 'A card should have'],
    [NDJSON, (all) => all.map(withMetadata).join('\n'), 'A card should have'],
    ['text/csv', (all) => [`${HEADER},metadata`, ...all.map(csvOf)].join('\n'), 'metadata: Input should have'],
  ]

  it.each(forms)('fails alone, and says why: %s', async (type, body, words) => {
    const { errors, ...counts } = await result(
      type,
      body(['{}', numbers(most), numbers(most - 100), deep(101), deep(100)]),
    )
    expect(counts).toMatchObject({ cards_imported: 3, cards_failed: 2 })
    expect(errors.map(({ index, error }) => [index, error])).toEqual([
      [1, `${words} at most 50,000 values and names of members`],
      [3, 'metadata: Input should be nested at most 100 levels deep'],
    ])
  })

  it('nested without end fails in words of its own', async () => {
    const endless = deep(30_000)
    const { errors } = await failure(NDJSON, [withMetadata(endless), `{"x":${endless}}`].join('\n'))
    expect(errors.map(({ error }) => error)).toEqual(Array(2).fill('A card should be nested at most 1,000 levels deep'))
    expect(await refused(JSON_TYPE, `[${withMetadata(endless)}]`)).toEqual({
      status: 400,
      detail: 'The body is not JSON: Element 0 is nested more than 1,000 levels deep.',
    })
  })
})

describe('what is wrong', () => {
  it.each([
    ['/bulk/tokens?limit=many', 'limit: Input should be a whole number from 1 to 1,000'],
    ['/bulk/tokens?limit=1001', 'limit: Input should be a whole number from 1 to 1,000'],
    ['/bulk/tokens?cursor=x', 'cursor: Input should be the `next` of the page before'],
  ])('is told in plain words: %s', async (path, detail) => {
    expect(await refusal(fixture.client.fetch(path))).toEqual({ status: 400, detail })
  })

  it('with a card is, too', async () => {
    const wrong = [
      { metadata: [] },
      { title: 7 },
      { tags: 'one' },
      { tags: ['one', 2] },
      { privacy_level: '  ' },
      { source_url: {} },
      { privacy_level: true },
    ]
    const { errors } = await fixture.client.import(
      wrong.map((fields) => card(1, fields)),
      {},
      'FAILURE',
    )
    expect(errors.map(({ error }) => error)).toEqual([
      'metadata: Input should be an object',
      'title: Input should be text',
      'tags: Input should be an array of texts',
      'tags.1: Input should be text',
      'privacy_level: Input should have at least 1 characters',
      'source_url: Input should be text',
      'privacy_level: Input should be text',
    ])
  })
})

it('blanks around a privacy level are dropped, as around tags', async () => {
  const csv = 'title, body, category, privacy_level, tags\na, b, c, BUSINESS, d\n'
  expect(await result('text/csv', csv)).toMatchObject({ cards_imported: 1, cards_published: 1 })
  expect(await fixture.client.cards()).toMatchObject([
    { category: ' c', privacy_level: 'BUSINESS', tags: ['d'], body: ' b' },
  ])
  const { cards_published } = await fixture.client.import([card(2, { privacy_level: ' ideas\n' })])
  expect(cards_published).toBe(1)
  expect(await fixture.client.cards({ privacy_levels: ['IDEAS'] })).toHaveLength(1)
})
