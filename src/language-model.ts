/** A language model that answers in JSON of a schema, and the variables by which an operator configures one. */
import * as z from 'zod'
import { address, key, OPENAI_URL } from './vector-settings.ts'

/** The variables, for the schema of the configuration. */
export const LLM_VARIABLES = {
  LLM_BASE_URL: address(OPENAI_URL).optional(),
  LLM_API_KEY: key,
  LLM_MODEL: z.string().min(1).optional(),
} as const

/** A server with OpenAI's chat API. */
export interface LanguageModelSettings {
  /** Up to and including `/v1`. */
  readonly baseUrl: string
  /** Null where the server asks for none. */
  readonly apiKey: string | null
  readonly model: string
}

type Values = z.infer<z.ZodObject<typeof LLM_VARIABLES>>

/** Refuses an address or a key without a model. */
export function needsModel({ LLM_BASE_URL, LLM_API_KEY, LLM_MODEL }: Values, ctx: z.RefinementCtx): void {
  if (LLM_MODEL !== undefined || (LLM_BASE_URL ?? LLM_API_KEY) === undefined) return
  const path = [LLM_BASE_URL === undefined ? 'LLM_API_KEY' : 'LLM_BASE_URL']
  ctx.addIssue({ code: 'custom', path, message: 'set together with LLM_MODEL, the name of a model of that service' })
}

/** Collects the settings from the parsed variables; null where no model is set. */
export function languageModelSettings(v: Values): LanguageModelSettings | null {
  const { LLM_BASE_URL: baseUrl = OPENAI_URL, LLM_API_KEY: apiKey = null, LLM_MODEL: model } = v
  return model === undefined ? null : { baseUrl, apiKey, model }
}

/** A question to a language model. */
export interface LanguageModelRequest {
  readonly instructions: string
  readonly text: string
  /** JSON Schema (draft 7) of the answer, and its name: letters, digits, `_` and `-`. */
  readonly schema: Readonly<Record<string, unknown>>
  readonly name: string
}

/** Answers a text in JSON. */
export interface LanguageModel {
  /** Its name, as the operator configured it. */
  readonly name: string
  /**
   * @returns the parsed answer, which nothing has checked against the schema; undefined where it is no JSON or was cut off
   * @throws MillraceError RATE_LIMIT and SERVICE_UNAVAILABLE (with `details.retryAfterSeconds` where the service sent it), NETWORK_ERROR,
   * TIMEOUT; what `signal` was aborted with
   */
  answer(request: LanguageModelRequest, options: { readonly signal: AbortSignal }): Promise<unknown>
}
