/** The surface of the server itself: whether it is alive, what it is doing, and what it understands. */
import { Hono } from 'hono'
import type { Env } from '../../http/context.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import type { Surface } from '../../http/surface.ts'
import type { Operations } from '../../operation.ts'

/**
 * Makes the surface.
 * @param loadDocument loads the OpenAPI document of all surfaces, with what the server's operations take
 */
export function serverSurface(loadDocument: (operations: Operations) => Promise<object>): Surface {
  return {
    name: 'Server',
    description: 'Whether the server is alive, what it is doing, and what it understands.',
    mount: '/',
    prefixes: ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs', '/robots.txt'],
    errors: CODED_ERRORS,
    // Metrics cover all owners.
    scopes: { read: 'metrics:read', write: 'metrics:read' },
    publicPaths: ['/healthz', '/readyz', '/openapi.json', '/docs', '/docs/', '/robots.txt'],
    unlogged: ['/healthz', '/readyz', '/metrics'],
    load: async () => {
      const [{ docsRoutes }, { healthRoutes }, { metricsRoutes }] = await Promise.all([
        import('./docs-routes.ts'),
        import('./health-routes.ts'),
        import('./metrics-routes.ts'),
      ])
      return (deps) =>
        new Hono<Env>()
          .route('/', docsRoutes(deps, loadDocument))
          .route('/', healthRoutes(deps))
          .route('/', metricsRoutes(deps))
    },
    describe: async () => {
      const modules = [import('./health-routes.ts'), import('./metrics-routes.ts'), import('./docs-routes.ts')]
      return (await Promise.all(modules)).flatMap(({ endpoints }) => endpoints)
    },
  }
}
