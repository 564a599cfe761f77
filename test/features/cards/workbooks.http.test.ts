/** Cards in workbooks of Excel: what arrives is what the sheet says, or its cell is named. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ImportResult } from '../../../src/features/cards/schemas.ts'
import { type CellValue, makeWorkbook, type SheetContent, type WorkbookOptions } from '../../support/workbook.ts'
import { refusal } from './client.ts'
import { serveCards } from './fixture.ts'

const fixture = serveCards()

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
const HEADER = ['title', 'body', 'category', 'privacy_level']
type Rows = SheetContent['rows']
const book = (rows: Rows, options: WorkbookOptions = {}, others: readonly SheetContent[] = []) =>
  makeWorkbook([{ name: 'My cards', rows }, ...others], options)
const post = (bytes: Uint8Array<ArrayBuffer>, { type = XLSX, search = '', headers = {} } = {}) =>
  fixture.client.send(`/bulk/import${search}`, type, bytes, headers)
const send = (bytes: Uint8Array<ArrayBuffer>, options = {}) => fixture.client.result(post(bytes, options), ImportResult)
const written = (xml: string): CellValue => ({ xml })
const named = (columns: unknown) => `?columns=${encodeURIComponent(JSON.stringify(columns))}`

describe('a workbook', () => {
  it('is read as its sheet shows it', async () => {
    const rows: Rows = [
      [...HEADER, 'tags', 'source_url', 'metadata', 'written on'],
      ['Café – „x“', 'two\nlines, "quoted"', 'C', ' PERSONAL ', 'a, b', 'https://x.org', '{"n":9007199254740993}', 1],
      [written('><v>9007199254740993</v></c>'), written(' s="1"><v>45356</v></c>'), true, 'P'],
      ['=1+1', "it's; -not a formula", 7, 'P'],
    ]
    const result = await send(book(rows, { formats: ['d.m.yyyy'] }))
    expect(result).toMatchObject({ cards_imported: 3, cards_failed: 0, sheet: 'My cards', rows_empty: 0, warnings: [] })
    expect(result).not.toHaveProperty('separator')
    expect(await fixture.client.cards()).toMatchObject([
      {
        title: 'Café – „x“',
        body: 'two\nlines, "quoted"',
        privacy_level: 'PERSONAL',
        tags: ['a', 'b'],
        source_url: 'https://x.org',
      },
      { title: '9007199254740993', body: '2024-03-05', category: 'TRUE' },
      { title: '=1+1', body: "it's; -not a formula", category: '7' },
    ])
    const { export_data } = await fixture.client.export({ format: 'json' })
    expect(export_data).toContain('"n":9007199254740993')
  })

  it.each([
    ['as a file that nobody knows', { type: 'application/octet-stream' }],
    ['as a zip file', { type: 'application/zip' }],
    ['for a CSV', { type: 'text/csv' }],
    ['as of an old Excel', { type: 'application/vnd.ms-excel' }],
    ['with macros', { type: 'application/vnd.ms-excel.sheet.macroEnabled.12' }],
  ])('that is sent %s is known by its bytes', async (_, options) => {
    expect(await send(book([HEADER, ['a', 'b', 'c', 'd']]), options)).toMatchObject({
      cards_imported: 1,
      sheet: 'My cards',
    })
  })

  it('may be packed with gzip', async () => {
    const packed = Uint8Array.from(gzipSync(book([HEADER, ['a', 'b', 'c', 'd']])))
    expect(await send(packed, { headers: { 'Content-Encoding': 'gzip' } })).toMatchObject({ cards_imported: 1 })
  })

  it('has its first visible sheet read, and the others named', async () => {
    const card = ['a', 'b', 'c', 'd']
    const bytes = makeWorkbook([
      { name: 'Lists', state: 'veryHidden', rows: [['x']] },
      { name: 'Old', state: 'hidden', rows: [HEADER, card] },
      { name: 'Cards "1"', rows: [HEADER, card, card] },
      { name: 'More', rows: [HEADER, card] },
    ])
    expect(await send(bytes)).toMatchObject({
      cards_imported: 2,
      sheet: 'Cards "1"',
      warnings: ['Only the first sheet, "Cards "1"", was read, and not "More".'],
    })
  })

  it('may have a title over its header, empty rows, notes beside it, and its header once more', async () => {
    const rows: Rows = [
      null,
      ['Cards of 2026'],
      [],
      ['Who?', null, null, null, null, 'When?'],
      ['id', ...HEADER, null],
      [1, 'a', 'b', 'c', 'd', null, 'a note'],
      null,
      [null, ' '],
      ['ID', ...HEADER],
      [2, 'e', 'f', 'g', 'h', 'x'],
      [null],
    ]
    const merged = '<mergeCells count="1"><mergeCell ref="A2:F2"/></mergeCells>'
    const result = await send(makeWorkbook([{ name: 'S', rows, after: merged }]))
    expect(result).toMatchObject({ cards_imported: 2, cards_failed: 0, rows_empty: 2, rows_header: 1 })
    expect(result.warnings).toEqual([
      'Rows 2, 4 stand above the header in row 5 and were passed over.',
      'Cells right of the header, the first of them G6, have no column and were passed over.',
      'The header stands once more in row 9, which is no card.',
    ])
  })

  it('may have a header over two rows, where cells are joined', async () => {
    const rows: Rows = [
      ['title', 'body', 'Kind', null, 'tags'],
      [null, null, 'category', 'privacy_level', null],
      ['a', 'b', 'c', 'd', 'x,y'],
    ]
    expect(await send(book(rows))).toMatchObject({ cards_imported: 1, cards_failed: 0 })
    expect(await fixture.client.cards()).toMatchObject([
      { title: 'a', category: 'c', privacy_level: 'd', tags: ['x', 'y'] },
    ])
  })

  it('names sheet and cell of what is wrong, and keeps all of it in the file of rejected cards', async () => {
    const rows: Rows = [
      null,
      ['Headline', ...HEADER.slice(1), 'metadata', 'note'],
      ['a', 'b', 'c', 'd', null, written(' t="e"><v>#REF!</v></c>')],
      [null, 'b', null, 'd'],
      null,
      [written(' t="e"><v>#N/A</v></c>'), 'b', 'c', 'd'],
      ['x', written('><f>A1</f></c>'), 'c', 'd'],
      ['y', 'b', 'c', 'd', '[1'],
    ]
    const { task_id } = await fixture.client.accepted(post(book(rows), { search: named({ Headline: 'title' }) }))
    const ended = await fixture.client.ended(task_id)
    const result = ImportResult.parse(ended.result)
    expect(result).toMatchObject({ cards_imported: 1, cards_failed: 4, rows_empty: 1 })
    const errors = [
      'Sheet "My cards", cell A4: title: Input should have at least 1 characters; cell C4: category: Input should have at least 1 characters',
      'Sheet "My cards", cell A6: title: The cell is the error #N/A',
      'Sheet "My cards", cell B7: body: The cell holds a formula whose value was not saved; open and save the file in Excel',
      'Sheet "My cards", cell E8: metadata: Input should be a JSON object',
    ]
    expect(result.errors).toEqual([
      { index: 1, row: 4, title: '', error: errors[0] },
      { index: 2, row: 6, title: '#N/A', error: errors[1] },
      { index: 3, row: 7, title: 'x', error: errors[2] },
      { index: 4, row: 8, title: 'y', error: errors[3] },
    ])
    const file = await (await fixture.client.fetch(result.rejected_url ?? '')).text()
    const lines = file.split('\r\n')
    expect(lines[0]).toBe('row,error,headline,body,category,privacy_level,metadata,note')
    expect(lines[1]).toMatch(/^4,"Sheet ""My cards"", cell A4.*",,b,,d,,$/)
    expect(lines[4]).toMatch(/^8,.*,y,b,c,d,\[1,$/)
    expect(lines).toHaveLength(6)
  })

  it('of many rows and slices keeps each where it is', async () => {
    const rows: Rows = [
      HEADER,
      ...Array.from({ length: 6_000 }, (_, at) => [at === 5_432 ? null : `t${at}`, 'b', 'c', 'd']),
    ]
    const result = await send(book(rows))
    expect(result).toMatchObject({ cards_imported: 5_999, cards_failed: 1 })
    expect(result.errors).toMatchObject([
      { index: 5_432, row: 5_434, error: expect.stringContaining('cell A5434: title') },
    ])
  })

  it('under one idempotency key is one import, and another with another file', async () => {
    const headers = { 'Idempotency-Key': `workbook-of-${fixture.owner}` }
    const first = await fixture.client.accepted(post(book([HEADER, ['a', 'b', 'c', 'd']]), { headers }))
    const again = await fixture.client.accepted(post(book([HEADER, ['a', 'b', 'c', 'd']]), { headers }))
    expect(again.task_id).toBe(first.task_id)
    const other = await refusal(post(book([HEADER, ['A', 'b', 'c', 'd']]), { headers }))
    expect(other.status).toBe(422)
  })
})

describe('what can not be read is refused with a sentence', () => {
  const ole = (name: string) => {
    const bytes = new Uint8Array(4_096)
    bytes.set([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
    for (const [at, letter] of [...name].entries()) bytes[1_024 + 2 * at] = letter.charCodeAt(0)
    return bytes
  }
  const card = ['a', 'b', 'c', 'd']
  it.each<[string, () => Uint8Array<ArrayBuffer>, number, RegExp, string?]>([
    ['a workbook with a password', () => ole('EncryptedPackage'), 400, /encrypted.*without a password/],
    ['a file of Excel 97', () => ole('Workbook'), 415, /Excel 97 \(XLS\).*XLSX or CSV/],
    ['a workbook that was cut off', () => book([HEADER, card]).slice(0, -100), 400, /damaged or was cut off/],
    ['a sheet that is empty', () => book([]), 400, /"My cards" is empty/],
    ['a sheet without cards', () => book([HEADER]), 400, /No cards/],
    [
      'a sheet without a header',
      () => book([card, card]),
      400,
      /sheet "My cards".*Row 1 lacks: title, body, category, privacy_level/,
    ],
    [
      'a header that lacks a column',
      () => book([['Cards'], HEADER.slice(0, 3), card]),
      400,
      /Row 2 lacks: privacy_level/,
    ],
    ['a header that has one twice', () => book([[...HEADER, 'Title '], card]), 400, /has the column "title" twice/],
    [
      'a column that is not there',
      () => book([HEADER, card]),
      400,
      /"headline" is no column of the sheet "My cards"/,
      named({ Headline: 'tags' }),
    ],
    ['what is said to be a workbook', () => new TextEncoder().encode('title,body\n'), 415, /no XLSX file.*text\/csv/],
  ])('%s', async (_, bytes, status, detail, search = '') => {
    expect(await refusal(post(bytes(), { search }))).toEqual({ status, detail: expect.stringMatching(detail) })
  })

  it.each([
    ['application/x-ndjson', /zip file, such as XLSX/],
    ['application/json', /zip file, such as XLSX/],
    ['image/png', /spreadsheetml.sheet \(XLSX\), not "image\/png"/],
  ])('a workbook as %s', async (type, detail) => {
    const answer = post(book([HEADER, card]), { type })
    expect(await refusal(answer)).toEqual({ status: 415, detail: expect.stringMatching(detail) })
  })

  it('a file that nothing says what it is', async () => {
    const answer = post(new TextEncoder().encode('title,body\n'), { type: 'application/octet-stream' })
    expect(await refusal(answer)).toEqual({ status: 415, detail: expect.stringContaining('Send cards with') })
  })
})
