/** The app: the order of the middleware, and the routes. Runs wherever its dependencies do. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { authenticate } from './http/auth.ts'
import type { AppDeps, Env } from './http/context.ts'
import { errorHandler, notFoundHandler } from './http/errors.ts'
import { isAllowedOrigin, refuseForeign } from './http/origin.ts'
import { extractRoutes } from './routes/batch/extract.ts'
import { nativeRoutes } from './routes/batch/native.ts'
import { resultRoutes } from './routes/batch/results.ts'
import { statusRoutes } from './routes/batch/status.ts'
import { healthRoutes } from './routes/health.ts'

/** Makes the app of what an entry chose. */
export function createApp(deps: AppDeps): Hono<Env> {
  const app = new Hono<Env>()
  app.onError(errorHandler(deps.log))
  app.notFound(notFoundHandler)
  app.use(requestId())
  app.use(secureHeaders())
  app.use(
    cors({
      origin: (origin) => (isAllowedOrigin(deps.auth, origin) ? origin : null),
      exposeHeaders: [
        'X-Request-Id',
        'X-RateLimit-Limit',
        'X-RateLimit-Remaining',
        'X-RateLimit-Reset',
        'Retry-After',
        'ETag',
        'Content-Disposition',
        'Location',
      ],
    }),
  )
  app.use(refuseForeign(deps.auth))
  app.use(authenticate(deps))
  app.route('/', healthRoutes(deps))
  app.route('/api/batch', extractRoutes(deps))
  app.route('/api/batch', nativeRoutes(deps))
  app.route('/api/batch', resultRoutes(deps))
  app.route('/api/batch', statusRoutes(deps))
  return app
}
