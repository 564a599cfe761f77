/** Described: what the server says of itself. */
import * as z from 'zod'
import { type Endpoint, json, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { Alive, NotReady, Ready } from './schemas.ts'

export const endpoints: readonly Endpoint[] = [
  {
    route: 'GET /healthz',
    id: 'isAlive',
    summary: 'Whether the process answers',
    access: 'public',
    answers: { 200: json('It does.', Alive) },
  },
  {
    route: 'GET /readyz',
    id: 'isReady',
    summary: 'Whether the database answers too',
    access: 'public',
    answers: { 200: json('It does.', Ready), 503: json('It does not.', NotReady) },
  },
  {
    route: 'GET /metrics',
    id: 'readMetrics',
    summary: 'Queue, workers, streams and attempts, for Prometheus',
    answers: {
      200: { description: 'Prometheus text format 0.0.4.', content: { 'text/plain': { schema: z.string() } } },
    },
  },
  {
    route: 'GET /openapi.json',
    id: 'readOpenApi',
    summary: 'This document',
    access: 'public',
    headers: ['If-None-Match'],
    answers: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() }), ['ETag']), 304: NOT_MODIFIED },
  },
  {
    route: 'GET /docs',
    id: 'showDocs',
    summary: 'This document as a page',
    access: 'public',
    answers: { 200: { description: 'A page for people.', content: { 'text/html': { schema: z.string() } } } },
  },
  {
    route: 'GET /docs/:file',
    id: 'readDocsFile',
    summary: 'A script or style of that page',
    access: 'public',
    path: { file: 'Its name.' },
    answers: {
      200: {
        description: 'The file.',
        content: { 'text/javascript': { schema: z.string() }, 'text/css': { schema: z.string() } },
      },
    },
    errors: [404],
  },
  {
    route: 'GET /robots.txt',
    id: 'readRobots',
    summary: 'What crawlers may read: published cards, which say that they are not to be indexed',
    access: 'public',
    answers: { 200: { description: 'RFC 9309.', content: { 'text/plain': { schema: z.string() } } } },
  },
]
