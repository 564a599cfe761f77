/** SHA-256 of what a request asked, the same whenever the same is asked, computed without holding the event loop. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { LosslessNumber } from '../lossless-json.ts'
import { yieldToEventLoop } from './chunked-work.ts'

/** Characters of JSON that are written and hashed before the event loop goes on with other work. */
const TURN_CHARACTERS = 65_536
/** Elements of a list that are written one by one, because there are many or they are large. */
const MANY = 64

/**
 * Hashes a JSON value, the keys of its objects sorted. Numbers that a double holds are equal however they were written; two others are equal
 * where they are written alike, as in what is stored.
 * @returns lower-case hex
 */
export async function fingerprintOf(value: unknown): Promise<string> {
  const hash = sha256.create()
  const utf8 = new TextEncoder()
  let text = ''
  for (const piece of piecesOf(value)) {
    text += piece
    if (text.length < TURN_CHARACTERS) continue
    hash.update(utf8.encode(text))
    text = ''
    await yieldToEventLoop()
  }
  return bytesToHex(hash.update(utf8.encode(text)).digest())
}

/** The JSON of a value in pieces: long lists that are the value itself, or members of it, element by element. */
function* piecesOf(value: unknown): Generator<string> {
  if (Array.isArray(value)) return yield* piecesOfList(value)
  if (!isObject(value) || value instanceof LosslessNumber) return yield canonical(value) ?? 'null'
  let separator = '{'
  for (const [key, inner] of Object.entries(sorted(value))) {
    if (inner === undefined) continue
    yield `${separator}${JSON.stringify(key)}:`
    separator = ','
    if (Array.isArray(inner) && inner.length > MANY) yield* piecesOfList(inner)
    else if (isObject(inner) && Object.values(inner).some((one) => Array.isArray(one) && one.length > MANY))
      yield* piecesOf(inner)
    else yield canonical(inner) ?? 'null'
  }
  yield separator === '{' ? '{}' : '}'
}

function* piecesOfList(list: readonly unknown[]): Generator<string> {
  let separator = '['
  for (const element of list) {
    yield `${separator}${canonical(element) ?? 'null'}`
    separator = ','
  }
  yield list.length === 0 ? '[]' : ']'
}

/** A number that JSON.stringify writes as it is comes to a replacer as an object. */
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)

const sorted = (value: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

/** In one call: `toJSON` is asked before the replacer is. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) => (isObject(inner) ? sorted(inner) : inner))
}
