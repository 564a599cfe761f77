/**
 * A language model behind OpenAI's chat API: `POST {base}/chat/completions` with `response_format: json_schema`
 * (https://platform.openai.com/docs/api-reference/chat/create). OpenAI, Mistral, Groq, Ollama, vLLM and others serve it.
 *
 * One request by `fetch`, since `@ai-sdk/openai-compatible` would add 40 KB gzip to the Worker, and code to its start.
 */
import * as z from 'zod'
import { MillraceError } from '../errors.ts'
import type { LanguageModel, LanguageModelRequest, LanguageModelSettings } from '../language-model.ts'

/** Time that one answer may take, in milliseconds. */
const TIMEOUT_MS = 120_000
/** Characters of a service's own words that are repeated. */
const MAX_WORDS = 200

const Completion = z.object({
  choices: z
    .array(z.object({ finish_reason: z.string().nullish(), message: z.object({ content: z.string().nullish() }) }))
    .min(1),
})
const Refusal = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) })

/** Makes a language model of a service. Its address is the operator's, so that it may be a private one. */
export function createOpenAiLanguageModel(
  { baseUrl, apiKey, model }: LanguageModelSettings,
  { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): LanguageModel {
  const authorization = apiKey === null ? {} : { Authorization: `Bearer ${apiKey}` }
  const headers = { 'Content-Type': 'application/json', ...authorization }
  return {
    name: model,
    async answer(request, { signal }) {
      const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      try {
        const body = JSON.stringify(bodyOf(model, request))
        // A redirect would carry the key to another host.
        const init = { method: 'POST', headers, body, signal: ended, redirect: 'manual' } as const
        const answer = await fetch(`${baseUrl}/chat/completions`, init)
        const text = await answer.text()
        if (!answer.ok) throw refused(answer, text, model)
        return answeredJson(text)
      } catch (thrown) {
        signal.throwIfAborted()
        if (thrown instanceof MillraceError) throw thrown
        if (ended.aborted) throw new MillraceError('TIMEOUT', 'The language model did not answer in time.')
        const message = 'The language model could not be reached (LLM_BASE_URL).'
        throw new MillraceError('NETWORK_ERROR', message, { cause: thrown })
      }
    },
  }
}

function bodyOf(model: string, { instructions, text, schema, name }: LanguageModelRequest) {
  return {
    model,
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: text },
    ],
    response_format: { type: 'json_schema', json_schema: { name, strict: true, schema } },
    temperature: 0,
  }
}

/** @returns undefined where the model's text is no JSON or was cut off */
function answeredJson(text: string): unknown {
  const { data } = Completion.safeParse(parseJson(text))
  const [choice] = data?.choices ?? []
  if (choice === undefined) {
    throw new MillraceError(
      'SERVICE_UNAVAILABLE',
      'What answers at LLM_BASE_URL is no chat API: it sent no completion.',
    )
  }
  return choice.finish_reason === 'length' ? undefined : parseJson(choice.message.content ?? '')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused({ status, headers }: Response, text: string, model: string): MillraceError {
  const { data } = Refusal.safeParse(parseJson(text))
  const said = typeof data?.error === 'string' ? data.error : (data?.error.message ?? '')
  const words = said === '' ? '' : `: ${said.slice(0, MAX_WORDS)}`
  const misconfigured = (message: string) => new MillraceError('SERVICE_UNAVAILABLE', message, { transient: false })
  if (status === 401 || status === 403) {
    return misconfigured(`The service of the language model refuses the key of this server (LLM_API_KEY)${words}`)
  }
  if (status === 404 || status < 400) {
    return misconfigured(
      `The service has no language model "${model}" or is not at this address (LLM_MODEL, LLM_BASE_URL): ${status}${words}`,
    )
  }
  if (status === 429 || status >= 500) {
    const seconds = Number(headers.get('Retry-After') ?? Number.NaN)
    const details = Number.isFinite(seconds) && seconds >= 0 ? { details: { retryAfterSeconds: seconds } } : {}
    const code = status === 429 ? 'RATE_LIMIT' : 'SERVICE_UNAVAILABLE'
    return new MillraceError(code, `The service of the language model answered ${status}${words}`, details)
  }
  return misconfigured(`The service of the language model refuses the request: ${status}${words}`)
}
