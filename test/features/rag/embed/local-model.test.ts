/** What the model `local` makes of vectors and questions; what it finds is measured in ../retrieval. */
import { describe, expect, it } from 'vitest'
import { createLocalModel, LOCAL_MODEL } from '../../../../src/features/rag/embed/local-model.ts'
import { questionForms } from '../../../../src/features/rag/embed/question-forms.ts'
import type { Compute } from '../../../../src/ports.ts'

describe('the forms of a question', () => {
  it('are itself, its matter, and the beginning of its answer', () => {
    expect(questionForms('When does the ferry leave?')).toEqual([
      'When does the ferry leave?',
      'the ferry leave',
      'When does the ferry leave? The answer is',
    ])
    expect(questionForms('Why is it?')?.[1]).toBe('is it')
    expect(questionForms('how to descale a kettle')?.[1]).toBe('to descale a kettle')
  })

  it('are none of search words and statements', () => {
    expect(questionForms('ferry timetable')).toBeNull()
    expect(questionForms('The ferry leaves at noon.')).toBeNull()
    expect(questionForms('')).toBeNull()
  })
})

describe('the vectors of the model', () => {
  const { dimensions } = LOCAL_MODEL
  /** Every text has a vector of its own along one axis. */
  const compute: Compute = {
    documentCpuMs: 1,
    withSlot: (work) => work(),
    run: async (_task, input) => {
      const texts = typeof input === 'object' && input !== null && 'texts' in input ? input.texts : []
      const count = Array.isArray(texts) ? texts.length : 0
      const vectors = new Float32Array(count * dimensions)
      for (let text = 0; text < count; text++) vectors[text * dimensions + text] = 1
      return vectors
    },
  }
  const length = (vector: Float32Array) => Math.hypot(...vector)

  it('have length 1, of passages and of questions', async () => {
    const model = createLocalModel(compute)
    const passages = await model.embed(['a', 'bb', 'ccc'], { owner: 'ann' })
    for (const vector of passages) expect(length(vector)).toBeCloseTo(1, 5)
    for (const query of ['Why?', 'ferry', 'When does the ferry leave?'])
      expect(length(await model.embedQuery(query, { owner: 'ann' }))).toBeCloseTo(1, 5)
  })

  it('are those of search words as of passages, and of questions otherwise', async () => {
    const model = createLocalModel(compute)
    const [passage] = await model.embed(['ferry'], { owner: 'ann' })
    expect(await model.embedQuery('ferry', { owner: 'ann' })).toEqual(passage)
    expect(await model.embedQuery('ferry?', { owner: 'ann' })).not.toEqual(passage)
  })
})
