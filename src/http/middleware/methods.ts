/** Methods of a path: 405 for others, and the answer to `OPTIONS`. Both are derived from the routes themselves. */
import type { Hono, MiddlewareHandler } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'

/** Looks up the methods of a path; undefined when nothing is there. */
export type MethodsOf = (path: string) => readonly string[] | undefined

type Routes = readonly { readonly method: string; readonly path: string }[]

/**
 * Makes the look-up. A literal path takes precedence over one with parameters, as in OpenAPI: what `/api/chunks/bulk` does not have
 * is not looked for at `/api/chunks/:id`.
 * @param app whose routes count, read when the look-up is first used
 */
export function methodsOf(app: Pick<Hono<Env>, 'routes'>): MethodsOf {
  let find: MethodsOf | undefined
  return (path) => {
    find ??= lookUp(app.routes)
    return find(path)
  }
}

function lookUp(routes: Routes): MethodsOf {
  const byPath = new Map<string, Set<string>>()
  // `ALL` is middleware; a GET answers HEAD too.
  for (const { method, path } of routes.filter((route) => route.method !== 'ALL')) {
    const methods = method === 'GET' ? ['GET', 'HEAD'] : [method]
    byPath.set(path, new Set([...(byPath.get(path) ?? []), ...methods]))
  }
  const fixed = new Map([...byPath].map(([path, methods]) => [path, [...methods]]))
  const patterns = [...fixed]
    .filter(([path]) => path.includes(':'))
    .map(([path, methods]) => ({ pattern: new RegExp(`^${path.replace(/:\w+/g, '[^/]+')}$`), methods }))
  return (path) => fixed.get(path) ?? patterns.find(({ pattern }) => pattern.test(path))?.methods
}

/** Answers `OPTIONS` with the methods of the path. Preflights (Fetch, section 3.3), which name a method, are passed on to `cors`. */
export function answerOptions(methods: MethodsOf): MiddlewareHandler<Env> {
  return async (c, next) => {
    if (c.req.method !== 'OPTIONS' || c.req.header('Access-Control-Request-Method') !== undefined) return next()
    const found = methods(c.req.path)
    return found === undefined ? c.notFound() : c.body(null, 204, { Allow: found.join(', ') })
  }
}

/**
 * Refuses methods that the path does not have.
 * @throws MillraceError METHOD_NOT_ALLOWED, with `Allow`
 */
export function refuseOtherMethods(methods: MethodsOf): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { method, path } = c.req
    const found = methods(path)
    if (found !== undefined && !found.includes(method)) {
      c.header('Allow', found.join(', '))
      throw new MillraceError('METHOD_NOT_ALLOWED', `${path} has no ${method}; it has ${found.join(', ')}.`)
    }
    await next()
  }
}
