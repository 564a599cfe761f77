/** The template of a body: a value of JSON, whose texts hold placeholders, or a text of the type that the header `Content-Type` says. */
import { LosslessNumber } from '../../lossless-json.ts'
import { fillText, lookUp, parseTemplate, type Segments, secretsIn, textOf, type Values } from './template.ts'

/** A body that is filled for each item. */
export interface BodyTemplate {
  readonly secrets: readonly string[]
  /** True where the filled text must be JSON, which can be checked only once it is filled. */
  readonly mustParse: boolean
  /** @throws MissingValue */
  fill(values: Values): string
}

/**
 * Reads a template.
 * @param contentType of the header; undefined for none, which is JSON
 * @throws TemplateError
 */
export function parseBody(template: unknown, contentType: string | undefined): BodyTemplate {
  if (typeof template !== 'string') return valueTemplate(template)
  const segments = parseTemplate(template)
  const secrets = secretsIn(segments)
  const type = (contentType ?? 'application/json').toLowerCase()
  if (/^application\/([\w.+-]+\+)?json\b/.test(type)) {
    const isInText = insideTexts(segments)
    return { secrets, mustParse: true, fill: (values) => fillJson(segments, isInText, values) }
  }
  const encode = type.startsWith('application/x-www-form-urlencoded') ? encodeURIComponent : (text: string) => text
  return { secrets, mustParse: false, fill: (values) => fillText(segments, values, encode) }
}

/** In JSON a placeholder stands for a value, within quotation marks for its text. */
function fillJson(segments: Segments, isInText: readonly boolean[], values: Values): string {
  return segments
    .map((segment, at) => {
      if (typeof segment === 'string') return segment
      if (isInText[at] !== true) return JSON.stringify(lookUp(segment, values)) ?? 'null'
      return JSON.stringify(textOf(segment, values)).slice(1, -1)
    })
    .join('')
}

/** Returns for each segment true where it begins inside a JSON string. */
function insideTexts(segments: Segments): boolean[] {
  let open = false
  return segments.map((segment) => {
    const before = open
    if (typeof segment === 'string') {
      for (let at = 0; at < segment.length; at++) {
        if (open && segment[at] === '\\') at++
        else if (segment[at] === '"') open = !open
      }
    }
    return before
  })
}

type Fill = (values: Values) => unknown

function valueTemplate(template: unknown): BodyTemplate {
  const secrets: string[] = []
  const fill = compile(template, secrets)
  return { secrets, mustParse: false, fill: (values) => JSON.stringify(fill(values)) ?? 'null' }
}

/** Makes the function that gives a value of the template for an item. */
function compile(template: unknown, secrets: string[]): Fill {
  if (typeof template === 'string') return compileText(parseTemplate(template), template, secrets)
  if (typeof template !== 'object' || template === null || template instanceof LosslessNumber) return () => template
  if (Array.isArray(template)) {
    const parts = template.map((one) => compile(one, secrets))
    return (values) => parts.map((part) => part(values))
  }
  const members = Object.entries(template).map(([name, one]) => [name, compile(one, secrets)] as const)
  return (values) => Object.fromEntries(members.map(([name, part]) => [name, part(values)]))
}

/** A text that is nothing but a placeholder becomes the value, of whatever type. */
function compileText(segments: Segments, text: string, secrets: string[]): Fill {
  secrets.push(...secretsIn(segments))
  const [only] = segments
  if (segments.length === 1 && only !== undefined && typeof only !== 'string') return (values) => lookUp(only, values)
  return segments.every((segment) => typeof segment === 'string') ? () => text : (values) => fillText(segments, values)
}
