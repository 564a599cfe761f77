/** JSON Schema (draft 2020-12, as OpenAPI 3.1 has it) turned into arbitraries: what a caller who reads the document might send. */
import fc from 'fast-check'

type Schema = Readonly<Record<string, unknown>>

/** Values for fields by their name, where a value that means something leads deeper than one that merely fits. */
export type Hints = Readonly<Record<string, readonly unknown[]>>

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const objects = (value: unknown): Schema[] => (Array.isArray(value) ? value.filter(isObject) : [])
const number = (value: unknown, fallback: number) => (typeof value === 'number' ? value : fallback)

const DATES = { min: new Date('1969-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }
const FORMATS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'date-time': fc.date(DATES).map((date) => date.toISOString()),
  date: fc.date(DATES).map((date) => date.toISOString().slice(0, 10)),
  uri: fc.webUrl(),
  uuid: fc.uuid(),
}
/** Deep enough for every schema; recursive ones end here. */
const DEEPEST = 6

/** Makes arbitraries of schemas that may refer to the components of a document. */
export class SchemaArbitraries {
  readonly #document: Schema
  readonly #hints: Hints

  constructor(document: Schema, hints: Hints) {
    this.#document = document
    this.#hints = hints
  }

  /** Values that fit a schema, mostly: formats and patterns beyond the common ones are not followed. */
  of(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
    if (!isObject(schema) || depth > DEEPEST) return fc.constantFrom<unknown>(null, 0, 'x', [], {})
    if (typeof schema.$ref === 'string') return this.of(this.#resolve(schema.$ref), depth)
    if ('const' in schema) return fc.constant(schema.const)
    if (Array.isArray(schema.enum) && schema.enum.length > 0) return fc.constantFrom<unknown>(...schema.enum)
    const choices = [...objects(schema.anyOf), ...objects(schema.oneOf)]
    if (choices.length > 0) return fc.oneof(...choices.map((choice) => this.of(choice, depth + 1)))
    const parts = objects(schema.allOf)
    if (parts.length > 0)
      return fc.tuple(...parts.map((part) => this.of(part, depth + 1))).map((all) => Object.assign({}, ...all))
    if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => this.of({ ...schema, type }, depth)))
    return this.#typed(schema, depth)
  }

  #typed(schema: Schema, depth: number): fc.Arbitrary<unknown> {
    const { type, format, minimum, maximum } = schema
    if (type === 'string') return this.#string(schema, typeof format === 'string' ? format : '')
    if (type === 'integer')
      return fc.integer({ min: number(minimum, -(2 ** 31)), max: Math.min(number(maximum, 2 ** 31), 2 ** 31) })
    if (type === 'number') return fc.double({ noNaN: true, noDefaultInfinity: true })
    if (type === 'boolean') return fc.boolean()
    if (type === 'null') return fc.constant(null)
    if (type === 'array') {
      const most = Math.min(number(schema.maxItems, 4), 4)
      return fc.array(this.of(schema.items, depth + 1), {
        minLength: Math.min(number(schema.minItems, 0), most),
        maxLength: most,
      })
    }
    if (type === 'object') return this.#object(schema, depth)
    return fc.jsonValue({ maxDepth: 3 })
  }

  #string({ minLength, maxLength, pattern }: Schema, format: string): fc.Arbitrary<string> {
    const formatted = FORMATS[format]
    if (formatted !== undefined) return formatted
    if (typeof pattern === 'string' && pattern.length < 200)
      return fc.stringMatching(new RegExp(pattern), { maxLength: 40 })
    const most = Math.min(number(maxLength, 20), 20)
    return fc.string({ minLength: Math.min(number(minLength, 0), most), maxLength: most, unit: 'grapheme' })
  }

  #object({ properties, required, additionalProperties }: Schema, depth: number): fc.Arbitrary<unknown> {
    const fields = Object.entries(isObject(properties) ? properties : {})
    const must = Array.isArray(required) ? required.map(String) : []
    const known = Object.fromEntries(fields.map(([name, field]) => [name, this.field(name, field, depth + 1)]))
    const record: fc.Arbitrary<Record<string, unknown>> = fc.record(known, {
      requiredKeys: fields.map(([name]) => name).filter((name) => must.includes(name)),
    })
    if (!isObject(additionalProperties)) return record
    const more = fc.dictionary(fc.string({ maxLength: 8 }), this.of(additionalProperties, depth + 1), { maxKeys: 3 })
    return fc.tuple(record, more).map(([own, other]) => ({ ...other, ...own }))
  }

  /** Values for a field or parameter, those that mean something among them. */
  field(name: string, schema: unknown, depth = 0): fc.Arbitrary<unknown> {
    const hints = Object.hasOwn(this.#hints, name) ? (this.#hints[name] ?? []) : []
    const fitting = this.of(schema, depth)
    return hints.length === 0 ? fitting : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...hints) }, fitting)
  }

  #resolve(reference: string): unknown {
    let at: unknown = this.#document
    for (const key of reference.replace(/^#\//, '').split('/')) at = isObject(at) ? at[key] : undefined
    return at
  }
}
