/** Numbers of any length come out of JSON as they went in. Runs on Node and inside workerd. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLossless } from '../../src/formats/lossless-json.ts'

const again = (text: string) => JSON.stringify(parseLossless(text))

describe('a number that a double does not hold', () => {
  it.each([
    '1234567890123456789',
    '-9007199254740993',
    '1e400',
    '-1E+400',
    '1e-400',
    '0.1234567890123456789',
    '123456789012345678901234567890.5',
    '99999999999999990000000001',
  ])('stays as it was written: %s', (number) => {
    for (const text of [number, `[${number}]`, `{"a":${number}}`, `{"a":[1,{"b":${number}}],"c":"1e400"}`]) {
      expect(again(text)).toBe(text)
    }
    expect(again(`[ 1,\n${number} ]`)).toBe(`[1,${number}]`)
  })

  it('stands beside anything', () => {
    for (const text of [
      '{"__proto__":1e400,"a":{"__proto__":[1e400]},"constructor":2}',
      '{"a\\"1e400":"\\\\","1234567890123456789":"-1234567890123456789","b":[true,false,null,1e400,-1e400]}',
    ])
      expect(again(text)).toBe(text)
    expect(again('{"a":1e400,"a":1,"b":1,"b":1e400}')).toBe('{"a":1,"b":1e400}')
  })

  it('is an object, so that nobody takes it for another number', () => {
    expect(JSON.isRawJSON(parseLossless('1234567890123456789'))).toBe(true)
  })
})

describe('any other', () => {
  it.each([
    ['1.50', 1.5],
    ['1E3', 1000],
    ['0.00000000000000000000', 0],
    ['-0.0e7', -0],
    ['100000000000000000000', 1e20],
    ['12300000000000000000e-17', 123],
    ['0.1', 0.1],
    ['5e-324', 5e-324],
    ['1.7976931348623157e308', Number.MAX_VALUE],
  ])('is a number, however it is written: %s', (text, number) => {
    expect(parseLossless(text)).toBe(number)
  })

  it('is what JSON.parse gives, as is all the rest', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        expect(parseLossless(text)).toEqual(JSON.parse(text))
      }),
    )
  })
})

it('of a million digits is no harm', () => {
  const number = `1${'0'.repeat(1_000_000)}1`
  expect(again(`[${number}]`) === `[${number}]`).toBe(true)
})

it('does not hide what is no JSON', () => {
  for (const text of ['', '{', '01', '1234567890123456789x', '[1e400'])
    expect(() => parseLossless(text)).toThrow(SyntaxError)
})
