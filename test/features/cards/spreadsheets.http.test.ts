/** CSV as spreadsheets of all countries save it: every value arrives as it was, or its row is named. */
import { describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { CardClient, keyOf, refusal } from './client.ts'
import { serveCards } from './fixture.ts'

const fixture = serveCards()

const HEADER = 'title,body,category,privacy_level'
const TEXT = `${HEADER}\r\nCafé,"Ein Satz, – „zitiert“",C,PERSONAL\r\nzwei,"b\r\nc",C,PERSONAL\r\n`
const CAFE = [
  { title: 'Café', body: 'Ein Satz, – „zitiert“' },
  { title: 'zwei', body: 'b\r\nc' },
]

const send = (body: string | Uint8Array<ArrayBuffer>, type = 'text/csv', search = '') =>
  fixture.client.result(fixture.client.send(`/bulk/import${search}`, type, body), ImportResult)

function utf16(text: string, littleEndian: boolean, mark = true): Uint8Array<ArrayBuffer> {
  const units = [...(mark ? '\ufeff' : '')].concat([...Array(text.length).keys()].map((at) => text.charAt(at)))
  const view = new DataView(new ArrayBuffer(2 * units.length))
  for (const [at, unit] of units.entries()) view.setUint16(2 * at, unit.charCodeAt(0), littleEndian)
  return new Uint8Array(view.buffer)
}

/** The signs of `TEXT` beyond ASCII, as Windows-1252 has them. */
const CP1252: Readonly<Record<string, number>> = { é: 0xe9, '–': 0x96, '„': 0x84, '“': 0x93 }
const windows1252 = (text: string) => Uint8Array.from(text, (sign) => CP1252[sign] ?? sign.charCodeAt(0))

describe('a CSV of a spreadsheet', () => {
  it.each([
    ['with semicolons', TEXT.replaceAll(/,(?! )/g, ';'), { separator: ';' }],
    ['with tabs', TEXT.replaceAll(/,(?! )/g, '\t'), { separator: '\t' }],
    ['with bars', TEXT.replaceAll(/,(?! )/g, '|'), { separator: '|' }],
    ['with a line that names its separator', `sep=;\r\n${TEXT.replaceAll(/,(?! )/g, ';')}`, { separator: ';' }],
    ['with one that nobody would guess', `\ufeff"sep=^"\n${TEXT.replaceAll(/,(?! )/g, '^')}`, { separator: '^' }],
    ['that ends lines as old Macs do', TEXT.replace(/\r\n(?!c)/g, '\r'), { separator: ',' }],
  ])('%s is read', async (_, csv, facts) => {
    expect(await send(csv)).toMatchObject({
      cards_imported: 2,
      cards_failed: 0,
      encoding: 'utf-8',
      warnings: [],
      ...facts,
    })
    expect(await fixture.client.cards()).toMatchObject(CAFE)
  })

  it.each([
    ['UTF-16LE with a mark', utf16(TEXT, true), 'text/csv', 'utf-16le'],
    ['UTF-16BE with a mark', utf16(TEXT, false), 'text/csv', 'utf-16be'],
    ['UTF-16LE that is declared', utf16(TEXT, true, false), 'text/csv; charset=utf-16le', 'utf-16le'],
    ['Windows-1252 that is declared', windows1252(TEXT), 'text/csv; charset="Windows-1252"', 'windows-1252'],
  ])('in %s is read', async (_, bytes, type, encoding) => {
    expect(await send(bytes, type)).toMatchObject({ cards_imported: 2, encoding, warnings: [] })
    expect(await fixture.client.cards()).toMatchObject(CAFE)
  })

  it('in Windows-1252 that nothing declares is found by its bytes, and says so', async () => {
    const result = await send(windows1252(TEXT))
    expect(result).toMatchObject({ cards_imported: 2, encoding: 'windows-1252' })
    expect(result.warnings).toEqual([expect.stringContaining('was read as Windows-1252')])
    expect(await fixture.client.cards()).toMatchObject(CAFE)
  })

  it('with a byte order mark is UTF-8, whatever its bytes look like', async () => {
    const result = await send(Uint8Array.of(0xef, 0xbb, 0xbf, ...windows1252(TEXT)))
    expect(result).toMatchObject({ cards_imported: 1, cards_failed: 1, encoding: 'utf-8', warnings: [] })
    expect(result.errors).toMatchObject([{ index: 0, row: 2, error: 'The card is not UTF-8 text' }])
  })

  it('in UTF-8 that is damaged in one place fails there alone', async () => {
    const bytes = new TextEncoder().encode(`${TEXT}bad,x,C,PERSONAL\n`)
    bytes[bytes.indexOf('x'.charCodeAt(0), bytes.byteLength - 20)] = 0xe9
    const result = await send(bytes)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 1, encoding: 'utf-8' })
    expect(result.errors).toMatchObject([{ index: 2, row: 4, error: 'The card is not UTF-8 text' }])
  })

  it('in what is not the charset that was declared, or in one that nobody knows, is refused', async () => {
    const cut = fixture.client.send('/bulk/import', 'text/csv; charset=utf-16le', utf16(TEXT, true).subarray(0, -1))
    expect(await refusal(cut)).toMatchObject({ status: 400, detail: expect.stringContaining('is not UTF-16LE') })
    const unknown = fixture.client.send('/bulk/import', 'text/csv; charset=klingon', TEXT)
    expect(await refusal(unknown)).toMatchObject({ status: 415, detail: expect.stringContaining('klingon') })
    const belied = fixture.client.send('/bulk/import', 'text/csv; charset=utf-8', utf16(TEXT, true))
    expect(await refusal(belied)).toMatchObject({ status: 415, detail: expect.stringContaining('UTF-16LE') })
  })

  it('with rows of separators alone has no cards there, and counts them', async () => {
    const csv = `${HEADER}\r\n,,,\r\na,b,c,d\r\n\r\n , ,,\r\ne,f,g,h\r\n,,,\r\n`
    const result = await send(csv)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 0, rows_empty: 3 })
  })

  it('that was joined of several names the rows of their headers', async () => {
    const part = `${HEADER}\r\na,b,c,d\r\n`
    const result = await send(`${part}\ufeff${part.toUpperCase()}sep=,\r\n${part}`)
    expect(result).toMatchObject({ cards_imported: 3, cards_failed: 0, rows_header: 3 })
    expect(result.warnings).toEqual(['The header stands once more in rows 3, 5, 6, which are no cards.'])
  })

  it('with columns that have no names passes them over, and says so', async () => {
    const result = await send(`,${HEADER},,\n0,a,b,c,d,,\n1,e,f,g,h,x,\n`)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 0 })
    expect(result.warnings).toEqual(['Columns 1, 6, 7 have no names in the header and were passed over.'])
  })

  it('with quotes where none may be keeps them, or names the row', async () => {
    const csv = `${HEADER}\n5" pipe,say "hi",c,d\n"two"2,b,c,d\n\na, "x" ,c,d\n`
    const result = await send(csv)
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 1 })
    expect(result.errors).toEqual([
      {
        index: 1,
        row: 3,
        title: '',
        error: 'Field 1 goes on after its closing quote: a quote within a quoted field is written twice',
      },
    ])
    expect(await fixture.client.cards()).toMatchObject([
      { title: '5" pipe', body: 'say "hi"' },
      { title: 'a', body: ' "x" ' },
    ])
  })
})

describe('an import of which nothing succeeded', () => {
  it.each([
    ['text/csv', `${HEADER}\n,b,c,d\n,f,g,h\n`, 'None of the 2 cards could be imported.'],
    ['application/x-ndjson', '{}\n', 'The card could not be imported.'],
    ['text/csv', `${HEADER}\n${HEADER}\n`, 'The body holds headers and no cards.'],
  ])('is a FAILURE that says why: %s %#', async (type, body, words) => {
    for (const search of ['', '?validate_only=true', '?on_duplicate=fail']) {
      const { task_id } = await fixture.client.accepted(fixture.client.send(`/bulk/import${search}`, type, body))
      const ended = await fixture.client.ended(task_id)
      expect(ended).toMatchObject({ status: 'FAILURE', error: expect.stringContaining(words) })
      expect(ended.result).toMatchObject({ cards_imported: 0 })
    }
  })

  it('because all cards are there already is none where that is no fault', async () => {
    const csv = `${HEADER}\na,b,c,d\n`
    await send(csv)
    expect(await send(csv, 'text/csv', '?on_duplicate=skip')).toMatchObject({ cards_skipped: 1 })
    expect(await send(csv, 'text/csv', '?on_duplicate=update')).toMatchObject({ cards_updated: 1 })
    const { task_id } = await fixture.client.accepted(
      fixture.client.send('/bulk/import?on_duplicate=fail', 'text/csv', csv),
    )
    expect(await fixture.client.ended(task_id)).toMatchObject({
      status: 'FAILURE',
      error: expect.stringContaining('exists already'),
    })
  })
})

describe('columns with other names', () => {
  const csv = 'Überschrift;Text;category;privacy_level\na;b;c;d\n'
  const named = (columns: unknown) =>
    `?columns=${encodeURIComponent(typeof columns === 'string' ? columns : JSON.stringify(columns))}`

  it('are the fields that the caller says', async () => {
    expect(await send(csv, 'text/csv', named({ Überschrift: 'title', text: 'body' }))).toMatchObject({
      cards_imported: 1,
      separator: ';',
    })
    expect(await fixture.client.cards()).toMatchObject([{ title: 'a', body: 'b' }])
  })

  it.each([
    [{ Überschrift: 'titel', Text: 'body' }, /"titel": .*Did you mean "title"/],
    [{ Headline: 'title', Text: 'body' }, /"headline" is no column of the CSV.*überschrift, text/],
    [{ Überschrift: 'title', Text: 'title' }, /named twice/],
    ['[1]', /JSON object such as/],
    ['{', /JSON object such as/],
    ['{"Überschrift":["title"]}', /JSON object such as/],
    ['{"Text":"title","Text":"body"}', /"Text" is there twice/],
    ['{"__proto__":"title"}', /"__proto__" is no column of the CSV/],
  ])('are refused where they name what is not there: %j', async (columns, detail) => {
    const answer = fixture.client.send(`/bulk/import${named(columns)}`, 'text/csv', csv)
    expect(await refusal(answer)).toMatchObject({ status: 400, detail: expect.stringMatching(detail) })
  })

  it('are of a CSV alone', async () => {
    const answer = fixture.client.send(`/bulk/import${named({ a: 'title' })}`, 'application/x-ndjson', '{}')
    expect(await refusal(answer)).toMatchObject({
      status: 400,
      detail: expect.stringContaining('Only a CSV or a workbook'),
    })
  })
})

describe('the file of rejected cards', () => {
  const rejected = async (answer: Promise<Response>) => {
    const { task_id } = await fixture.client.accepted(answer)
    const { result } = await fixture.client.ended(task_id)
    const { rejected_url = '' } = ImportResult.parse(result)
    const response = await fixture.client.fetch(rejected_url)
    expect([response.status, response.headers.get('Content-Type')]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
    ])
    return (await response.text()).split('\r\n').slice(0, -1)
  }

  it('holds all of a CSV, with row, reason and fields as they were sent', async () => {
    const bad = Array.from({ length: 5_000 }, (_, at) => `,"body; ${at}",c,d`)
    const lines = await rejected(
      fixture.client.send(
        '/bulk/import',
        'text/csv',
        [HEADER, 'a,b,c,d', ',,,', ...bad, '"x"y,b,c,d', 'k,l'].join('\n'),
      ),
    )
    expect(lines).toHaveLength(5_003)
    expect(lines[0]).toBe(`row,error,${HEADER}`)
    expect(lines[1]).toBe('4,title: Input should have at least 1 characters,,"body; 0",c,d')
    expect(lines[5_000]).toBe('5003,title: Input should have at least 1 characters,,"body; 4999",c,d')
    expect(lines[5_001]).toContain('"""x""y,b,c,d"')
    expect(lines[5_002]).toBe('5005,"The record has 2 fields, the header 4",k,l')
  })

  it('holds all duplicates', async () => {
    const csv = [HEADER, ...Array.from({ length: 300 }, (_, at) => `t${at},b,c,d`)].join('\n')
    await send(csv)
    const lines = await rejected(fixture.client.send('/bulk/import?on_duplicate=fail', 'text/csv', csv))
    expect(lines).toHaveLength(301)
    expect(lines[300]).toBe('301,A card with this title and body exists already,t299,b,c,d')
  })

  it.each([
    ['application/x-ndjson', '{"title":"a"}\n\nno json\n', ['{"title":"a"}', 'no json']],
    [
      'application/json',
      '[{"title":"a","metadata":{"n":12345678901234567890}},7]',
      ['{"title":"a","metadata":{"n":12345678901234567890}}', '7'],
    ],
  ])('holds the records of %s', async (type, body, records) => {
    const lines = await rejected(fixture.client.send('/bulk/import', type, body))
    expect(lines[0]).toBe('row,error,record')
    for (const [at, record] of records.entries()) {
      expect(lines[at + 1]?.startsWith(`${at + 1},`)).toBe(true)
      expect(lines[at + 1]).toContain(/[",]/.test(record) ? record.replaceAll('"', '""') : record)
    }
  })

  it("is nobody else's", async () => {
    const { task_id } = await fixture.client.accepted(
      fixture.client.send('/bulk/import', 'text/csv', `${HEADER}\n,b,c,d\n`),
    )
    await fixture.client.ended(task_id)
    const other = new CardClient(fixture.server, await keyOf('another-owner'))
    expect((await other.fetch(`/bulk/import/${task_id}/rejected`)).status).toBe(404)
  })
})

it('an export as CSV begins with a byte order mark where that is asked for, and is imported again', async () => {
  await send(`${HEADER}\na,b,c,d\n`)
  const plain = await fixture.client.export({ format: 'csv' })
  const marked = await fixture.client.export({ format: 'csv', bom: true })
  expect([plain.export_data?.[0], marked.file_size_bytes - plain.file_size_bytes]).toEqual(['i', 3])
  const file = new Uint8Array(await (await fixture.server.fetch(marked.download_url)).arrayBuffer())
  expect([...file.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
  expect(await send(file)).toMatchObject({ cards_imported: 1 })
  const wrong = fixture.client.post('/bulk/export', { format: 'json', bom: true })
  expect(await refusal(wrong)).toMatchObject({ status: 400, detail: expect.stringContaining('bom') })
})
