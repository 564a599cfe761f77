/** The app: the order of the middleware, and the routes. Runs wherever its dependencies do. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { authenticate } from './http/auth.ts'
import { boundRequests, READ_BOUNDS } from './http/bounds.ts'
import type { AppDeps, Env } from './http/context.ts'
import { errorHandler, notFoundHandler } from './http/errors.ts'
import { limitRequests } from './http/limits.ts'
import { logRequests } from './http/logging.ts'
import { answerOptions, methodsOf, refuseOtherMethods } from './http/methods.ts'
import { isAllowedOrigin, refuseForeign } from './http/origin.ts'
import { Quotas } from './http/quotas.ts'
import { extractRoutes } from './routes/batch/extract.ts'
import { nativeRoutes } from './routes/batch/native.ts'
import { batchReadRoutes } from './routes/batch/reads.ts'
import { resultRoutes } from './routes/batch/results.ts'
import { sharedResultRoutes } from './routes/batch/shared.ts'
import { statusRoutes } from './routes/batch/status.ts'
import { cardRoutes } from './routes/bulk/cards.ts'
import { cardPageRoutes } from './routes/bulk/page.ts'
import { taskRoutes } from './routes/bulk/tasks.ts'
import { chunkRoutes } from './routes/chunks.ts'
import { collectionRoutes } from './routes/collections.ts'
import { docsRoutes } from './routes/docs.ts'
import { artifactRoutes } from './routes/export/artifacts.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { rateLimits } from './wire/limits.ts'

/** Makes the app of what an entry chose. */
export function createApp(deps: AppDeps): Hono<Env> {
  const app = new Hono<Env>()
  const quotas = new Quotas(deps, deps.limits ?? { perHour: rateLimits([]), blocks: false })
  app.onError(errorHandler(deps.log))
  app.notFound(notFoundHandler)
  if (deps.traceRequests !== undefined) app.use(deps.traceRequests)
  app.use(requestId())
  app.use(logRequests(deps.log, deps.clock))
  app.use(secureHeaders())
  const methods = methodsOf(app)
  app.use(answerOptions(methods))
  app.use(
    cors({
      origin: (origin) => (isAllowedOrigin(deps.auth, origin) ? origin : null),
      allowMethods: (_, c) => [...(methods(c.req.path) ?? [])],
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
        'Location',
      ],
    }),
  )
  app.use(refuseForeign(deps.auth))
  app.use(authenticate(deps))
  app.use(refuseOtherMethods(methods))
  app.use(limitRequests(deps, quotas))
  for (const prefix of ['/api/v1/*', '/api/chunks/*']) app.use(prefix, boundRequests(READ_BOUNDS))
  app.route('/', docsRoutes(deps))
  app.route('/', healthRoutes(deps))
  app.route('/', metricsRoutes(deps))
  app.route('/api/batch', extractRoutes(deps))
  app.route('/api/batch', nativeRoutes(deps))
  app.route('/api/batch', resultRoutes(deps))
  app.route('/api/batch', statusRoutes(deps))
  app.route('/api/webhooks', webhookRoutes(deps))
  app.route('/api/v1/batch', batchReadRoutes(deps))
  app.route('/api/v1/activities', collectionRoutes(deps, 'activities', 'activities'))
  app.route('/api/v1/participations', collectionRoutes(deps, 'participations', 'participations'))
  app.route('/api/v1/coaching', collectionRoutes(deps, 'coaching', 'notes'))
  app.route('/api/chunks', chunkRoutes(deps))
  app.route('/bulk', cardRoutes(deps))
  app.route('/bulk', taskRoutes(deps))
  app.route('/cards', cardPageRoutes(deps, quotas))
  app.route('/results', sharedResultRoutes(deps, quotas))
  app.route('/exports', artifactRoutes(deps))
  return app
}
