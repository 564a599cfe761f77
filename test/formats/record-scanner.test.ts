/** Records found while bytes stream by are the records of the whole, however the bytes are cut. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeRecord, parseRecord } from '../../src/formats/csv.ts'
import { type RecordForm, RecordScanner, splitRecords } from '../../src/formats/record-scanner.ts'

const utf8 = new TextEncoder()
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Scans bytes cut into chunks and gives the records of the slices, slice by slice. */
function scan(
  form: RecordForm,
  bytes: Uint8Array,
  chunk: number,
  bounds = { records: 3, bytes: 40, recordBytes: 1_000 },
) {
  const scanner = new RecordScanner(form, bounds)
  for (let at = 0; at < bytes.byteLength; at += chunk) scanner.push(bytes.subarray(at, at + chunk))
  scanner.end()
  const records = scanner.slices.map(({ offset, length, oversize }) =>
    oversize ? null : splitRecords(form, bytes.subarray(offset, offset + length)).map((record) => decode(record.bytes)),
  )
  return { scanner, records }
}

const cell = fc.string({ unit: fc.constantFrom(',', '"', '\r', '\n', ' ', 'a', 'é', '😀'), maxLength: 12 })

describe('records', () => {
  it('of CSV are those that were written, in slices that fit', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constant('id'), cell, cell)), fc.integer({ min: 1, max: 50 }), (rows, chunk) => {
        const bytes = utf8.encode(rows.map(encodeRecord).join(''))
        const { scanner, records } = scan('csv', bytes, chunk)
        expect(records.flat().map((record) => parseRecord(record ?? ''))).toEqual(rows)
        expect(scanner.records).toBe(rows.length)
        for (const { count, length } of scanner.slices) {
          expect(count).toBeLessThanOrEqual(3)
          expect(count === 1 || length <= 40).toBe(true)
        }
      }),
    )
  })

  it('of lines are the lines that hold something', () => {
    const line = fc.string({ unit: fc.constantFrom(' ', '\t', '\r', 'a', '"', '😀'), maxLength: 8 })
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 20 }), (lines, chunk) => {
        const { records } = scan('lines', utf8.encode(lines.join('\n')), chunk)
        const expected = lines.filter((text) => text.trim() !== '')
        expect(records.flat().map((text) => text?.replace(/\n$/, ''))).toEqual(expected)
      }),
    )
  })

  it('number on through the slices, and those too large stand alone', () => {
    const { scanner } = scan('lines', utf8.encode(`a\nb\n${'x'.repeat(2_000)}\nc\n\nd`), 7)
    expect(scanner.slices.map(({ first, count, oversize }) => ({ first, count, oversize }))).toEqual([
      { first: 0, count: 2, oversize: false },
      { first: 2, count: 1, oversize: true },
      { first: 3, count: 2, oversize: false },
    ])
  })

  it('of a CSV that ends inside quotes name the line on which those were opened', () => {
    const ends = ['a,b\n"c\n', 'a,b\nc,"d""\n\ne', '"a\nb",c\n"d"\n', '\n\n"', 'a"b\nc "d\n']
    const lines = [2, 2, null, 3, null]
    for (const chunk of [1, 2, 50]) {
      expect(ends.map((text) => scan('csv', utf8.encode(text), chunk).scanner.openQuoteLine)).toEqual(lines)
    }
  })

  it('of a CSV end at carriage returns alone, and rows of separators alone are counted and passed over', () => {
    const text = 'a;"b\rc"\r;;\r\r;\nd;e\r\nf;g'
    for (const chunk of [1, 2, 3, 50]) {
      const scanner = new RecordScanner('csv', { records: 1, bytes: 100, recordBytes: 100 })
      scanner.separator = ';'
      const bytes = utf8.encode(text)
      for (let at = 0; at < bytes.byteLength; at += chunk) scanner.push(bytes.subarray(at, at + chunk))
      scanner.end()
      const found = scanner.slices.map(({ offset, length, row }) => [row, text.slice(offset, offset + length)])
      expect([found, scanner.emptyRows]).toEqual([
        [
          [1, 'a;"b\rc"\r'],
          [5, 'd;e\r\n'],
          [6, 'f;g'],
        ],
        2,
      ])
    }
  })

  it('do not count the header of a CSV', () => {
    const scanner = new RecordScanner('csv', { records: 10, bytes: 100, recordBytes: 100 }, true)
    scanner.push(utf8.encode('\n"ti\ntle",body\na,b\n'))
    scanner.end()
    expect(scanner).toMatchObject({ records: 1, header: { offset: 1, length: 14 }, slices: [{ first: 0, offset: 15 }] })
  })
})
