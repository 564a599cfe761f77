/** JSON Schemas (draft 2020-12, as OpenAPI 3.1 takes them) of the wire's zod schemas; those with an id become components. */
import * as z from 'zod'

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

const COMPONENTS = '#/components/schemas/'
/** Location where zod puts schemas that have an id but were not requested themselves. */
const SHARED = `${COMPONENTS}__shared#/$defs/`

/**
 * Makes the schemas of requests (what may be sent) or of answers (what may come).
 * @returns the components, and by zod schema its replacement: the schema inline, or a reference
 * @throws Error when two schemas have the same id
 */
export function jsonSchemas(
  wanted: Iterable<z.ZodType>,
  io: 'input' | 'output',
): { components: Record<string, JsonSchema>; of: (schema: z.ZodType) => JsonSchema } {
  const registry = z.registry<{ id: string }>()
  const names = new Map<z.ZodType, string>()
  for (const schema of wanted) {
    if (names.has(schema)) continue
    const name = schema.meta()?.id ?? `${names.size}`
    names.set(schema, name)
    registry.add(schema, { id: name })
  }
  const made = z.toJSONSchema(registry, { io, uri: (id) => `${COMPONENTS}${id}`, unrepresentable: 'any', override })
  const isNamed = (name: string) => !/^\d+$/.test(name)
  const schemas = new Map(
    Object.entries(made.schemas).map(([name, schema]) => [name, tidy(schema, io === 'input' && isNamed(name))]),
  )
  const shared = z.object({ $defs: z.record(z.string(), z.record(z.string(), z.unknown())) })
  const components = Object.fromEntries([...schemas].filter(([name]) => isNamed(name) && name !== '__shared'))
  Object.assign(components, shared.safeParse(schemas.get('__shared')).data?.$defs)
  return {
    components,
    of(schema) {
      const name = names.get(schema) ?? ''
      return name in components ? { $ref: `${COMPONENTS}${name}` } : (schemas.get(name) ?? {})
    },
  }
}

/** Says what a caller can use, and leaves out what it can't: bounds that only mean "a safe integer", patterns that repeat a format. */
function override({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodType
  jsonSchema: Record<string, unknown>
}): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
  if (jsonSchema.minLength === 0) delete jsonSchema.minLength
  if ('fallback' in jsonSchema) {
    if (jsonSchema.fallback !== null) jsonSchema.default = jsonSchema.fallback
    delete jsonSchema.fallback
  }
  if ('sent' in jsonSchema) {
    // Text that stands for something else, as the number of a query string does.
    const { sent } = jsonSchema
    for (const key of ['sent', 'pattern']) delete jsonSchema[key]
    Object.assign(jsonSchema, sent)
  }
  if (zodSchema._zod.def.type === 'file') delete jsonSchema.contentEncoding
}

/**
 * Leaves out what only makes sense in a document of its own.
 * @param saysDefaults whether defaults become words: of members of a component, openapi-typescript takes those that have one for required, in
 * requests as well
 */
function tidy(schema: object, saysDefaults: boolean): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key === '$schema' || key === '$id') return undefined
    return saysDefaults && key === 'properties' ? withDefaultsAsWords(value) : value
  })
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text.replaceAll(SHARED, COMPONENTS)))
}

const Member = z.looseObject({ default: z.unknown(), description: z.string().optional() })

function withDefaultsAsWords(members: unknown): unknown {
  if (typeof members !== 'object' || members === null) return members
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => {
      const found = Member.safeParse(member)
      if (!found.success || !Object.hasOwn(found.data, 'default')) return [name, member]
      const { default: value, description, ...rest } = found.data
      const words = value === null ? [] : [`Default: ${JSON.stringify(value)}.`]
      const text = [...(description === undefined ? [] : [description]), ...words].join(' ')
      return [name, text === '' ? rest : { ...rest, description: text }]
    }),
  )
}
