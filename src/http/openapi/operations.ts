/** Adds the schemas of a server's operations to its OpenAPI document: a typed body of `createBatch`, and typed results, for each. */
import type { Operations } from '../../operation.ts'
import { type JsonSchema, jsonSchemas } from './schemas.ts'

/** The parts of a document that are added to. */
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

const refer = (name: string) => ({ $ref: `#/components/schemas/${name}` })

/**
 * Adds, for each operation that says what its items are, the components `CreateBatch.<name>` and `ResultSets.<name>`, and makes of `CreateBatch`
 * and `ResultSets` one of those or the plain form of the others.
 */
export function withOperations<T extends Document>(document: T, operations: Operations): T {
  const described = Object.values(operations).flatMap(({ name, description, schemas }) =>
    schemas === undefined ? [] : [{ name, description, schemas }],
  )
  const { CreateBatch: create, ResultSets: sets, ...rest } = document.components.schemas
  if (described.length === 0 || create === undefined || sets === undefined) return document
  const sent = jsonSchemas(
    described.flatMap(({ schemas }) => [schemas.item, schemas.input]),
    'input',
  )
  const came = jsonSchemas(
    described.map(({ schemas }) => schemas.result),
    'output',
  )
  const own = Object.fromEntries(
    described.flatMap(({ name, description, schemas }) => {
      const item = sent.of(schemas.item)
      return [
        [`CreateBatch.${name}`, typedCreate(name, description, { item, input: sent.of(schemas.input) })],
        [`ResultSets.${name}`, typedResults(name, { item, result: came.of(schemas.result) })],
      ]
    }),
  )
  const names = described.map(({ name }) => name)
  const oneOf = (component: string) => names.map((name) => refer(`${component}.${name}`))
  return {
    ...document,
    components: {
      ...document.components,
      schemas: {
        // Written first: components of Millrace's own replace those of an operation with the same id.
        ...sent.components,
        ...came.components,
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

const properties = (schema: JsonSchema): object =>
  typeof schema.properties === 'object' && schema.properties !== null ? schema.properties : {}

function typedCreate(
  name: string,
  description: string | undefined,
  { item, input }: { item: JsonSchema; input: JsonSchema },
): JsonSchema {
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
    },
    required: ['operation'],
    additionalProperties: false,
  }
}

function typedResults(name: string, { item, result }: { item: JsonSchema; result: JsonSchema }): JsonSchema {
  const set = { type: 'array', items: { type: 'object', properties: { item, result } } }
  return {
    description: `Results of "${name}".`,
    allOf: [refer('ResultSets.any'), { type: 'object', properties: { succeeded: set, failed: set, untouched: set } }],
  }
}
