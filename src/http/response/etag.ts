/** Answers with an `ETag`, so that a client that has the content already gets 304 without a body. */
import type { Context } from 'hono'
import { sha256 } from '../../formats/sha256.ts'
import type { Env } from '../context.ts'
import { matchesIfNoneMatch } from './conditional.ts'

/**
 * Answers JSON under a tag of its content, or 304 when the caller's `If-None-Match` names that tag. POSTs that only read are treated
 * like a GET.
 * @param content what the tag is made of
 * @param rest fields of the answer that change each time, such as when it was made; the tag, which is weak then, leaves them out
 */
export function jsonWithETag(c: Context<Env>, content: object, rest?: object): Promise<Response> {
  const text = JSON.stringify(content)
  if (rest === undefined) return textWithETag(c, text, text)
  return textWithETag(c, text, `${text.slice(0, -1)},${JSON.stringify(rest).slice(1)}`)
}

/** Answers JSON texts under a tag of their content; the tag is weak where the answer is not the content itself. */
export async function textWithETag(c: Context<Env>, content: string, answer: string): Promise<Response> {
  const etag = `${content === answer ? '' : 'W/'}${await makeTag(new TextEncoder().encode(content))}`
  return answerTagged(c, etag, answer)
}

/** Makes the strong tag of some bytes. */
export async function makeTag(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `"${(await sha256(bytes)).slice(0, 32)}"`
}

/**
 * Answers what has a tag that is known, or 304. Bytes are sent as they are, without a copy a request.
 * @param type its `Content-Type`
 */
export function answerTagged(
  c: Context<Env>,
  etag: string,
  answer: string | Uint8Array<ArrayBuffer>,
  type = 'application/json',
): Response {
  c.header('ETag', etag)
  if (matchesIfNoneMatch(c, etag)) return c.body(null, 304)
  c.header('Content-Type', type)
  return c.body(answer)
}
