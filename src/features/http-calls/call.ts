/** A call as it is planned and made: its templates read once a batch, filled for each item. */
import { headerFault } from '../../drivers/fetch-request.ts'
import { invalidRequest } from '../../errors.ts'
import { type BodyTemplate, parseBody } from './body-template.ts'
import type { HttpInput } from './schemas.ts'
import {
  fillText,
  MissingValue,
  parseTemplate,
  type Segments,
  secretsIn,
  TemplateError,
  type Values,
} from './template.ts'

/** A batch's templates. */
export interface Call {
  readonly input: HttpInput
  readonly url: Segments
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: Segments])[]
  readonly body: BodyTemplate | null
  /** Names of secrets, each with the field that names it first. */
  readonly secrets: ReadonlyMap<string, string>
  /** Headers that hold a secret. */
  readonly secretHeaders: readonly string[]
}

/** A call of one item. */
export interface FilledCall {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Headers that Millrace sets on every call; a request that sets one of them is refused. */
const OURS = new Set(['millrace-callback', 'webhook-id', 'webhook-signature', 'webhook-timestamp'])

/**
 * Reads the templates of a batch.
 * @throws MillraceError INVALID_REQUEST naming the field
 */
export function readCall(input: HttpInput): Call {
  const url = at('input.url', () => parseTemplate(input.url))
  if (secretsIn(url).length > 0) {
    throw invalidRequest(
      'input.url',
      'input.url: an address is logged by many. Put a secret into a header or the body.',
    )
  }
  const headers = Object.entries(input.headers).map(([name, text]) => {
    const field = `input.headers.${name}`
    const value = at(field, () => parseTemplate(text))
    const plain = value.map((part) => (typeof part === 'string' ? part : '')).join('')
    const fault = OURS.has(name.toLowerCase()) ? 'this header is set by Millrace' : headerFault(name, plain)
    if (fault !== null) throw invalidRequest(field, `${field}: ${fault}.`)
    return [name.toLowerCase(), value] as const
  })
  const body = readBody(input, headers)
  const secretHeaders = headers.filter(([, value]) => secretsIn(value).length > 0)
  const named: [string, string][] = [
    ...headers.flatMap(([name, value]) => secretsIn(value).map((secret) => [secret, `input.headers.${name}`] as const)),
    ...(body?.secrets ?? []).map((secret) => [secret, 'input.bodyTemplate'] as const),
    ...(input.signWith === undefined ? [] : [[input.signWith, 'input.signWith'] as const]),
  ].map(([secret, field]) => [secret, field])
  const secrets = new Map(named.toReversed())
  return { input, url, headers, body, secrets, secretHeaders: secretHeaders.map(([name]) => name) }
}

function readBody({ bodyTemplate, method }: HttpInput, headers: Call['headers']): BodyTemplate | null {
  if (bodyTemplate === undefined) return null
  const field = 'input.bodyTemplate'
  if (method === 'GET' || method === 'HEAD') {
    throw invalidRequest(field, `${field}: a call with ${method} has no body. Set "method" to POST, or leave it out.`)
  }
  const type = headers.find(([name]) => name === 'content-type')?.[1]
  return at(field, () => parseBody(bodyTemplate, type?.map((part) => (typeof part === 'string' ? part : '')).join('')))
}

/** Runs `read`; its errors name a field. */
function at<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof TemplateError ? invalidRequest(field, `${field}: ${error.message}`) : error
  }
}

/** Fills the templates. @throws MissingValue */
export function fillCall({ url, headers, body }: Call, values: Values): FilledCall {
  const filled: Record<string, string> = {}
  if (body !== null) filled['content-type'] = 'application/json'
  for (const [name, value] of headers) filled[name] = fillText(value, values)
  return { url: fillUrl(url, values), headers: filled, body: body?.fill(values) }
}

/** The placeholder that an address begins with is an address: nothing of it is encoded. */
const fillUrl = (url: Segments, values: Values) =>
  fillText(url, values, (text, place) => (place === 0 ? text : encodeURIComponent(text)))

/** Stands in for secrets while a call is only checked. */
const STAND_IN = 'secret'
const DOTS = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i

/**
 * Checks that a call can be made for an item.
 * @param index of the item
 * @returns its address
 * @throws MillraceError INVALID_REQUEST naming the item, and the placeholder that it has no value for
 */
export function checkItem(call: Call, item: unknown, index: number): string {
  const field = `items.${index}`
  const values: Values = { item, secret: () => STAND_IN }
  let filled: FilledCall
  try {
    filled = fillCall(call, values)
  } catch (error) {
    if (!(error instanceof MissingValue)) throw error
    const missing = `${field}.${error.way.join('.')}`
    throw invalidRequest(missing, `${field}: ${error.message}, which ${error.placeholder} asks for.`)
  }
  const { url, headers, body } = filled
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw invalidRequest(field, `${field}: gives no http or https address: ${JSON.stringify(url.slice(0, 200))}.`)
  }
  // A parser resolves such a segment, so the call would go to another path than the template says.
  if (call.url.length > 1 && DOTS.test(url.replace(/^https?:\/\//i, '').replace(/[?#].*$/s, ''))) {
    throw invalidRequest(field, `${field}: gives an address with "." or ".." as a part of its path.`)
  }
  for (const [name, value] of Object.entries(headers)) {
    const fault = headerFault(name, value)
    if (fault !== null) throw invalidRequest(field, `${field}: gives a header "${name}" that cannot be sent: ${fault}.`)
  }
  if (call.body?.mustParse === true && body !== undefined) demandJson(body, field)
  return url
}

function demandJson(body: string, field: string): void {
  try {
    JSON.parse(body)
  } catch {
    throw invalidRequest(
      'input.bodyTemplate',
      `input.bodyTemplate: gives no JSON for ${field}. Placeholders stand for whole values, or for text between quotation marks.`,
    )
  }
}
