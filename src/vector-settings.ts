/** Variables of the services that embed documents, which the operator configures. */
import * as z from 'zod'

const DIMENSIONS = 'a whole number from 1 to 8192'
const KEY = 'a key of ASCII characters without blanks'

/** Schema of a variable that holds a key. */
export const key = z
  .string()
  .regex(/^[\x21-\x7e]+$/, KEY)
  .optional()

const NO_USER = 'an address without a user name or password'

/** Returns true for a URL that `fetch` accepts, one without a user name or password; text that is no URL passes too. */
function hasNoUser(text: string): boolean {
  const url = URL.parse(text)
  return url === null || (url.username === '' && url.password === '')
}

/** Schema of a variable that holds the address of a service. */
export const serviceAddress = (example: string) =>
  z.url({ protocol: /^https?$/, error: `an address such as ${example}` }).refine(hasNoUser, NO_USER)

const PRICES = 'a list such as jina-v4=0.05,openai=0.02: dollars for a million tokens of each model'

/** `jina-v4=0.05,openai=0.02`. */
const prices = z
  .string()
  .regex(/^\s*[\w-]+=\d+(\.\d+)?(\s*,\s*[\w-]+=\d+(\.\d+)?)*\s*$/, PRICES)
  .transform(
    (text): Readonly<Record<string, number>> =>
      Object.fromEntries(text.split(',').map((item) => [item.split('=')[0]?.trim() ?? '', Number(item.split('=')[1])])),
  )

/** The same for a base address; a slash at its end is removed. */
export const address = (example: string) => serviceAddress(example).transform((url) => url.replace(/\/+$/, ''))

export const OPENAI_URL = 'https://api.openai.com/v1'
const JINA_URL = 'https://api.jina.ai/v1'
const GEMINI_URL = 'https://generativelanguage.googleapis.com/v1beta'

/** The variables, for the schema of the configuration. */
export const VECTOR_VARIABLES = {
  EMBED_BASE_URL: address('http://localhost:11434/v1').optional(),
  EMBED_API_KEY: key,
  EMBED_MODEL: z.string().min(1).default('text-embedding-3-small'),
  EMBED_DIMENSIONS: z.coerce.number(DIMENSIONS).int(DIMENSIONS).min(1, DIMENSIONS).max(8_192, DIMENSIONS).optional(),
  JINA_API_KEY: key,
  JINA_BASE_URL: address(JINA_URL).default(JINA_URL),
  EMBED_PRICES: prices.default({}),
  GEMINI_API_KEY: key,
  GEMINI_BASE_URL: address(GEMINI_URL).default(GEMINI_URL),
} as const

/** Address and key of a hosted model. */
export interface HostedService {
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly apiKey: string
}

/** A server with OpenAI's embeddings API. */
export interface OpenAiService {
  /** Up to and including `/v1`. */
  readonly baseUrl: string
  /** Null where the server asks for none. */
  readonly apiKey: string | null
  readonly model: string
  /** Numbers of a vector; null to learn them from the first one. */
  readonly dimensions: number | null
}

/** The services that an operator configured; null for those that are not. */
export interface VectorSettings {
  readonly openai: OpenAiService | null
  readonly jina: HostedService | null
  readonly gemini: HostedService | null
  /** Dollars for a million tokens, by the id of a model. */
  readonly prices: Readonly<Record<string, number>>
}

/** Settings of a server without any such service. */
export const NO_VECTOR_SERVICES: VectorSettings = { openai: null, jina: null, gemini: null, prices: {} }

/** Collects the settings from the parsed variables. */
export function vectorSettings(v: z.infer<z.ZodObject<typeof VECTOR_VARIABLES>>): VectorSettings {
  const { EMBED_BASE_URL: baseUrl, EMBED_API_KEY: apiKey = null, EMBED_MODEL: model } = v
  const hosted = (apiKey: string | undefined, baseUrl: string) => (apiKey === undefined ? null : { baseUrl, apiKey })
  return {
    openai:
      baseUrl === undefined && apiKey === null
        ? null
        : { baseUrl: baseUrl ?? OPENAI_URL, apiKey, model, dimensions: v.EMBED_DIMENSIONS ?? null },
    jina: hosted(v.JINA_API_KEY, v.JINA_BASE_URL),
    gemini: hosted(v.GEMINI_API_KEY, v.GEMINI_BASE_URL),
    prices: v.EMBED_PRICES,
  }
}
