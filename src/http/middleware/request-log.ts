/** One line a request in the server's log, under the id that error answers carry, and its time in the metrics. */
import type { MiddlewareHandler } from 'hono'
import type { Meter } from '../../engine/meter.ts'
import type { Log } from '../../ports.ts'
import type { Env } from '../context.ts'
import type { Surfaces } from '../surface.ts'

/**
 * Logs method, path, status, milliseconds and owner of every request. The query string is left out: it may hold a token. A stream is
 * logged when it begins.
 */
export function logRequests(log: Log, meter: Meter, surfaces: Surfaces): MiddlewareHandler<Env> {
  return async (c, next) => {
    const began = performance.now()
    await next()
    const ms = performance.now() - began
    meter.addRequest(c.req.method, c.res.status, ms)
    if (!surfaces.isLogged(c.req.path)) return
    const fields = {
      requestId: c.get('requestId'),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(ms),
      owner: c.get('caller')?.owner,
    }
    if (c.res.status >= 500) log.error(fields, 'request')
    else log.info(fields, 'request')
  }
}
