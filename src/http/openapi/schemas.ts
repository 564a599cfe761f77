/** JSON Schemas (draft 2020-12, as OpenAPI 3.1 takes them) of the wire's zod schemas; those with an id become components. */
import * as z from 'zod'

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

const COMPONENTS = '#/components/schemas/'
/** Location where zod puts schemas that have an id but were not requested themselves. */
const SHARED = `${COMPONENTS}__shared#/$defs/`

/**
 * Makes the schemas of requests (what may be sent) or of answers (what may come).
 * @returns the components, and by zod schema what to put in its place: itself, or a reference
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
  const schemas = new Map(Object.entries(made.schemas).map(([name, schema]) => [name, tidy(schema)]))
  const shared = z.object({ $defs: z.record(z.string(), z.record(z.string(), z.unknown())) })
  const components = Object.fromEntries([...schemas].filter(([name]) => !/^\d+$/.test(name) && name !== '__shared'))
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
  if (zodSchema._zod.def.type === 'file') delete jsonSchema.contentEncoding
}

/** Without what only makes sense in a document of its own. */
function tidy(schema: object): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => (key === '$schema' || key === '$id' ? undefined : value))
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text.replaceAll(SHARED, COMPONENTS)))
}
