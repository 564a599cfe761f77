/** Makes routes from their descriptions: requests are checked by the schemas of path, query and body that the description documents. */
import { zValidator } from '@hono/zod-validator'
import { type Context, type Handler, Hono, type MiddlewareHandler } from 'hono'
import * as z from 'zod'
import type { Env } from './context.ts'
import type { Content, Endpoint, Parameters } from './openapi/endpoint.ts'
import { checkJson } from './request/check.ts'
import { readJsonBody, readOptionalJsonBody } from './request/json-body.ts'
import { safeParse } from './request/safe-parse.ts'
import type { ErrorFormat } from './response/error-formats.ts'

type Read<T> = T extends z.ZodType ? z.output<T> : Readonly<Record<never, never>>

/** Value of a JSON body by its description; `undefined` where the route has none that is checked. */
type ReadJson<B> = B extends { 'application/json': infer C }
  ? C extends { longList: { name: infer N extends string; frame: infer F; element: infer E } }
    ? Omit<Read<F>, N> & Readonly<Record<N, Read<E>[]>>
    : C extends { schema: infer S }
      ? Read<S>
      : undefined
  : undefined

type Described = Pick<Endpoint, 'path' | 'query' | 'body'>

/** Values of a request that were checked, as `c.req.valid('query')`, `c.req.valid('param')` and `c.req.valid('json')` give them. */
export interface Checked<E extends Described> {
  out: { query: Read<E['query']>; param: Read<E['path']>; json: ReadJson<E['body']> }
}

/** The context of a handler. */
export type RouteContext<E extends Described> = Context<Env, string, Checked<E>>

const NONE = z.strictObject({})

/**
 * The routes of a surface, each added with its description.
 *
 * @example
 * const readNote = { route: 'GET /api/notes/:id', id: 'readNote', … } satisfies Endpoint
 *
 * new Routes('/api/notes', CODED_ERRORS).add(readNote, (c) => show(deps, c.req.valid('param').id)).hono
 */
export class Routes {
  readonly hono = new Hono<Env>()
  readonly #mount: string
  readonly #errors: ErrorFormat

  /**
   * @param mount the path that the surface is mounted at
   * @param errors its error format, which words what is wrong with a request
   */
  constructor(mount: string, errors: ErrorFormat) {
    this.#mount = mount
    this.#errors = errors
  }

  /**
   * Adds a route.
   * @param before runs after the check of path and query, and before a JSON body is read: bounds of that, conditions that come first
   */
  add<const E extends Endpoint>(
    endpoint: E,
    handle: Handler<Env, string, Checked<E>>,
    before: readonly MiddlewareHandler<Env>[] = [],
  ): this {
    const {
      route,
      path = NONE,
      query = NONE,
      access,
      body,
      bodyMayBeLeftOut = false,
      bodyIsStreamed = false,
    } = endpoint
    const content = bodyIsStreamed ? undefined : body?.['application/json']
    const [method = '', whole = ''] = route.split(' ')
    const at = `/${whole.slice(this.#mount.length).replace(/^\//, '')}`
    this.hono.on(method, at, this.#checked('param', path))
    if (query !== 'any') this.hono.on(method, at, this.#checked('query', query, access === 'link' ? LINK : []))
    for (const one of before) this.hono.on(method, at, one)
    if (content !== undefined) this.hono.on(method, at, this.#checkedJson(content, bodyMayBeLeftOut))
    this.hono.on(method, at, handle)
    return this
  }

  /**
   * Checks a JSON body as zValidator would, with the same errors. zValidator reads by `c.req.json()`, which takes a body of any size into memory,
   * blocks the event loop while it parses, and rounds numbers that a double cannot represent.
   */
  #checkedJson(content: Content, mayBeLeftOut: boolean): MiddlewareHandler<Env> {
    return async (c, next) => {
      const read = mayBeLeftOut ? await readOptionalJsonBody(c) : await readJsonBody(c)
      c.req.addValidatedData('json', Object(await checkJson(this.#errors.refuse, read, content)))
      c.set('largestElement', read.largest)
      await next()
    }
  }

  /** @param passed names that are read elsewhere */
  #checked(target: 'param' | 'query', schema: Parameters, passed: readonly string[] = []): MiddlewareHandler<Env> {
    const place = target === 'param' ? 'path' : 'query'
    return zValidator(
      target,
      schema,
      (result) => {
        if (!result.success) throw this.#errors.refuse([place], result.data, new z.ZodError(result.error.issues))
      },
      { validationFunction: (_, value) => parseParameters(schema, value, passed) },
    )
  }
}

/** The parameter of signed links: authentication reads it. */
const LINK = ['token']

/** Parses as `safeParse` does, with a message of its own where a single-valued parameter is sent several times. */
function parseParameters(schema: Parameters, value: object, passed: readonly string[]) {
  const values = new Map<PropertyKey, unknown>(Object.entries(value).filter(([name]) => !passed.includes(name)))
  const parsed = safeParse(schema, Object.fromEntries(values))
  if (parsed.success) return parsed
  const issues = parsed.error.issues.map((issue) => {
    const [name = '', ...deeper] = issue.path
    const sent = values.get(name)
    if (deeper.length > 0 || !Array.isArray(sent)) return issue
    return { ...issue, message: `Expected one value, and ${sent.length} were sent.` }
  })
  return { success: false as const, error: new z.ZodError(issues) }
}
