/** Elements found while the bytes of a JSON body stream by are the elements of the array, however the bytes are cut. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonArrayScanner, readElements, SurroundingTooLarge } from '../../src/formats/json-array-scanner.ts'
import { countNodes } from '../../src/formats/json-text.ts'
import type { SliceBounds } from '../../src/formats/slices.ts'

const utf8 = new TextEncoder()
const BOUNDS = { records: 3, bytes: 60, recordBytes: 200 }

/** Scans a text cut into chunks. */
function scan(text: string, chunk = 7, bounds: SliceBounds = BOUNDS) {
  const bytes = utf8.encode(text)
  const seen: unknown[] = []
  const scanner = new JsonArrayScanner('cards', bounds, (elements) => seen.push(...elements))
  for (let at = 0; at < bytes.byteLength; at += chunk) scanner.push(bytes.subarray(at, at + chunk))
  const around = scanner.end()
  const read = scanner.slices.flatMap(({ offset, length, oversize }) =>
    oversize ? ['oversize'] : readElements(bytes.subarray(offset, offset + length)),
  )
  return { around, seen, read, slices: scanner.slices, records: scanner.records }
}

/** A JSON text of a value with blanks wherever they may stand. */
function spaced(value: unknown, blank: string): string {
  const inner = (one: unknown) => spaced(one, blank)
  if (Array.isArray(value)) return `[${blank}${value.map(inner).join(`${blank},${blank}`)}${blank}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}${blank}:${blank}${inner(one)}`)
  return `{${blank}${members.join(`${blank},`)}${blank}}`
}

const string = fc.string({
  unit: fc.constantFrom('"', '\\', ',', ']', '}', '[', '{', ':', 'a', 'é', '😀'),
  maxLength: 10,
})
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    string,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(string, tie('value'), { maxKeys: 3 }),
  ),
}))
const options = fc.dictionary(fc.oneof(string, fc.constant('cardsx')), value, { maxKeys: 3, noNullPrototype: true })
const chunk = fc.integer({ min: 1, max: 40 })
const blank = fc.constantFrom('', ' ', '\n\t ')

describe('the elements of a member', () => {
  it('are those of JSON.parse, and so is what stands around them', () => {
    fc.assert(
      fc.property(options, options, fc.array(value), chunk, blank, (before, after, cards, size, gap) => {
        const body = { ...before, cards, ...after }
        const { around, seen, read, slices, records } = scan(spaced(body, gap), size, {
          ...BOUNDS,
          recordBytes: 10_000,
        })
        expect(around).toEqual(JSON.parse(JSON.stringify({ ...body, cards: [] })))
        expect(seen).toEqual(cards)
        expect(read).toEqual(cards)
        expect(records).toBe(cards.length)
        for (const { count, length } of slices) {
          expect(count).toBeLessThanOrEqual(BOUNDS.records)
          expect(count === 1 || length <= BOUNDS.bytes).toBe(true)
        }
      }),
    )
  })

  it('may stand alone, after a byte order mark, or be named with escapes', () => {
    expect(scan('\ufeff [1, "two"]')).toMatchObject({ around: [], read: [1, 'two'] })
    expect(scan('{"c\\u0061rds": [1], "deeper": {"cards": [2]}}')).toMatchObject({
      around: { cards: [], deeper: { cards: [2] } },
      read: [1],
    })
    expect(scan('{"cards": {"cards": [1]}}')).toMatchObject({ around: { cards: { cards: [1] } }, read: [] })
    expect(scan('{"cards": null}')).toMatchObject({ around: { cards: null }, read: [] })
  })

  it('number on through the slices, and one too large stands alone, unread', () => {
    const { slices, seen } = scan(`{"cards":[1,2,"${'x'.repeat(300)}",3]}`)
    expect(slices.map(({ first, count, oversize }) => ({ first, count, oversize }))).toEqual([
      { first: 0, count: 2, oversize: false },
      { first: 2, count: 1, oversize: true },
      { first: 3, count: 1, oversize: false },
    ])
    expect(seen).toEqual([1, 2, 3])
  })
})

describe('the values of an element', () => {
  const bounds = { records: 100, bytes: 1e6, recordBytes: 1e6 }

  it('are counted however the bytes are cut', () => {
    fc.assert(
      fc.property(value, chunk, blank, (element, size, gap) => {
        const text = spaced([element, 1], gap)
        const values = countNodes(spaced(element, gap))
        expect(scan(text, size, { ...bounds, recordValues: values }).read).toEqual([element, 1])
        if (values > 1) expect(scan(text, size, { ...bounds, recordValues: values - 1 }).read).toEqual(['oversize', 1])
      }),
    )
  })

  it('bound a slice, and one of too many stands alone with the reason', () => {
    const { slices } = scan('[[1,2],[1,2],[1,2],[1,2,3,4],3]', 7, { ...bounds, values: 6, recordValues: 4 })
    expect(slices.map(({ count, oversize, excess }) => [count, oversize, excess])).toEqual([
      [2, false, undefined],
      [1, false, undefined],
      [1, true, 'values'],
      [1, false, undefined],
    ])
  })
})

describe('what is no JSON', () => {
  it.each([
    '',
    '[1, 2',
    '[1,]',
    '[,1]',
    '[1,,2]',
    '[1 2]',
    '[1]]',
    '[tru]',
    '{"cards": [{"a": 1]}',
    '{"cards": [{"a": 1}}]}',
    '{"cards": [1]',
    '{"cards": [1] "more": 2}',
    '{"cards": [1], "cards": [2]}',
    '{"cards": ["',
    '[[1}, {2]]',
  ])('is refused: %s', (text) => {
    for (const size of [1, 3, 100]) expect(() => scan(text, size)).toThrow(SyntaxError)
  })

  it('includes what is no UTF-8, and too deep a nesting', () => {
    const scanner = new JsonArrayScanner('cards', BOUNDS)
    expect(() => {
      scanner.push(Uint8Array.from([91, 34, 0xff, 34, 93]))
      scanner.end()
    }).toThrow('byte 2 is not UTF-8')
    expect(() =>
      scan(`[${'['.repeat(100_000)}${']'.repeat(100_000)}]`, 4_096, { ...BOUNDS, recordBytes: 1e6 }),
    ).toThrow(SyntaxError)
  })

  it('is not held without end beside the array', () => {
    expect(() => scan(`{"note": "${'x'.repeat(1_100_000)}", "cards": []}`, 65_536)).toThrow(SurroundingTooLarge)
  })
})
