/** The document at `/openapi.json`: OpenAPI 3.1 of every route, made of their descriptions and of the schemas of the wire. */
import * as z from 'zod'
import { VERSION } from '../../version.ts'
import type { Surface } from '../surface.ts'
import type { Answer, Content, DescribedSurface, Endpoint } from './endpoint.ts'
import { type JsonSchema, jsonSchemas } from './schemas.ts'
import { ERRORS, type ErrorStatus, REQUEST_HEADERS, RESPONSE_HEADERS } from './texts.ts'

/** Loads the descriptions of surfaces; those of one name become one. */
export async function describeSurfaces(surfaces: Iterable<Surface>): Promise<DescribedSurface[]> {
  const described = await Promise.all(
    [...surfaces].map(async ({ name, description, errors, describe }) => ({
      name,
      description,
      error: errors.schema,
      invalid: errors.refuse(['query'], {}, new z.ZodError([])).status,
      endpoints: await describe(),
    })),
  )
  const byName = Map.groupBy(described, ({ name }) => name)
  return [...byName.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, endpoints: [first, ...others].flatMap(({ endpoints }) => endpoints) }],
  )
}

const ABOUT = `Bulk work over HTTP, watched live. Errors have one shape a surface. Every answer carries \`X-Request-Id\`, and, where
its class of requests is limited, \`X-RateLimit-*\`, \`RateLimit\` and \`RateLimit-Policy\`. A method that a path does not have is answered
405 with \`Allow\`; \`HEAD\` is answered wherever \`GET\` is.`

/** Statuses that any route may answer with; public ones need no key. */
const ANYWHERE: readonly ErrorStatus[] = [401, 403, 429, 500, 503, 507]
const ANYWHERE_PUBLIC: readonly ErrorStatus[] = [403, 500, 503, 507]

/**
 * Makes the document.
 * @param surfaces in the order of the document
 * @param examples real answers, by operation and status (`createBatch 202`), and errors by surface and status (`Batch 404`)
 */
export function makeDocument(surfaces: readonly DescribedSurface[], examples: Readonly<Record<string, unknown>>) {
  const requests = jsonSchemas(
    surfaces.flatMap(({ endpoints }) => endpoints.flatMap(sent)),
    'input',
  )
  const answers = jsonSchemas(
    surfaces.flatMap(({ error, endpoints }) => [
      error,
      ...endpoints.flatMap(({ answers: given }) => Object.values(given).flatMap(came)),
    ]),
    'output',
  )
  const make = { request: requests.of, answer: answers.of, examples }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const surface of surfaces) {
    for (const endpoint of surface.endpoints) {
      const [method = '', path = ''] = endpoint.route.split(' ')
      const key = path.replace(/:(\w+)/g, '{$1}')
      paths[key] = { ...paths[key], [method.toLowerCase()]: operation(surface, endpoint, make) }
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version: VERSION, description: ABOUT },
    servers: [{ url: '/' }],
    tags: surfaces.map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas: { ...requests.components, ...answers.components },
      responses: Object.assign({}, ...surfaces.map((surface) => errorAnswers(surface, make))),
      headers: mapped(RESPONSE_HEADERS, (description) => ({ description, schema: { type: 'string' } })),
      parameters: mapped(REQUEST_HEADERS, (description, name) => ({
        name,
        in: 'header',
        description,
        schema: { type: 'string' },
      })),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a JWT. A server that runs openly on a laptop takes calls without.',
        },
        link: {
          type: 'apiKey',
          in: 'query',
          name: 'token',
          description:
            'The token of a signed link (`streamUrl`, `download_url`): reads one batch or one file, for a day.',
        },
      },
    },
  }
}

type Make = {
  readonly request: (schema: z.ZodType) => JsonSchema
  readonly answer: (schema: z.ZodType) => JsonSchema
  readonly examples: Readonly<Record<string, unknown>>
}

const sent = ({ path, query, body = {} }: Endpoint): z.ZodType[] => [
  ...(path === undefined ? [] : [path]),
  ...(query === undefined || query === 'any' ? [] : [query]),
  ...Object.values(body).map(({ schema }) => schema),
]

const came = ({ content = {} }: Answer): z.ZodType[] =>
  Object.values(content).flatMap(({ schema, eventData }) => (eventData === undefined ? [schema] : [schema, eventData]))

/** Lists the errors of an endpoint: it refuses parameters that it does not take, and an `Idempotency-Key` that is reused. */
function errorsOf({ errors = [], headers = [], query }: Endpoint, invalid: ErrorStatus): readonly ErrorStatus[] {
  return [
    ...errors,
    ...(query === 'any' ? [] : [invalid]),
    ...(headers.includes('Idempotency-Key') ? ([422] as const) : []),
  ]
}

function operation(surface: DescribedSurface, endpoint: Endpoint, make: Make) {
  const { id, summary, description, access, body, answers } = endpoint
  const anywhere = access === 'public' ? ANYWHERE_PUBLIC : ANYWHERE
  const errors = [...new Set([...anywhere, ...errorsOf(endpoint, surface.invalid)])]
    .filter((status) => !(status in answers))
    .sort((a, b) => a - b)
  return {
    tags: [surface.name],
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    security: access === 'public' ? [] : access === 'link' ? [{ bearer: [] }, { link: [] }] : [{ bearer: [] }],
    parameters: parameters(endpoint, make),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: endpoint.bodyMayBeLeftOut !== true,
            content: mapped(body, (one) => requestContent(one, make)),
          },
        }),
    responses: {
      ...mapped(answers, (answer, status) => present(answer, make, `${id} ${status}`)),
      ...Object.fromEntries(
        errors.map((status) => [status, { $ref: `#/components/responses/${surface.name}${status}` }]),
      ),
    },
  }
}

function parameters({ path, query, headers = [] }: Endpoint, make: Make): unknown[] {
  return [
    ...(path === undefined ? [] : parametersIn('path', make.request(path))),
    ...(query === undefined || query === 'any' ? [] : parametersIn('query', make.request(query))),
    ...headers.map((name) => ({ $ref: `#/components/parameters/${name}` })),
  ]
}

const Properties = z.object({ properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })) })
const Nullable = z.looseObject({ anyOf: z.tuple([z.looseObject({}), z.strictObject({ type: z.literal('null') })]) })

/** A parameter is there or not; it is never null. */
function parametersIn(place: 'path' | 'query', of: JsonSchema): unknown[] {
  return Object.entries(Properties.parse(of).properties).map(([name, { description, ...schema }]) => {
    const { anyOf, ...rest } = Nullable.safeParse(schema).data ?? { anyOf: [schema] }
    return {
      name,
      in: place,
      ...(place === 'path' ? { required: true } : {}),
      ...(description === undefined ? {} : { description }),
      schema: { ...anyOf[0], ...rest },
    }
  })
}

function requestContent({ schema, examples = {} }: Content, make: Make) {
  return { schema: make.request(schema), examples: mapped(examples, (value) => ({ value })) }
}

function present({ description, content, headers = [] }: Answer, make: Make, name: string) {
  const example = name in make.examples ? { example: make.examples[name] } : {}
  const one = ({ schema, eventData }: Content, type: string) => ({
    schema: make.answer(schema),
    ...(eventData === undefined ? {} : { 'x-event-data': make.answer(eventData) }),
    ...(type === 'application/json' || type === 'text/event-stream' ? example : {}),
  })
  return {
    description,
    headers: Object.fromEntries(headers.map((header) => [header, { $ref: `#/components/headers/${header}` }])),
    ...(content === undefined ? {} : { content: mapped(content, one) }),
  }
}

/** The errors of a surface, by its name and their status. */
function errorAnswers({ name, error, invalid, endpoints }: DescribedSurface, make: Make) {
  const headers: Partial<Record<string, Answer['headers']>> = { 401: ['WWW-Authenticate'], 429: ['Retry-After'] }
  const used = new Set<number>([...ANYWHERE, 405, ...endpoints.flatMap((endpoint) => errorsOf(endpoint, invalid))])
  const described = Object.entries(ERRORS).filter(([status]) => used.has(Number(status)))
  return Object.fromEntries(
    described.map(([status, description]) => [
      `${name}${status}`,
      present(
        { description, content: { 'application/json': { schema: error } }, headers: headers[status] ?? [] },
        make,
        `${name} ${status}`,
      ),
    ]),
  )
}

function mapped<T, U>(of: Readonly<Record<string, T>>, make: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, make(value, key)]))
}
