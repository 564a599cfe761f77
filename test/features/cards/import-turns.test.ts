/** Cards as dense as they may be are read in steps of bounded CPU time, between which everything else has its turn. */
import { describe, expect, it } from 'vitest'
import { contentHash } from '../../../src/features/cards/card.ts'
import { type CardsForm, readCards } from '../../../src/features/cards/import/read-cards.ts'
import { scaled } from '../../support/time-limits.ts'

const members = (count: number, value: string) => Array.from({ length: count }, (_, at) => `"k${at}":${value}`).join()
const cardOf = (metadata: string) =>
  `{"title":"a","body":"b","category":"c","privacy_level":"PERSONAL","metadata":{"a":${metadata}}}`

const DENSE: readonly (readonly [string, string])[] = [
  ['24,000 members that no double holds', cardOf(`{${members(24_000, '1234567890123456789')}}`)],
  ['24,000 members with exponents', cardOf(`{${members(24_000, '1e-400')}}`)],
  ['47,000 long numbers', cardOf(`[${Array(47_000).fill('1234567890123456789').join()}]`)],
  ['49,000 tiny numbers', cardOf(`[${Array(49_000).fill('1e-400').join()}]`)],
  [
    '45,000 doubles of 16 digits',
    cardOf(`[${Array.from({ length: 45_000 }, (_, at) => `0.12345678901${at + 10_000}`).join()}]`),
  ],
  ['12,000 objects', cardOf(`[${Array.from({ length: 12_000 }, (_, at) => `{"k${at}":1e-400}`).join()}]`)],
  ['24,000 unknown members', `{"title":1e-400,"tags":[1e-400],${members(24_000, '1e-400')}}`],
  ['tags that are 24,000 objects', `{"title":"a","tags":[${Array(24_000).fill('{}').join()}]}`],
]

/** CPU time of this thread, in ms. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** The longest step of reading a body, of the quickest of a few times. */
function longestStep(form: CardsForm, bytes: Uint8Array): number {
  const body = { form, header: [], printedHeader: [], separator: ',', encoding: 'utf-8' } as const
  const longest = Array.from({ length: 4 }, () => {
    let most = 0
    let last = cpuMs()
    for (const card of readCards(body, bytes)) {
      // Null is where a turn is given; a card alone is not.
      if (card !== null) continue
      most = Math.max(most, cpuMs() - last)
      last = cpuMs()
    }
    return Math.max(most, cpuMs() - last)
  })
  return Math.min(...longest)
}

describe.each(['json', 'lines'] as const)('a card, as %s', (form) => {
  it.each(DENSE)('of %s takes less than a tenth of a second a step', (_, card) => {
    expect(longestStep(form, new TextEncoder().encode(card))).toBeLessThan(scaled(100))
  })
})

it('a body of marks in a row is hashed in no time', () => {
  const began = cpuMs()
  contentHash({ title: 'a', body: `a${'\u0301\u0316'.repeat(124_000)}` })
  expect(cpuMs() - began).toBeLessThan(scaled(100))
})
