/** Tells whether the process answers. Apart from `health-routes.ts`, so that a server can say so before it has opened its database. */
import { Hono } from 'hono'
import type { Env } from '../../http/context.ts'

/** `GET /healthz`: the process answers. Needs no key. */
export function livenessRoutes(): Hono<Env> {
  return new Hono<Env>().get('/healthz', (c) => c.json({ status: 'ok' }))
}
