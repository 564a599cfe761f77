/** The short way to a card gives what the schema gives, or leaves it to the schema. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainCard } from '../../../src/features/cards/import/card-fast-path.ts'
import { NewCard } from '../../../src/features/cards/schemas.ts'

const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom('', ' ', ' blanks ', '\0', 'half \ud800', 'x'.repeat(101), 'x'.repeat(201), 'x'.repeat(1_001)),
)
const absent = fc.constantFrom(undefined, null)
const odd = fc.constantFrom<unknown[]>(7, true, [], {}, ['x', 7], { a: { b: [null] } })
const field = fc.oneof({ weight: 5, arbitrary: text }, { weight: 1, arbitrary: absent }, { weight: 1, arbitrary: odd })
const tags = fc.oneof(fc.array(text, { maxLength: 3 }), absent, odd, fc.constant(Array(201).fill('t')))
const deep = (levels: number): unknown => (levels === 0 ? 1 : { in: deep(levels - 1) })
const metadata = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3, noNullPrototype: true }),
  absent,
  odd,
  fc.constantFrom(deep(100), deep(101), JSON.parse('{"__proto__": {"a": 1}, "b": 2}')),
)
const card = fc.record(
  {
    title: field,
    body: field,
    category: field,
    privacy_level: field,
    tags,
    source_platform: field,
    source_url: field,
    metadata,
  },
  { requiredKeys: ['title', 'body', 'category', 'privacy_level'] },
)

describe('a card', () => {
  it('that is taken the short way is what the schema makes of it', () => {
    fc.assert(
      fc.property(fc.oneof(card, odd, fc.constant(null)), (value) => {
        const plain = plainCard(value)
        if (plain !== null) expect(plain).toEqual(NewCard.parse(value))
      }),
      { numRuns: 2_000 },
    )
  })

  it('as most are is taken that way', () => {
    const value = { title: 'A title', body: '', category: 'C', privacy_level: 'IDEAS', tags: ['é', 'two words'], id: 7 }
    expect(plainCard(value)).not.toBeNull()
    expect(
      plainCard({ ...value, tags: null, metadata: { a: [1] }, source_url: 'https://x.y', source_platform: null }),
    ).not.toBeNull()
    expect(plainCard({ ...value, tags: [' blank'] })).toBeNull()
  })
})
