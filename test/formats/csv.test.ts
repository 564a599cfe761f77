/** CSV: what is written is read back as it was, whatever it holds, and no spreadsheet runs it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeCell,
  encodeField,
  encodeRecord,
  escapeFormula,
  parseRecord,
  unescapeFormula,
} from '../../src/formats/csv.ts'

/** Text in which everything that means something in CSV is common. */
const text = fc.string({
  unit: fc.constantFrom(
    ',',
    ';',
    '|',
    '"',
    '\r',
    '\n',
    "'",
    '=',
    '+',
    '-',
    '@',
    '\t',
    ' ',
    '(',
    ')',
    'a',
    'é',
    '😀',
    '＝',
  ),
})

/**
 * The cells of a file as a lenient reader has them: a quote means something at the beginning of a cell alone, and what follows its closing
 * quote is added to the cell.
 * @param separators that begin a cell; line ends do too
 */
function cellsOf(file: string, separators: string): string[] {
  const ends = `${separators}\r\n`
  const cells: string[] = []
  for (let at = 0; at <= file.length; at++) {
    let cell = ''
    if (file[at] === '"') {
      for (at++; at < file.length; at++) {
        if (file[at] === '"' && file[++at] !== '"') break
        cell += file[at]
      }
    }
    for (; at < file.length && !ends.includes(file.charAt(at)); at++) cell += file[at]
    cells.push(cell)
  }
  return cells
}

/** Signs with nothing after them that can be calculated. */
const HARMLESS = /^[=+\-@＝＋－＠(\s]*(?:[),;|].*)?$/s
const isFormula = (cell: string) => /^[=+\-@＝＋－＠]/.test(cell) && !HARMLESS.test(cell)

describe('a record', () => {
  it('has its cells defused and quoted, whatever they hold', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(encodeCell(value)).toBe(encodeField(escapeFormula(value)))
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
    ['a "b" c,"d"\r', ['a "b" c', 'd']],
    [' "a",b', [' "a"', 'b']],
  ])('%j', (record, fields) => {
    expect(parseRecord(record)).toEqual(fields)
  })

  it('may have another separator', () => {
    expect(parseRecord('a,b;"c;d"\n', ';')).toEqual(['a,b', 'c;d'])
    expect(parseRecord('a\tb\t\n', '\t')).toEqual(['a', 'b', ''])
  })

  it.each([
    ['"a"b,c', 'Field 1 goes on after its closing quote'],
    ['a,"b" ,c', 'Field 2 goes on after its closing quote'],
    ['"open,b', 'A quoted field is not closed'],
  ])('%j is refused, since it would be changed', (record, reason) => {
    expect(() => parseRecord(record)).toThrow(reason)
  })
})

describe('a formula', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t1', '\r1', '\n1', '＝1', '＠x'])('%j is defused', (value) => {
    expect(escapeFormula(value)).toBe(`'${value}`)
  })

  it.each([
    ['a;=HYPERLINK(1)', "a;'=HYPERLINK(1)"],
    ['t\t=1+1', "t\t'=1+1"],
    ['a|=HYPERLINK(1)', "a|'=HYPERLINK(1)"],
    ['|+1|-cmd|@x', "|'+1|'-cmd|'@x"],
    ["a|'=x", "a|''=x"],
    ['\t=1', "'\t'=1"],
    ['one\r\n-2+cmd', "one\r\n'-2+cmd"],
    [';"=1', `;'"=1`],
    ['; =1', '; =1'],
    [';=-(@x', ";'=-(@x"],
    ["a;'=x", "a;''=x"],
    // What closes the cell's quotes would open a text in the formula.
    ['a;=', "a;'="],
  ])('%j becomes %j', (value, defused) => {
    expect(escapeFormula(value)).toBe(defused)
    expect(unescapeFormula(defused)).toBe(value)
    expect(encodeCell(value)).toMatch(/^".*"$/s)
  })

  it.each([
    ...[
      'a=1',
      '',
      "it's",
      "'quoted'",
      '1-2',
      'a;b',
      'a|b',
      'a|;-)',
      'a | - | b',
      'a\tb',
      'wink ;-)',
      ';=)',
      'so ;-), but',

      'a\n---\nb',
      'a;-;b',
      "a;'b",
      'a\n= \nb',
    ],
  ])('%j is left alone', (value) => {
    expect(escapeFormula(value)).toBe(value)
    expect(unescapeFormula(value)).toBe(value)
  })

  it.each([';', '\t', '|', ';\t', ',', ',;', ',|', ';|', ',;\t', ',;\t|'])(
    'never begins a cell of a file, opened with %j as separators',
    (separators) => {
      fc.assert(
        fc.property(fc.array(fc.array(text, { minLength: 1, maxLength: 4 })), (records) => {
          const file = records.map((values) => `0,${values.map(encodeCell).join(',')}\r\n`).join('')
          expect(cellsOf(file, separators).filter(isFormula)).toEqual([])
        }),
        { numRuns: 1_000 },
      )
    },
  )

  it('is taken for one in a file of other values', () => {
    expect(cellsOf('0,"x;=1"\r\n', ';').filter(isFormula)).toEqual(['=1"'])
    expect(cellsOf('0,"x\n=1"\r\n', ';').filter(isFormula)).toEqual(['=1"'])
    expect(cellsOf('0,"x|=1"\r\n', '|').filter(isFormula)).toEqual(['=1"'])
    expect(cellsOf('0,"x;""=1"\r\n', ';').filter(isFormula)).toEqual(['=1"'])
    expect(cellsOf('0,"x;=1"\r\n', ',;').filter(isFormula)).toEqual([])
  })

  it('never begins a defused value, and reading undoes it', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(escapeFormula(value)).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
        expect(unescapeFormula(escapeFormula(value))).toBe(value)
      }),
    )
  })
})
