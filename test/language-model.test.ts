/** Variables of the language model. */
import { expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'

it('is none without a model, and OpenAI without an address', () => {
  expect(readConfig({}).languageModel).toBeNull()
  expect(readConfig({ LLM_MODEL: 'small' }).languageModel).toEqual({
    baseUrl: 'https://api.openai.com/v1',
    apiKey: null,
    model: 'small',
  })
  const local = { LLM_MODEL: 'small', LLM_BASE_URL: 'http://localhost:11434/v1/', LLM_API_KEY: 'sk-1' }
  expect(readConfig(local).languageModel).toEqual({
    baseUrl: 'http://localhost:11434/v1',
    apiKey: 'sk-1',
    model: 'small',
  })
})

it.each([
  [{ LLM_BASE_URL: 'http://localhost:11434/v1' }, 'LLM_BASE_URL=http://localhost:11434/v1'],
  [{ LLM_API_KEY: 'sk-of-the-operator' }, 'LLM_API_KEY=…'],
])('an address or a key without a model is refused, and the key is not repeated', (variables, shown) => {
  expect(() => readConfig(variables)).toThrow(
    `${shown} is not understood: it should be set together with LLM_MODEL, the name of a model of that service.`,
  )
})
