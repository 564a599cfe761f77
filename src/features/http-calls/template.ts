/** Templates of a call: `{{field}}` stands for a field of the item, `{{secrets.NAME}}` for a secret of the owner. Each is filled once, so that no value is a template. */
import { LosslessNumber } from '../../lossless-json.ts'

/** A placeholder: the way to a field of the item, or the name of a secret. */
export type Placeholder =
  | { readonly text: string; readonly way: readonly string[] }
  | { readonly text: string; readonly secret: string }

/** A text and the placeholders in it, in order. */
export type Segments = readonly (string | Placeholder)[]

/** Raised by a template that is none. */
export class TemplateError extends Error {}

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g
const NAME = /^[^\s.{}"'\\]+(?:\.[^\s.{}"'\\]+)*$/
const SECRET = /^[A-Za-z0-9_-]{1,64}$/
/** The item itself, where it has no field of that name. */
const WHOLE = 'item'

/** Cuts a text into its parts. @throws TemplateError naming a placeholder that is none */
export function parseTemplate(text: string): Segments {
  const segments: (string | Placeholder)[] = []
  let end = 0
  for (const match of text.matchAll(PLACEHOLDER)) {
    if (match.index > end) segments.push(text.slice(end, match.index))
    segments.push(placeholderOf(match[0], (match[1] ?? '').trim()))
    end = match.index + match[0].length
  }
  if (end < text.length) segments.push(text.slice(end))
  return segments
}

function placeholderOf(text: string, name: string): Placeholder {
  if (!NAME.test(name)) {
    throw new TemplateError(`"${text}" is no placeholder. Write {{field}}, {{field.inner}} or {{secrets.NAME}}.`)
  }
  const way = name.split('.')
  if (way[0] !== 'secrets') return { text, way }
  const [, secret = ''] = way
  if (way.length !== 2 || !SECRET.test(secret)) {
    throw new TemplateError(
      `"${text}" names no secret. Write {{secrets.NAME}}, with a name as GET /api/secrets lists it.`,
    )
  }
  return { text, secret }
}

/** Values that placeholders stand for. */
export interface Values {
  readonly item: unknown
  /** Gives a secret by its name. */
  readonly secret: (name: string) => string
}

/** Raised by a placeholder that an item has no value for. */
export class MissingValue extends Error {
  readonly placeholder: string
  readonly way: readonly string[]
  constructor(placeholder: Extract<Placeholder, { way: readonly string[] }>, wanted: string) {
    super(wanted)
    this.placeholder = placeholder.text
    this.way = placeholder.way
  }
}

/** Finds what a placeholder stands for. @throws MissingValue */
export function lookUp(placeholder: Placeholder, { item, secret }: Values): unknown {
  if ('secret' in placeholder) return secret(placeholder.secret)
  let here = item
  for (const [depth, step] of placeholder.way.entries()) {
    if (typeof here === 'object' && here !== null && !(here instanceof LosslessNumber) && Object.hasOwn(here, step)) {
      here = Reflect.get(here, step)
    } else if (depth === 0 && step === WHOLE) here = item
    else throw new MissingValue(placeholder, `has no field "${placeholder.way.join('.')}"`)
  }
  return here
}

/** Gives a value as text. @throws MissingValue for one that is no text, number or boolean */
export function textOf(placeholder: Placeholder, values: Values): string {
  const value = lookUp(placeholder, values)
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean' || value instanceof LosslessNumber) return String(value)
  if ('secret' in placeholder) return ''
  throw new MissingValue(placeholder, `has no text, number or boolean as "${placeholder.way.join('.')}"`)
}

/** Fills a template. @param encode encodes a value for the text; takes the value and the segment's index */
export function fillText(segments: Segments, values: Values, encode = (text: string, _at: number) => text): string {
  let text = ''
  for (const [at, segment] of segments.entries()) {
    text += typeof segment === 'string' ? segment : encode(textOf(segment, values), at)
  }
  return text
}

/** Lists the secrets that segments name. */
export const secretsIn = (segments: Segments): string[] =>
  segments.flatMap((segment) => (typeof segment !== 'string' && 'secret' in segment ? [segment.secret] : []))
