/** The app: the order of the middleware, and the routes. Runs wherever its dependencies do. */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import type { TableResourceName } from './features/resources/tables.ts'
import { docsRoutes } from './features/server/docs-routes.ts'
import { healthRoutes } from './features/server/health-routes.ts'
import { metricsRoutes } from './features/server/metrics-routes.ts'
import { authenticate } from './http/auth/authenticate.ts'
import type { AppDeps, Env } from './http/context.ts'
import { setFirst } from './http/middleware/apply-headers-early.ts'
import { answerOptions, methodsOf, refuseOtherMethods } from './http/middleware/methods.ts'
import { isAllowedOrigin, refuseForeign } from './http/middleware/origin.ts'
import { Quotas } from './http/middleware/quotas.ts'
import { limitRequests } from './http/middleware/rate-limit.ts'
import { boundRequests, READ_BOUNDS } from './http/middleware/request-limits.ts'
import { logRequests } from './http/middleware/request-log.ts'
import { pathOf } from './http/request/path.ts'
import { errorHandler, notFoundHandler } from './http/response/errors.ts'
import { rateLimits } from './rate-classes.ts'

/** Makes the routes of a surface. */
type Routes = (deps: AppDeps, quotas: Quotas) => Hono<Env>

/**
 * The surfaces, by where their paths begin. Each is loaded by whoever serves it: an isolate at the edge starts for one request, and to
 * evaluate the schemas of all surfaces takes it longer than everything else does.
 */
const SURFACES: readonly (readonly [at: string, load: () => Promise<Routes>])[] = [
  ['/api/batch', async () => (await import('./features/heat-sheets/routes.ts')).extractRoutes],
  ['/api/batch', async () => (await import('./features/batches/routes.ts')).nativeRoutes],
  ['/api/batch', async () => (await import('./features/batches/result-routes.ts')).resultRoutes],
  ['/api/batch', async () => (await import('./features/batches/follow-routes.ts')).statusRoutes],
  ['/api/webhooks', async () => (await import('./features/webhooks/routes.ts')).webhookRoutes],
  ['/api/v1/batch', batchReads],
  ['/api/v1/activities', () => collection('activities', 'activities')],
  ['/api/v1/participations', () => collection('participations', 'participations')],
  ['/api/v1/coaching', () => collection('coaching', 'notes')],
  ['/api/chunks', async () => (await import('./features/chunks/routes.ts')).chunkRoutes],
  ['/bulk', async () => (await import('./features/cards/routes.ts')).cardRoutes],
  ['/bulk', async () => (await import('./features/cards/task-routes.ts')).taskRoutes],
  ['/cards', async () => (await import('./features/cards/card-page.ts')).cardPageRoutes],
  ['/results', async () => (await import('./features/heat-sheets/result-page.ts')).resultPageRoutes],
  ['/exports', async () => (await import('./features/exports/routes.ts')).artifactRoutes],
]

/** Batch reads look up what every feature has. */
async function batchReads(): Promise<Routes> {
  const [{ batchReadRoutes }, { readableBatches }, { readableCards }, { readableChunks }] = await Promise.all([
    import('./features/resources/routes.ts'),
    import('./features/batches/readable.ts'),
    import('./features/cards/readable.ts'),
    import('./features/chunks/readable.ts'),
  ])
  return (deps) =>
    batchReadRoutes(deps, [readableBatches(deps.db), readableCards(deps.db), readableChunks(deps.chunks)])
}

async function collection(name: TableResourceName, key: string): Promise<Routes> {
  const { collectionRoutes } = await import('./features/resources/collection-routes.ts')
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
  app.route('/', docsRoutes(deps, makeDocument))
  app.route('/', healthRoutes(deps))
  app.route('/', metricsRoutes(deps))
  for (const [at, routes] of surfaces) app.route(at, routes(deps, quotas))
  return app
}

/** What it is made of is loaded when somebody asks for it: a server that starts often should start fast. */
async function makeDocument(): Promise<string> {
  const [{ openApiDocument }, { default: examples }] = await Promise.all([
    import('./openapi.ts'),
    import('./http/openapi/examples.json', { with: { type: 'json' } }),
  ])
  return JSON.stringify(openApiDocument(examples))
}
