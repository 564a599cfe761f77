/**
 * A language model behind OpenAI's chat API, `POST {base}/chat/completions` with `response_format: json_schema`
 * (https://platform.openai.com/docs/api-reference/chat), by the AI SDK's provider: OpenAI, Mistral, Groq, Ollama, vLLM and others serve it.
 * The provider alone, since the SDK's own layer of retries and tools would double what the engine does.
 */
import type { APICallError } from '@ai-sdk/provider'
import { MillraceError } from '../errors.ts'
import type { LanguageModel, LanguageModelSettings } from '../language-model.ts'

/** Time that one answer may take, in milliseconds. */
const TIMEOUT_MS = 120_000
/** Characters of a service's own words that are repeated. */
const MAX_WORDS = 200

/** Makes a language model of a service. Its address is the operator's, so that it may be a private one. */
export function createOpenAiLanguageModel(
  { baseUrl, apiKey, model }: LanguageModelSettings,
  { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): LanguageModel {
  // Loaded by the first request, since few servers have a model.
  const load = async () => {
    const [{ createOpenAICompatible }, errors] = await Promise.all([
      import('@ai-sdk/openai-compatible'),
      import('@ai-sdk/provider'),
    ])
    const provider = createOpenAICompatible({
      name: 'llm',
      baseURL: baseUrl,
      ...(apiKey === null ? {} : { apiKey }),
      supportsStructuredOutputs: true,
      // A redirect would carry the key to another host.
      fetch: (input, init) => fetch(input, { ...init, redirect: 'manual' }),
    })
    return { chat: provider.chatModel(model), isApiError: errors.APICallError.isInstance }
  }
  return {
    name: model,
    async answer({ instructions, text, schema, name }, { signal }) {
      const { chat, isApiError } = await load()
      const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      try {
        const { content, finishReason } = await chat.doGenerate({
          prompt: [
            { role: 'system', content: instructions },
            { role: 'user', content: [{ type: 'text', text }] },
          ],
          responseFormat: { type: 'json', schema, name },
          temperature: 0,
          abortSignal: ended,
        })
        if (finishReason.unified === 'length') return undefined
        return parseJson(content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(''))
      } catch (thrown) {
        signal.throwIfAborted()
        if (ended.aborted) throw new MillraceError('TIMEOUT', 'The language model did not answer in time.')
        throw isApiError(thrown) ? refused(thrown, model) : unreadable(thrown)
      }
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** An answer of 200 that is none of a chat API. */
const unreadable = (cause: unknown) =>
  new MillraceError(
    'SERVICE_UNAVAILABLE',
    'The service of the language model answers no chat completion (LLM_BASE_URL).',
    {
      cause,
    },
  )

function refused(error: APICallError, model: string): MillraceError {
  const { statusCode: status, message, responseHeaders } = error
  if (status === undefined) {
    return new MillraceError('NETWORK_ERROR', 'The language model could not be reached (LLM_BASE_URL).', {
      cause: error,
    })
  }
  if (status < 300) return unreadable(error)
  const words = message === '' ? '' : `: ${message.slice(0, MAX_WORDS)}`
  const misconfigured = (text: string) => new MillraceError('SERVICE_UNAVAILABLE', text, { transient: false })
  if (status === 401 || status === 403) {
    return misconfigured(`The service of the language model refuses the key of this server (LLM_API_KEY)${words}`)
  }
  if (status === 404 || status < 400) {
    return misconfigured(
      `The service has no language model "${model}" or is not at this address (LLM_MODEL, LLM_BASE_URL): ${status}${words}`,
    )
  }
  if (status === 429 || status >= 500) {
    const seconds = Number(responseHeaders?.['retry-after'] ?? Number.NaN)
    const details = Number.isFinite(seconds) && seconds >= 0 ? { details: { retryAfterSeconds: seconds } } : {}
    const code = status === 429 ? 'RATE_LIMIT' : 'SERVICE_UNAVAILABLE'
    return new MillraceError(code, `The service of the language model answered ${status}${words}`, details)
  }
  return misconfigured(`The service of the language model refuses the request: ${status}${words}`)
}
