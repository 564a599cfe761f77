/** JSON that costs much to read, and where in a body it may stand. */
import { z } from 'zod'
import type { Contract, Operation } from './openapi/contract.ts'

/** A JSON array of about so many bytes, the same element again and again. */
export function listOf(element: string, bytes: number): string {
  const count = Math.floor(bytes / (element.length + 1))
  return `[${`${element},`.repeat(count - 1)}${element}]`
}

const membersOf = (bytes: number) =>
  Array.from({ length: Math.floor(bytes / 12) }, (_, i) => `"k${String(i).padStart(7, '0')}":1`).join()
const nested = (opening: string, closing: string, bytes: number) => {
  const levels = Math.floor(bytes / (opening.length + closing.length))
  return `${opening.repeat(levels)}1${closing.repeat(levels)}`
}

/** Values of about so many bytes, for one field. */
export const HOSTILE_VALUES: Readonly<Record<string, (bytes: number) => string>> = {
  'an array of []': (bytes) => listOf('[]', bytes),
  'an array of {}': (bytes) => listOf('{}', bytes),
  'an array of texts': (bytes) => listOf('"a"', bytes),
  'an object of many members': (bytes) => `{${membersOf(bytes)}}`,
  'one member again and again': (bytes) => `{${'"k":1,'.repeat(bytes / 6)}"k":1}`,
  'a long text': (bytes) => `"${'x'.repeat(bytes)}"`,
  'a text of escapes': (bytes) => `"${'\\u0041'.repeat(bytes / 6)}"`,
  'arrays nested deep': (bytes) => nested('[', ']', bytes),
  'objects nested deep': (bytes) => nested('{"a":', '}', bytes),
  'a long number': (bytes) => '9'.repeat(bytes),
}

/** Whole bodies, made of one that is taken. */
export const HOSTILE_WHOLES: Readonly<Record<string, (taken: string, bytes: number) => string>> = {
  'blanks before it': (taken, bytes) => ' \n'.repeat(bytes / 2) + taken,
  'many unknown members': (taken, bytes) => `${taken.slice(0, -1)}${taken === '{}' ? '' : ','}${membersOf(bytes)}}`,
  'one member again and again': (_, bytes) => `{${'"items":[],'.repeat(bytes / 11)}"items":[]}`,
  'an array of {}': (_, bytes) => listOf('{}', bytes),
  'nested deep': (_, bytes) => nested('{"items":', '}', bytes),
  'opened and never closed': (_, bytes) => '['.repeat(bytes),
}

/** A body that the operation takes, from the document. */
export function exampleOf({ requestBody }: Operation): Record<string, unknown> {
  const examples = Object.values(requestBody?.content['application/json']?.examples ?? {})
  return z.record(z.string(), z.unknown()).parse(examples[0]?.value)
}

type Step = string | number

/** Ways to the fields of a body: its own, those of objects in them, and those of the first element of their arrays. */
export function fieldsOf(contract: Contract, { path, method }: Operation): Step[][] {
  const at = ['paths', path, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema']
  const fields = within(contract, [], contract.schemaAt(at))
  return [...new Map(fields.map((field) => [field.join('.'), field])).values()]
}

const Schema = z.looseObject({
  $ref: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
  anyOf: z.array(z.unknown()).default([]),
  items: z.unknown().optional(),
})

function within(contract: Contract, field: Step[], schema: unknown): Step[][] {
  if (field.length > 3) return []
  const { $ref, properties, anyOf, items } = Schema.parse(schema)
  if ($ref !== undefined) return within(contract, field, contract.schemaAt($ref.replace('#/', '').split('/')))
  const own = Object.entries(properties).flatMap(([name, one]) => {
    const way = [...field, name]
    return [way, ...within(contract, way, one)]
  })
  // The body itself is taken for an object.
  const elements = items === undefined || field.length === 0 ? [] : within(contract, [...field, 0], items)
  return [...own, ...elements, ...anyOf.flatMap((one) => within(contract, field, one))]
}

/** The text of a body with a value in the place of one of its fields. */
export function bodyAround(example: Readonly<Record<string, unknown>>, field: readonly Step[], value: string): string {
  const mark = 'the place of the value'
  return JSON.stringify(replaced(example, field, mark)).replace(JSON.stringify(mark), () => value)
}

function replaced(value: unknown, [step, ...rest]: readonly Step[], by: string): unknown {
  if (step === undefined) return by
  if (typeof step === 'string') {
    const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
    return { ...object, [step]: replaced(Object.getOwnPropertyDescriptor(object, step)?.value, rest, by) }
  }
  const [first, ...others]: unknown[] = Array.isArray(value) ? value : []
  return [replaced(first, rest, by), ...others]
}
