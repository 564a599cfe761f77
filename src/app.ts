/** The app: the order of the middleware, and the routes. Runs wherever its dependencies do. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { authenticate } from './http/auth/authenticate.ts'
import type { AppDeps, Env } from './http/context.ts'
import { applyHeadersEarly } from './http/middleware/apply-headers-early.ts'
import { answerOptions, methodsOf, refuseOtherMethods } from './http/middleware/methods.ts'
import { isAllowedOrigin, refuseForeign } from './http/middleware/origin.ts'
import { Quotas } from './http/middleware/quotas.ts'
import { limitRequests } from './http/middleware/rate-limit.ts'
import { boundRequests } from './http/middleware/request-limits.ts'
import { logRequests } from './http/middleware/request-log.ts'
import { parsePath } from './http/request/path.ts'
import { errorHandler, notFoundHandler } from './http/response/errors.ts'
import { rateLimits } from './rate-classes.ts'
import { surfaces } from './surfaces.ts'

/** Time for which browsers may cache a preflight, in seconds; Chromium caps it at this. */
const PREFLIGHT_SECONDS = 7_200

/**
 * Makes the app of what an entry chose.
 * @param only the one request it is for, so that only what can answer this is loaded; absent: it serves any
 */
export async function createApp(deps: AppDeps, only?: Request): Promise<Hono<Env>> {
  const served = only === undefined ? [...surfaces] : surfaces.candidates(parsePath(only))
  const loaded = await Promise.all(served.map(async ({ mount, load }) => ({ mount, routes: await load() })))
  const app = new Hono<Env>({ getPath: parsePath })
  const quotas = new Quotas(deps, deps.limits ?? { perHour: rateLimits([]), blocks: false })
  app.onError(errorHandler(deps.log, surfaces, deps.meter))
  app.notFound(notFoundHandler(surfaces))
  if (deps.traceRequests !== undefined) app.use(deps.traceRequests)
  app.use(requestId())
  app.use(async (c, next) => {
    c.set('reservedIds', surfaces.reservedIds)
    await next()
  })
  app.use(logRequests(deps.log, deps.meter, surfaces))
  app.use(applyHeadersEarly(secureHeaders()))
  const methods = methodsOf(app)
  app.use(answerOptions(methods))
  app.use(
    applyHeadersEarly(
      cors({
        origin: (origin) => (isAllowedOrigin(deps.auth, origin) ? origin : null),
        allowMethods: (_, c) => [...(methods(c.req.path) ?? [])],
        maxAge: PREFLIGHT_SECONDS,
        exposeHeaders: [
          'X-Request-Id',
          'X-RateLimit-Limit',
          'X-RateLimit-Remaining',
          'X-RateLimit-Reset',
          'RateLimit',
          'RateLimit-Policy',
          'Retry-After',
          'ETag',
          'Content-Disposition',
          'Content-Range',
          'Location',
        ],
      }),
    ),
  )
  app.use(refuseForeign(deps.auth))
  app.use(authenticate(deps, surfaces))
  app.use(refuseOtherMethods(methods))
  app.use(limitRequests(deps, quotas, methods, surfaces))
  for (const { prefixes, mount, limits } of served) {
    if (limits !== undefined) for (const prefix of prefixes ?? [mount]) app.use(`${prefix}/*`, boundRequests(limits))
  }
  for (const { mount, routes } of loaded) app.route(mount, routes(deps, quotas))
  return app
}
