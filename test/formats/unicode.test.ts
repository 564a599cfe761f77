import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { contentHash } from '../../src/features/cards/card.ts'
import { tokenize } from '../../src/features/rag/text-index/tokenize.ts'
import { normalizeText } from '../../src/formats/unicode.ts'
import { scaledCpu } from '../support/time-limits.ts'

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const
/** Above and below, so that they are put in order. */
const marks = (count: number) => '\u0301\u0316'.repeat(count / 2)

/** CPU time of this process since `began`, in milliseconds: what else the machine does is not in it. */
function cpuMsSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1_000
}

describe('text in a normal form', () => {
  it.each(FORMS)('is what String gives where it has as many marks as any writing system: %s', (form) => {
    for (const text of ['', 'abc', 'Å\u0301é', 'किताब', '\u1112\u1161\u11ab', `a${marks(30)}b${marks(30)}`, 'ﷺ ﬁ']) {
      expect(normalizeText(text, form)).toBe(text.normalize(form))
      expect(normalizeText(text.normalize('NFD'), form)).toBe(text.normalize(form))
    }
  })

  it.each(FORMS)('keeps every mark of a longer run: %s', (form) => {
    const text = `a${marks(1_000)}b`
    const given = normalizeText(text, form).replaceAll('\u034f', '').normalize('NFD')
    expect([...given].toSorted()).toEqual([...text.normalize('NFD')].toSorted())
  })

  it.each(FORMS)('takes no longer than its length, whatever marks it has: %s', (form) => {
    const began = process.cpuUsage()
    for (const text of [marks(240_000), `a${'\u0344\u0316'.repeat(120_000)}`, '\u0f73\u0f71'.repeat(120_000)]) {
      normalizeText(text, form)
    }
    // As it was, a minute and more for each.
    expect(cpuMsSince(began)).toBeLessThan(scaledCpu(3_000))
  })

  it('is what cards are compared and documents searched by', () => {
    const began = process.cpuUsage()
    const text = `a${marks(240_000)}`
    expect(contentHash({ title: 'é', body: text })).toBe(contentHash({ title: 'e\u0301', body: text }))
    expect(tokenize(text)).toEqual(['a'])
    expect(cpuMsSince(began)).toBeLessThan(scaledCpu(3_000))
  })

  it('is made nowhere else', () => {
    const folder = join(import.meta.dirname, '../../src')
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && /\.normalize\(/.test(readFileSync(join(folder, name), 'utf8')),
    )
    expect(found).toEqual(['formats/unicode.ts'])
  })
})
