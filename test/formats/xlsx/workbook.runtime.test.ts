/** What is read of workbooks, and how what is none is refused. Runs on Node and inside workerd. */
import { describe, expect, it } from 'vitest'
import { Workbook } from '../../../src/formats/xlsx/workbook.ts'
import type { ZipSource } from '../../../src/formats/zip-archive.ts'
import { type CellValue, makeWorkbook, type WorkbookOptions, zipParts } from '../../support/workbook.ts'

const sourceOf = (bytes: Uint8Array<ArrayBuffer>): ZipSource => ({
  size: bytes.byteLength,
  read: async (offset, length) => new Blob([bytes.slice(offset, offset + length)]).stream(),
})

/** The rows of the first sheet: cells by their columns, problems as `!…`. */
async function read(bytes: Uint8Array<ArrayBuffer>) {
  const workbook = await Workbook.open(sourceOf(bytes))
  const [sheet] = workbook.sheets
  if (sheet === undefined) throw new Error('no sheet')
  const found: [row: number, ...cells: string[]][] = []
  for await (const rows of workbook.rows(sheet)) {
    for (const { row, cells } of rows) {
      const texts: string[] = []
      for (const { column, text, problem } of cells) texts[column] = problem === undefined ? text : `!${problem}`
      found.push([row, ...Array.from(texts, (text = '') => text)])
    }
  }
  return found
}

const sheet = (rows: readonly (readonly CellValue[] | null)[], options: WorkbookOptions = {}) =>
  makeWorkbook([{ name: 'Cards', rows }], options)
const cells = async (values: readonly CellValue[], options: WorkbookOptions = {}) =>
  (await read(sheet([values], options)))[0]?.slice(1)
const xml = (text: string) => ({ xml: text })

describe('a cell', () => {
  it.each<[string, CellValue, string]>([
    ['shared text', 'Grüße & <b> "x" \u{1f600}\r\nzwei', 'Grüße & <b> "x" \u{1f600}\r\nzwei'],
    ['blanks', '  a  ', '  a  '],
    ['text in place', xml(' t="inlineStr"><is><t>a&#x41;&#66;</t></is></c>'), 'aAB'],
    [
      'runs',
      xml(' t="inlineStr"><is><r><rPr><b/></rPr><t>bo</t></r><r><t xml:space="preserve">ld </t></r></is></c>'),
      'bold ',
    ],
    [
      'readings above words',
      xml(' t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>'),
      '東京',
    ],
    ['the text of a formula', xml(' t="str"><f>A1&amp;"x"</f><v>com_x0031_puted</v></c>'), 'com1puted'],
    ['the number of a formula', xml('><f>1+1</f><v>2</v></c>'), '2'],
    ['a truth', true, 'TRUE'],
    ['its opposite', false, 'FALSE'],
    ['a date as text', xml(' t="d"><v>2026-11-30</v></c>'), '2026-11-30'],
    ['CDATA', xml(' t="inlineStr"><is><t><![CDATA[<a> & b]]></t></is></c>'), '<a> & b'],
    ['an error', xml(' t="e"><v>#N/A</v></c>'), '!is the error #N/A'],
    [
      'a formula without a value',
      xml('><f>A1</f></c>'),
      '!holds a formula whose value was not saved; open and save the file in Excel',
    ],
    ['a text that is not there', xml(' t="s"><v>99</v></c>'), "!holds 99, which can't be read"],
    ['no number', xml('><v>abc</v></c>'), "!holds abc, which can't be read"],
  ])('that holds %s', async (_, value, text) => {
    expect(await cells([value])).toEqual([text])
  })

  it.each([
    ['9007199254740993', '9007199254740993'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['0.1234567890123456789012', '0.1234567890123456789012'],
    ['1.1000000000000001', '1.1'],
    ['-2.2999999999999998', '-2.3'],
    ['3.50', '3.50'],
    ['1E+20', '100000000000000000000'],
    ['1.5E-3', '0.0015'],
    ['-0', '-0'],
    ['1e400', '1e400'],
  ])('keeps the number %s as %s', async (written, text) => {
    expect(await cells([xml(`><v>${written}</v></c>`)])).toEqual([text])
  })

  it.each([
    ['yyyy-mm-dd', '45356', '2024-03-05'],
    ['[$-407]d. mmmm yyyy;@', '45356', '2024-03-05'],
    ['mmm-yy', '45356', '2024-03-05'],
    ['dd/mm/yyyy', '45356.5', '2024-03-05T12:00:00'],
    ['yyyy-mm-dd hh:mm', '45356', '2024-03-05T00:00:00'],
    ['m/d/yy h:mm AM/PM', '45356.604166666664', '2024-03-05T14:30:00'],
    ['hh:mm:ss.000', '0.52059114583333336', '12:29:39.075'],
    ['[h]:mm', '1.25', '30:00:00'],
    ['[Red]d.m.yy', '59', '1900-02-28'],
    ['d.m.yy', '60', '1900-02-29'],
    ['d.m.yy', '61', '1900-03-01'],
    ['d.m.yy', '2958465', '9999-12-31'],
    ['d.m.yy', '2958466', '!holds 2958466, which is no date'],
    ['d.m.yy', '-1', '!holds -1, which is no date'],
    ['00000', '1234', '01234'],
    ['#,##0.00 "days"', '12.5', '12.5'],
    ['[Red]0.00', '12.5', '12.5'],
    ['General\\ \\d', '12.5', '12.5'],
    ['0.00E+00', '12.5', '12.5'],
    ['0%', '0.25', '0.25'],
    ['@', '7', '7'],
  ])('of the format %s shows %s as %s', async (format, written, text) => {
    expect(await cells([xml(` s="1"><v>${written}</v></c>`)], { formats: [format] })).toEqual([text])
  })

  it('of a workbook of an old Mac has dates that begin in 1904', async () => {
    const options = { formats: ['d.m.yyyy'], startsIn1904: true }
    expect(await cells([xml(' s="1"><v>43894</v></c>'), xml(' s="1"><v>0</v></c>')], options)).toEqual([
      '2024-03-05',
      '1904-01-01',
    ])
  })
})

it('rows keep their numbers and cells their columns, whatever is left out', async () => {
  const rows = [null, ['a', null, 'c'], [], null, [null, null, null, 1]]
  expect(await read(sheet(rows))).toEqual([
    [2, 'a', '', 'c'],
    [5, '', '', '', '1'],
  ])
})

it('names with prefixes, cells without names, parts elsewhere and in UTF-16 are read', async () => {
  const relation = (type: string, target: string) =>
    `<p:Relationships xmlns:p="p"><p:Relationship Id="a" Type="http://purl.oclc.org/ooxml/officeDocument/relationships/${type}" Target="${target}"/></p:Relationships>`
  const data =
    '<x:sheetData><x:row><x:c><x:v>1</x:v></x:c><x:c t="inlineStr"><x:is><x:t>é</x:t></x:is></x:c></x:row></x:sheetData>'
  const bytes = zipParts({
    '_rels/.rels': relation('officeDocument', '/Book/Main.xml'),
    'book/main.xml': '<x:workbook><x:sheets><x:sheet name="S" q:id="a"/></x:sheets></x:workbook>',
    'Book/_rels/Main.xml.rels': relation('worksheet', '../pages/1.xml'),
    'pages/1.xml': `\ufeff<x:worksheet>${data}<x:oddHeader>&amp;A</x:oddHeader></x:worksheet>`,
  })
  expect(await read(bytes)).toEqual([[1, '1', 'é']])
})

describe('what is no workbook, or a damaged one, is refused with a sentence', () => {
  const whole = sheet(Array.from({ length: 300 }, (_, at) => [`title ${at * at}`, at]))
  const changed = (change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) => change(whole.slice())
  const withSheet = (text: string) => sheet([], { parts: { 'xl/worksheets/sheet1.xml': text } })
  const data = (text: string) => withSheet(`<worksheet><sheetData>${text}</sheetData></worksheet>`)
  it.each<[string, () => Uint8Array<ArrayBuffer>, RegExp]>([
    ['one that was cut off', () => changed((bytes) => bytes.slice(0, -30)), /cut off/],
    ['one of which the beginning is lost', () => changed((bytes) => bytes.slice(2_000)), /damaged/],
    ['one with other bytes in its midst', () => changed((bytes) => bytes.fill(0, 1_200, 1_300)), /damaged/],
    ['another archive', () => zipParts({ 'a.txt': 'a' }), /no workbook/],
    [
      'a text document',
      () =>
        zipParts({
          '_rels/.rels':
            '<Relationships><Relationship Id="a" Type="x/officeDocument" Target="word/document.xml"/></Relationships>',
          'word/document.xml': '<a/>',
        }),
      /no workbook/,
    ],
    ['an XLSB', () => zipParts({ 'xl/workbook.bin': '' }), /XLSB/],
    [
      'an ODS',
      () => zipParts({ mimetype: 'application/vnd.oasis.opendocument.spreadsheet', 'content.xml': '<a/>' }),
      /OpenDocument/,
    ],
    [
      'an encrypted entry',
      () =>
        changed((bytes) => {
          for (let at = 0; at < bytes.length - 4; at++)
            if (bytes[at] === 0x50 && bytes[at + 1] === 0x4b && bytes[at + 2] === 1) bytes[at + 8] = 1
          return bytes
        }),
      /encrypted/,
    ],
    ['XML that ends in its midst', () => withSheet('<worksheet><sheetData><row><c><v>1</v></c>'), /ends in its midst/],
    ['XML that is none', () => withSheet('<worksheet><sheetData></worksheet></sheetData>'), /well-formed/],
    ['an unknown entity', () => data('<row><c t="str"><v>&nbsp;</v></c></row>'), /well-formed/],
    ['a document type', () => withSheet('<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>'), /document type/],
    ['elements without end', () => data('<a>'.repeat(1_000)), /100 levels/],
    ['a tag without end', () => data(`<row x="${'y'.repeat(1_500_000)}"/>`), /million/],
    ['rows that go back', () => data('<row r="2"/><row r="1"/>'), /row 1 stands after row 2/],
    ['a cell twice', () => data('<row><c r="A1"><v>1</v></c><c r="A1"><v>2</v></c></row>'), /row 1 has a cell twice/],
    ['a column that is none', () => data('<row><c r="ZZZZ1"><v>1</v></c></row>'), /no column/],
    ['no text', () => zipParts({}), /no workbook|cut off/],
  ])('%s', async (_, bytes, message) => {
    await expect(read(bytes())).rejects.toThrow(message)
  })

  it.each<[string, () => Uint8Array<ArrayBuffer>, RegExp]>([
    ['a bomb', () => data(' '.repeat(40_000_000)), /100 times/],
    [
      'a cell of two million characters',
      () => data(`<row><c t="inlineStr"><is><t>${'ab'.repeat(1_000_000)}</t></is></c></row>`),
      /million characters/,
    ],
    [
      'more files than there may be',
      () => zipParts(Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`${at}`, '']))),
      /10,000 files/,
    ],
  ])('%s is too large', async (_, bytes, message) => {
    await expect(read(bytes())).rejects.toMatchObject({ code: 'TOO_LARGE', message: expect.stringMatching(message) })
  })
})
