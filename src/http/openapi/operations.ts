/** Adds the schemas of a server's operations to its OpenAPI document: a typed body of `createBatch`, and typed results, for each. */
import type { Operations } from '../../operation.ts'
import { type JsonSchema, jsonSchemas } from './schemas.ts'

/** The parts of a document that are added to. */
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

const refer = (name: string) => ({ $ref: `#/components/schemas/${name}` })

/** An operation with its schemas as the document has them. */
interface Described {
  readonly name: string
  readonly description: string | undefined
  readonly item: JsonSchema
  readonly input: JsonSchema
  readonly result: JsonSchema
}

/**
 * Adds, for each operation that says what its items are, the components `CreateBatch.<name>` and `ResultSets.<name>`, and makes of `CreateBatch`
 * and `ResultSets` one of those or the plain form of the others.
 */
export function withOperations<T extends Document>(document: T, operations: Operations): T {
  const { CreateBatch: create, ResultSets: sets, ...rest } = document.components.schemas
  const written = describeWritten(operations)
  const declared = describeDeclared(operations)
  const described = [...written.described, ...declared.described]
  if (described.length === 0 || create === undefined || sets === undefined) return document
  const own = Object.fromEntries(
    described.flatMap((one) => [
      [`CreateBatch.${one.name}`, typedCreate(one)],
      [`ResultSets.${one.name}`, typedResults(one)],
    ]),
  )
  const names = described.map(({ name }) => name)
  const oneOf = (component: string) => names.map((name) => refer(`${component}.${name}`))
  return {
    ...document,
    components: {
      ...document.components,
      schemas: {
        // Written first: components of Millrace's own replace those of an operation with the same id.
        ...written.components,
        ...declared.components,
        ...rest,
        ...own,
        'CreateBatch.any': {
          ...create,
          properties: { ...properties(create), operation: { type: 'string', not: { enum: names } } },
        },
        'ResultSets.any': sets,
        CreateBatch: { oneOf: [...oneOf('CreateBatch'), refer('CreateBatch.any')] },
        ResultSets: { anyOf: [...oneOf('ResultSets'), refer('ResultSets.any')] },
      },
    },
  }
}

/** A part of the document: operations, and the components that their schemas refer to. */
interface Part {
  readonly described: readonly Described[]
  readonly components: Readonly<Record<string, JsonSchema>>
}

/** Describes operations whose schemas are code. */
function describeWritten(operations: Operations): Part {
  const found = Object.values(operations).flatMap(({ name, description, schemas }) =>
    schemas === undefined ? [] : [{ name, description, schemas }],
  )
  const sent = jsonSchemas(
    found.flatMap(({ schemas }) => [schemas.item, schemas.input]),
    'input',
  )
  const came = jsonSchemas(
    found.map(({ schemas }) => schemas.result),
    'output',
  )
  const described = found.map(({ schemas, ...one }) => ({
    ...one,
    item: sent.of(schemas.item),
    input: sent.of(schemas.input),
    result: came.of(schemas.result),
  }))
  return { described, components: { ...sent.components, ...came.components } }
}

/** Describes operations whose schemas are data: each becomes a component, since references in it are relative to its root. */
function describeDeclared(operations: Operations): Part {
  const components: Record<string, JsonSchema> = {}
  const described = Object.values(operations).flatMap(({ name, description, jsonSchemas: given }) => {
    if (given === undefined) return []
    const add = (kind: string, schema: unknown) => {
      if (schema === undefined || schema === true) return {}
      const component = `${kind}.${name}`
      components[component] = schema === false ? { not: {} } : rebase(schema, `#/components/schemas/${component}`)
      return refer(component)
    }
    return [
      {
        name,
        description,
        item: add('Item', given.item),
        input: add('Input', given.input),
        result: add('Result', given.result),
      },
    ]
  })
  return { described, components }
}

/** Moves a schema to another place: references from its root begin there. */
function rebase(schema: unknown, root: string): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key === '$schema' || key === '$id') return undefined
    return key === '$ref' && typeof value === 'string' && value.startsWith('#') ? root + value.slice(1) : value
  })
  return Object.fromEntries(Object.entries(Object(JSON.parse(text))))
}

const properties = (schema: JsonSchema): object =>
  typeof schema.properties === 'object' && schema.properties !== null ? schema.properties : {}

function typedCreate({ name, description, item, input }: Described): JsonSchema {
  const generic = `${refer('CreateBatch.any').$ref}/properties`
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    properties: {
      operation: { type: 'string', const: name },
      input,
      items: { type: 'array', items: item, maxItems: 100_000, description: 'One a job. Left out with `open`.' },
      open: { $ref: `${generic}/open` },
      options: { $ref: `${generic}/options` },
      dryRun: { $ref: `${generic}/dryRun` },
    },
    required: ['operation'],
    additionalProperties: false,
  }
}

function typedResults({ name, item, result }: Described): JsonSchema {
  const set = { type: 'array', items: { type: 'object', properties: { item, result } } }
  return {
    description: `Results of "${name}".`,
    allOf: [refer('ResultSets.any'), { type: 'object', properties: { succeeded: set, failed: set, untouched: set } }],
  }
}
