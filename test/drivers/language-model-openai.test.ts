/** What comes of each answer of a chat API. */
import { afterEach, expect, it } from 'vitest'
import { createOpenAiLanguageModel } from '../../src/drivers/language-model-openai.ts'
import { type ChatAnswer, startChatService } from '../support/chat-service.ts'

const services: Disposable[] = []
afterEach(() => {
  for (const service of services.splice(0)) service[Symbol.dispose]()
})

async function ask(
  answer: ChatAnswer,
  { signal = new AbortController().signal, timeoutMs = 60_000, apiKey = 'sk-of-the-operator' } = {},
) {
  const service = await startChatService(() => answer)
  services.push(service)
  const model = createOpenAiLanguageModel({ baseUrl: service.baseUrl, apiKey, model: 'small' }, { timeoutMs })
  const schema = { type: 'object', properties: { a: { type: 'integer' } } }
  const answered = model.answer({ instructions: 'Read.', text: 'a is 1', schema, name: 'letters' }, { signal })
  return { service, answered }
}

it('sends instructions, text, schema and key, and parses the answer', async () => {
  const { service, answered } = await ask({ text: '{"a":1}' })
  expect(await answered).toEqual({ a: 1 })
  expect(service.requests).toMatchObject([
    {
      authorization: 'Bearer sk-of-the-operator',
      model: 'small',
      messages: [
        { role: 'system', content: 'Read.' },
        { role: 'user', content: 'a is 1' },
      ],
      response_format: { json_schema: { name: 'letters', schema: { type: 'object' } } },
    },
  ])
})

it.each<[string, ChatAnswer]>([
  ['no JSON', { text: 'Here you are: {"a":1}' }],
  ['an answer that was cut off', { text: '{"a":1}', finishReason: 'length' }],
])('returns nothing for %s', async (_, answer) => {
  expect(await (await ask(answer)).answered).toBeUndefined()
})

it.each<[ChatAnswer, object]>([
  [
    { status: 429, message: 'Slow down', headers: { 'Retry-After': '7' } },
    { code: 'RATE_LIMIT', transient: true, details: { retryAfterSeconds: 7 } },
  ],
  [
    { status: 500, message: 'Oops' },
    { code: 'SERVICE_UNAVAILABLE', transient: true, message: /answered 500: Oops/ },
  ],
  [
    { status: 401, message: 'Wrong key' },
    { code: 'SERVICE_UNAVAILABLE', transient: false, message: /LLM_API_KEY.*Wrong key/ },
  ],
  [
    { status: 404, message: 'No such model' },
    { code: 'SERVICE_UNAVAILABLE', transient: false, message: /"small".*LLM_MODEL/ },
  ],
  [
    { status: 400, message: 'No schemas' },
    { code: 'SERVICE_UNAVAILABLE', transient: false, message: /400: No schemas/ },
  ],
  [
    { status: 307, message: '', headers: { Location: 'http://127.0.0.1:9/' } },
    { code: 'SERVICE_UNAVAILABLE', transient: false },
  ],
])('%o is an error that says what to do', async (answer, expected) => {
  const { answered } = await ask(answer)
  const { message = expect.anything(), ...rest } = { message: undefined, ...expected }
  await expect(answered).rejects.toMatchObject(rest)
  if (message instanceof RegExp) await expect(answered).rejects.toThrow(message)
})

it('a service that is not there, or answers too late, is named', async () => {
  const model = createOpenAiLanguageModel({ baseUrl: 'http://127.0.0.1:9/v1', apiKey: null, model: 'small' })
  const question = { instructions: '', text: '', schema: {}, name: 'x' }
  await expect(model.answer(question, { signal: new AbortController().signal })).rejects.toMatchObject({
    code: 'NETWORK_ERROR',
  })
  const { answered } = await ask('never', { timeoutMs: 50 })
  await expect(answered).rejects.toMatchObject({ code: 'TIMEOUT' })
})

it('stops when it is aborted, with the reason', async () => {
  const stop = new AbortController()
  const { answered } = await ask('never', { signal: stop.signal })
  const reason = new Error('cancelled')
  stop.abort(reason)
  await expect(answered).rejects.toBe(reason)
})
