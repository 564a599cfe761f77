/** The app: the order of the middleware, and the routes. Runs wherever its dependencies do. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { authenticate } from './http/auth.ts'
import { boundRequests, READ_BOUNDS } from './http/bounds.ts'
import type { AppDeps, Env } from './http/context.ts'
import { errorHandler, notFoundHandler } from './http/errors.ts'
import { setFirst } from './http/headers.ts'
import { limitRequests } from './http/limits.ts'
import { logRequests } from './http/logging.ts'
import { answerOptions, methodsOf, refuseOtherMethods } from './http/methods.ts'
import { isAllowedOrigin, refuseForeign } from './http/origin.ts'
import { pathOf } from './http/path.ts'
import { Quotas } from './http/quotas.ts'
import { docsRoutes } from './routes/docs.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import type { TableResourceName } from './schema/resources.ts'
import { rateLimits } from './wire/limits.ts'

/** Makes the routes of a surface. */
type Routes = (deps: AppDeps, quotas: Quotas) => Hono<Env>

/**
 * The surfaces, by where their paths begin. Each is loaded by whoever serves it: an isolate at the edge starts for one request, and to
 * evaluate the schemas of all surfaces takes it longer than everything else does.
 */
const SURFACES: readonly (readonly [at: string, load: () => Promise<Routes>])[] = [
  ['/api/batch', async () => (await import('./routes/batch/extract.ts')).extractRoutes],
  ['/api/batch', async () => (await import('./routes/batch/native.ts')).nativeRoutes],
  ['/api/batch', async () => (await import('./routes/batch/results.ts')).resultRoutes],
  ['/api/batch', async () => (await import('./routes/batch/status.ts')).statusRoutes],
  ['/api/webhooks', async () => (await import('./routes/webhooks.ts')).webhookRoutes],
  ['/api/v1/batch', async () => (await import('./routes/batch/reads.ts')).batchReadRoutes],
  ['/api/v1/activities', () => collection('activities', 'activities')],
  ['/api/v1/participations', () => collection('participations', 'participations')],
  ['/api/v1/coaching', () => collection('coaching', 'notes')],
  ['/api/chunks', async () => (await import('./routes/chunks.ts')).chunkRoutes],
  ['/bulk', async () => (await import('./routes/bulk/cards.ts')).cardRoutes],
  ['/bulk', async () => (await import('./routes/bulk/tasks.ts')).taskRoutes],
  ['/cards', async () => (await import('./routes/bulk/page.ts')).cardPageRoutes],
  ['/results', async () => (await import('./routes/batch/page.ts')).resultPageRoutes],
  ['/exports', async () => (await import('./routes/export/artifacts.ts')).artifactRoutes],
]

async function collection(name: TableResourceName, key: string): Promise<Routes> {
  const { collectionRoutes } = await import('./routes/collections.ts')
  return (deps) => collectionRoutes(deps, name, key)
}

function loadSurfaces(path: string | undefined) {
  const wanted = SURFACES.filter(([at]) => path === undefined || path === at || path.startsWith(`${at}/`))
  return Promise.all(wanted.map(async ([at, load]) => [at, await load()] as const))
}

/**
 * Makes the app of what an entry chose.
 * @param only the one request it is for, so that only what can answer this is loaded; absent: it serves any
 */
export async function createApp(deps: AppDeps, only?: Request): Promise<Hono<Env>> {
  const surfaces = await loadSurfaces(only && pathOf(only))
  const app = new Hono<Env>({ getPath: pathOf })
  const quotas = new Quotas(deps, deps.limits ?? { perHour: rateLimits([]), blocks: false })
  app.onError(errorHandler(deps.log))
  app.notFound(notFoundHandler)
  if (deps.traceRequests !== undefined) app.use(deps.traceRequests)
  app.use(requestId())
  app.use(logRequests(deps.log, deps.clock))
  app.use(setFirst(secureHeaders()))
  const methods = methodsOf(app)
  app.use(answerOptions(methods))
  app.use(
    setFirst(
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
    ),
  )
  app.use(refuseForeign(deps.auth))
  app.use(authenticate(deps))
  app.use(refuseOtherMethods(methods))
  app.use(limitRequests(deps, quotas, methods))
  for (const prefix of ['/api/v1/*', '/api/chunks/*']) app.use(prefix, boundRequests(READ_BOUNDS))
  app.route('/', docsRoutes(deps))
  app.route('/', healthRoutes(deps))
  app.route('/', metricsRoutes(deps))
  for (const [at, routes] of surfaces) app.route(at, routes(deps, quotas))
  return app
}
