/** Liveness: answers while the process does. Apart from `health-routes.ts`, so that a server answers before it has opened its database. */
import type { Hono } from 'hono'
import type { Env } from '../../http/context.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { Alive } from './schemas.ts'

const isAlive = {
  route: 'GET /healthz',
  id: 'isAlive',
  summary: 'Whether the process answers',
  access: 'public',
  query: 'any',
  answers: { 200: json('It does.', Alive) },
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [isAlive]

/** Makes the route that needs neither a key nor a database. */
export function livenessRoutes(): Hono<Env> {
  return new Routes('/', CODED_ERRORS).add(isAlive, (c) => c.json({ status: 'ok' } satisfies Alive)).hono
}
