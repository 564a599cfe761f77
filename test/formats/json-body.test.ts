import { describe, expect, it, vi } from 'vitest'
import { JsonBodyScanner } from '../../src/formats/json-body.ts'
import { type JsonBodyBounds, JsonBodyTooLarge } from '../../src/formats/json-bounds.ts'
import { countNodes, measureJson, RepeatedNameError } from '../../src/formats/json-text.ts'
import { InvalidTextError } from '../../src/formats/text-decoder.ts'
import { SEED } from '../fuzz/chance.ts'

const WIDE: JsonBodyBounds = { nodes: 1e6, valueNodes: 1e5, valueBytes: 1e6, elements: 1e5, depth: 100 }

/** Parses a text that comes in pieces of so many bytes. */
function scan(text: string, size: number, bounds = WIDE): unknown {
  return scanBytes(new TextEncoder().encode(text), size, bounds)
}

function scanBytes(bytes: Uint8Array, size: number, bounds = WIDE): unknown {
  const scanner = new JsonBodyScanner(bounds)
  for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size))
  return scanner.end().value
}

function outcome(parse: () => unknown): string {
  try {
    return JSON.stringify(parse())
  } catch (error) {
    if (error instanceof SyntaxError) return 'SyntaxError'
    throw error
  }
}

function refusalOf(parse: () => unknown): unknown {
  try {
    return parse()
  } catch (error) {
    return error
  }
}

/** What was refused, and where. */
function refusal(text: string, bounds: Partial<JsonBodyBounds>): string {
  try {
    scan(text, 7, { ...WIDE, ...bounds })
  } catch (error) {
    if (error instanceof JsonBodyTooLarge) return `${error.field} ${error.limit} ${error.unit}`
    throw error
  }
  return 'taken'
}

describe('a scanned body', () => {
  it('is what JSON.parse makes of it, or no JSON to either, however it is cut and broken', () => {
    let state = SEED
    // A linear congruential generator (Numerical Recipes), so that a failure can be repeated by its seed.
    const int = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const pick = (from: readonly string[]) => from[int(from.length)] ?? ''
    const value = (depth: number): unknown => {
      const kind = depth > 4 ? int(4) : int(7)
      if (kind < 4) return [int(1_000) / 4, `s"\\,[]{}: é€${int(99)}`, null, true][kind]
      if (kind === 4) return Array.from({ length: int(4) }, () => value(depth + 1))
      const names = ['a', 'b', '__proto__', 'é"x', 'items']
      return Object.fromEntries(Array.from({ length: int(4) }, () => [pick(names), value(depth + 1)]))
    }
    for (let round = 0; round < 4_000; round++) {
      const items = Array.from({ length: int(8) }, () => value(1))
      const whole = JSON.stringify(int(3) === 0 ? value(0) : { items, more: value(1), last: [] }, null, int(3))
      const at = int(whole.length)
      const odd = pick(['[', ']', '{', '}', ',', ':', '"', '1', ' ', '\\'])
      const text =
        [whole, whole.slice(0, at) + whole.slice(at + 1), whole.slice(0, at) + odd + whole.slice(at)][int(3)] ?? ''
      expect(
        outcome(() => scan(text, 1 + int(20))),
        `FUZZ_SEED=${SEED} ${text}`,
      ).toBe(outcome(() => JSON.parse(text)))
    }
  })

  it.each([
    ['{"a":[1],"a":[2]}', 'a'],
    ['{"a":[1],"a":3}', 'a'],
    ['{"a":3,"a":[[1]]}', 'a'],
    ['{"a":[1,{"b":2,"c":{"d":1,"\\u0064":1}}]}', 'a.1.c.d'],
    ['{"a":{"__proto__":1,"__proto__":{}}}', 'a.__proto__'],
    ['[[],{"":"","x":[],"":0}]', '1.'],
  ])('is refused where a name is there twice, naming it: %s', (text, path) => {
    for (const size of [1, 3, 100]) {
      const fault = refusalOf(() => scan(text, size))
      expect(fault instanceof RepeatedNameError ? fault.path.join('.') : fault).toBe(path)
    }
  })

  it('names the byte that is not UTF-8, wherever it stands', () => {
    const text = new TextEncoder().encode(`{"a":["é",${'{"b":"ü"},'.repeat(9_000)}{"c":1}],"d":"x",   "e":"ö"}`)
    for (const at of [text.indexOf(0xa9), text.lastIndexOf(0xbc), text.lastIndexOf(0xb6)]) {
      const broken = Uint8Array.from(text)
      broken[at] = 0x20
      for (const size of [7, 4_096, 200_000]) {
        const fault = refusalOf(() => scanBytes(broken, size))
        expect(fault instanceof InvalidTextError ? fault.offset : fault).toBe(at - 1)
      }
    }
  })

  it('is refused where it holds too much, naming the place', () => {
    expect(refusal('{"a":[1,[2,3,4,5]]}', { valueNodes: 4 })).toBe('a.1 4 values')
    expect(refusal('{"a":[1,[2,3,4]]}', { valueNodes: 4 })).toBe('taken')
    expect(refusal(`{"a":["${'x'.repeat(30)}"]}`, { valueBytes: 20 })).toBe('a.0 20 bytes')
    expect(refusal('{"a":{"b":1,"c":2}}', { valueNodes: 5 })).toBe('a 5 values')
    expect(refusal('{"a":[1,2,3,4,5,6,7]}', { nodes: 6 })).toBe(' 6 values')
    expect(() => scan('{"a":[[[[]]]]}', 5, { ...WIDE, depth: 4 })).toThrow('nested more than 4 levels deep')
  })

  it('is parsed up to so many elements of an array', () => {
    const scanner = new JsonBodyScanner({ ...WIDE, elements: 5_000 })
    scanner.push(new TextEncoder().encode(`{"a":[${'1,'.repeat(50_000)}1],"b":[2]}`))
    const { value, lists } = scanner.end()
    expect([lists.get('a')?.cut, lists.get('b')?.cut, value]).toEqual([true, false, { a: expect.any(Array), b: [2] }])
    expect(lists.get('a')?.elements.length).toBeLessThan(10_000)
  })

  it('takes views of its bytes a slice at a time, not an element', () => {
    const views = vi.spyOn(Uint8Array.prototype, 'subarray')
    try {
      for (const elements of [100_000, 1_000]) {
        const bounds = { ...WIDE, elements }
        const bytes = new TextEncoder().encode(`{"a":[${'[],'.repeat(60_000)}[]],"b":[1]}`)
        const scanner = new JsonBodyScanner(bounds)
        views.mockClear()
        scanner.push(bytes)
        expect(views.mock.calls.length).toBeLessThan(100)
        expect(scanner.end().lists.get('a')?.largest).toBe(3)
      }
    } finally {
      views.mockRestore()
    }
  })

  it('holds no long blanks', () => {
    const blank = ' \n'.repeat(600_000)
    expect(scan(`{${blank}"a"${blank}:[${blank}1${blank},${blank}2]}${blank}`, 65_536)).toEqual({ a: [1, 2] })
    expect(outcome(() => scan(`{"a":[1${blank}2]}`, 65_536))).toBe('SyntaxError')
  })

  it('is counted without being parsed', () => {
    expect(['1', '[]', '[[{"[":[ ]}],[]]', '"\\"["'].map((text) => measureJson(text).depth)).toEqual([0, 1, 4, 0])
    expect(['1', '[]', '[ ]', '[1,2]', '{"a":1}', '{"a,b:":[{},"\\"[,"]}'].map(countNodes)).toEqual([1, 1, 1, 3, 3, 5])
  })
})
