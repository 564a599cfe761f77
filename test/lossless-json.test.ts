/** Numbers of any length come out of JSON as they went in. Runs on Node and inside workerd. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { holdsLossless, LosslessNumber, parseLossless } from '../src/lossless-json.ts'

const again = (text: string) => JSON.stringify(parseLossless(text))

describe('a number that a double does not hold', () => {
  it.each([
    '1234567890123456789',
    '-9007199254740993',
    '1e400',
    '-1E+400',
    '1e-400',
    '0.1234567890123456789',
    '1.00000000000000000001',
    '4503599627370495.75',
    '70000000000000000001e-19',
    '123456789012345678901234567890.5',
    '99999999999999990000000001',
    '-0',
    '-0.0e7',
    '1e-99999999999999999999',
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

  it('is an object that can be reckoned with as the nearest double', () => {
    const number = parseLossless('1234567890123456789')
    expect(number).toBeInstanceOf(LosslessNumber)
    expect([Number(number), `${number}`]).toEqual([1234567890123456800, '1234567890123456789'])
  })

  it('is known of in all that holds it', () => {
    const value = parseLossless('{"a":[1,{"b":1e400}],"c":[2],"d":1e400}')
    expect(holdsLossless(value)).toBe(true)
    expect(Object.values(Object(value)).map(holdsLossless)).toEqual([true, false, true])
  })
})

describe('any other', () => {
  it.each([
    ['1.50', 1.5],
    ['1E3', 1000],
    ['0.00000000000000000000', 0],
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

it('stands behind texts of any length, wherever they hold quotes and backslashes', () => {
  const marks = fc.constantFrom('"', '\\', 'x', '1e400')
  const strings = fc.array(
    fc.oneof(
      marks,
      fc.integer({ min: 1, max: 80 }).map((length) => 'x'.repeat(length)),
    ),
  )
  fc.assert(
    fc.property(strings, (parts) => {
      const text = `[${JSON.stringify(parts.join(''))},1e400]`
      expect(again(text)).toBe(text)
    }),
  )
})

it('does not hide what is no JSON', () => {
  for (const text of ['', '{', '01', '1234567890123456789x', '[1e400'])
    expect(() => parseLossless(text)).toThrow(SyntaxError)
})

describe('a text with such numbers', () => {
  const numbers = fc.oneof(
    fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => (Object.is(value, -0) ? '-0' : String(value))),
    fc
      .tuple(
        fc.constantFrom('', '-'),
        fc.bigInt({ min: 0n, max: 10n ** 22n }),
        fc.constantFrom('', '.0', '.5', '.10', '.0000000000000001'),
        fc.constantFrom('', 'e0', 'E+3', 'e-7', 'e-320', 'e300', 'e-400'),
      )
      .map((parts) => parts.join('')),
  )
  const names = fc.oneof(
    fc.string(),
    fc.constantFrom('__proto__', 'constructor', '7', '0', 'a"\\b', 'name of many letters'),
  )
  const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      numbers,
      fc.string().map((text) => JSON.stringify(text)),
      fc.constantFrom('true', 'false', 'null'),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('value'), { maxLength: 5 }).map((values) => `[${values.join(' ,\n')}]`),
    object: fc
      .uniqueArray(fc.tuple(names, tie('value')), { selector: ([name]) => name, maxLength: 5 })
      .map((members) => `{${members.map(([name, inner]) => `${JSON.stringify(name)} : ${inner}`).join(', ')}}`),
  }))

  it('is what JSON.parse gives where they are taken for doubles, and is written with the numbers it was read with', () => {
    fc.assert(
      fc.property(value, (text) => {
        const parsed = parseLossless(text)
        expect(asDoubles(parsed)).toEqual(JSON.parse(text))
        // Read a second time, nothing is left to be changed.
        expect(again(JSON.stringify(parsed))).toBe(JSON.stringify(parsed))
        expect(holdsLossless(parsed)).toBe(holdsAny(parsed))
      }),
      { numRuns: 500 },
    )
  })

  function asDoubles(value: unknown): unknown {
    if (value instanceof LosslessNumber) return Number(value)
    if (Array.isArray(value)) return value.map(asDoubles)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asDoubles(inner)]))
  }

  function holdsAny(value: unknown): boolean {
    if (value instanceof LosslessNumber) return true
    return typeof value === 'object' && value !== null && Object.values(value).some(holdsAny)
  }
})

describe('of any number', () => {
  it('a double of up to 15 digits, and none of more than 17, is what String gives of it', () => {
    const digits = fc.bigInt({ min: 1n, max: 10n ** 20n })
    fc.assert(
      fc.property(digits, fc.integer({ min: -345, max: 310 }), (whole, power) => {
        const text = `${whole}e${power}`
        const read = parseLossless(text)
        const isSame = decimalOf(text) === decimalOf(String(Number(text)))
        expect(read instanceof LosslessNumber ? 'kept' : 'double').toBe(isSame ? 'double' : 'kept')
      }),
      { numRuns: 2_000 },
    )
  })

  /** Digits and power of ten, without zeros behind. */
  function decimalOf(text: string): string {
    const [, digits = '', fraction = '', power = '0'] = /^(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$/.exec(text) ?? []
    const all = (digits + fraction).replace(/^0+/, '')
    const kept = all.replace(/0+$/, '')
    return kept === '' ? '0' : `${kept}e${Number(power) - fraction.length + all.length - kept.length}`
  }
})
