/** Figures of retrieval with the real model and a real database: the limits are beneath what is measured, which BENCHMARKS.md has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { normalisedMean } from '../../../../src/features/rag/embed/centre.ts'
import { LOCAL_MODEL } from '../../../../src/features/rag/embed/local-model.ts'
import { PASSAGE_MEAN, QUESTION_MEAN } from '../../../../src/features/rag/embed/local-model-means.ts'
import { openPlatform, type Platform } from '../../../support/platform.ts'
import { compute, english, measureRetrieval, sizes } from './measure.ts'

let platform: Platform
let figures: Awaited<ReturnType<typeof measureRetrieval>>
beforeAll(async () => {
  platform = await openPlatform()
  figures = await measureRetrieval(platform.db)
}, 600_000)
afterAll(() => platform.close())

describe('retrieval', () => {
  it('is measured on enough questions and passages', () => {
    expect(sizes.questions).toBeGreaterThanOrEqual(160)
    expect(sizes.passages).toBeGreaterThanOrEqual(80)
    expect(sizes.languages).toBeGreaterThanOrEqual(8)
  })

  it('finds English passages by meaning', () => {
    const { all } = figures.vector
    expect(all.first).toBeGreaterThanOrEqual(0.72)
    expect(all.five).toBeGreaterThanOrEqual(0.92)
  })

  it('centres vectors by means that passages and questions which it has not seen share', async () => {
    const cosine = (a: Float32Array, b: Float32Array) => {
      const product = a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0)
      return product / (Math.hypot(...a) * Math.hypot(...b))
    }
    const mean = (vectors: readonly Float32Array[]) => normalisedMean(vectors, LOCAL_MODEL.dimensions)
    const raw = async (texts: readonly string[]) => {
      const all = await compute.run('rag.embed', { texts })
      if (!(all instanceof Float32Array)) throw new Error('There are no vectors.')
      return texts.map((_, at) => all.slice(at * LOCAL_MODEL.dimensions, (at + 1) * LOCAL_MODEL.dimensions))
    }
    const some = english.filter((_, at) => at % 4 === 0)
    const passages = mean(await raw(some.map(({ passage }) => passage)))
    const questions = mean(await raw(some.flatMap(({ shared, paraphrase }) => [shared, paraphrase])))
    expect(cosine(passages, PASSAGE_MEAN)).toBeGreaterThan(0.85)
    expect(cosine(questions, QUESTION_MEAN)).toBeGreaterThan(0.85)
    expect(cosine(questions, QUESTION_MEAN)).toBeGreaterThan(cosine(questions, PASSAGE_MEAN))
  })

  it('finds them no worse by meaning and words than by one of these', () => {
    const { vector, text, hybrid } = figures
    expect(hybrid.all.gain).toBeGreaterThanOrEqual(Math.max(vector.all.gain, text.all.gain))
    expect(hybrid.shared.first).toBeGreaterThanOrEqual(0.95)
    expect(hybrid.paraphrases.gain).toBeGreaterThanOrEqual(vector.paraphrases.gain - 0.03)
  })

  it('finds the right one of chunks of eight mixed passages', () => {
    expect(figures.vector.mixed.first).toBeGreaterThanOrEqual(0.68)
    expect(figures.hybrid.mixed.first).toBeGreaterThanOrEqual(0.68)
  })

  it('finds passages of other languages by their words', () => {
    expect(figures.text.ownLanguage.first).toBeGreaterThanOrEqual(0.95)
  })
})
