/** CSV: what is written is read back as it was, whatever it holds, and no spreadsheet runs it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defuse, encodeCell, encodeField, encodeRecord, infuse, parseRecord } from '../../src/formats/csv.ts'

/** Text in which everything that means something in CSV is common. */
const text = fc.string({
  unit: fc.constantFrom(',', '"', '\r', '\n', "'", '=', '+', '-', '@', '\t', ' ', 'a', 'é', '😀', '＝'),
})

describe('a record', () => {
  it('has its cells defused and quoted, whatever they hold', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(encodeCell(value)).toBe(encodeField(defuse(value)))
      }),
    )
  })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (fields) => {
        expect(parseRecord(encodeRecord(fields))).toEqual(fields)
      }),
    )
  })

  it.each([
    ['a,b,c\r\n', ['a', 'b', 'c']],
    ['a,"b ""quoted""",c\n', ['a', 'b "quoted"', 'c']],
    ['"two\r\nlines",x', ['two\r\nlines', 'x']],
    [',,', ['', '', '']],
    ['5" pipe,6"', ['5" pipe', '6"']],
    ['"a"b,c', ['ab', 'c']],
    ['"open,b', null],
  ])('%j', (record, fields) => {
    expect(parseRecord(record)).toEqual(fields)
  })
})

describe('a formula', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', '＠x'])('%j is defused', (value) => {
    expect(defuse(value)).toBe(`'${value}`)
  })

  it.each(['a=1', '', "it's", "'quoted'", '1-2'])('%j is left alone', (value) => {
    expect(defuse(value)).toBe(value)
    expect(infuse(value)).toBe(value)
  })

  it('never begins a defused value, and reading undoes it', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(defuse(value)).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
        expect(infuse(defuse(value))).toBe(value)
      }),
    )
  })
})
