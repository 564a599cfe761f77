import { describe, expect, it } from 'vitest'
import { MAX_DEPTH, parseSent } from '../../src/formats/json-text.ts'

const lists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

describe('parseSent', () => {
  it('takes what is nested as deep as it may be', () => {
    expect(JSON.stringify(parseSent(lists(MAX_DEPTH)))).toBe(lists(MAX_DEPTH))
    expect(JSON.stringify(parseSent(objects(MAX_DEPTH)))).toBe(objects(MAX_DEPTH))
  })

  it.each([MAX_DEPTH + 1, 20_000, 1_000_000])('refuses %i levels with a sentence, not for want of stack', (depth) => {
    for (const text of [lists(depth), objects(depth)]) {
      expect(() => parseSent(text)).toThrow(new SyntaxError('it is nested more than 1,000 levels deep'))
    }
  })
})
