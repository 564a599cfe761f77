/** Serves the description of the API, for programs (`/openapi.json`) and for people (`/docs`), and the rules for crawlers (`/robots.txt`). */
import type { Hono } from 'hono'
import { html } from 'hono/html'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { answerTagged, makeTag } from '../../http/response/etag.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { Routes } from '../../http/routes.ts'
import type { Operations } from '../../operation.ts'

/** Scripts, styles and requests of this server alone; the style sheet holds its pictures itself. */
const POLICY = `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Files that the page loads, with their content types; all but `start.js` are files of Swagger UI. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['start.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
])

const START = `SwaggerUIBundle({
  url: 'openapi.json',
  domNode: document.querySelector('main'),
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
})
`

/** The robots exclusion protocol, RFC 9309. Public pages may be read, because they say themselves that they are not to be indexed. */
const ROBOTS = 'User-agent: *\nAllow: /cards/\nAllow: /results/\nDisallow: /\n'

const readDocument = {
  route: 'GET /openapi.json',
  id: 'readOpenApi',
  summary: 'This document',
  access: 'public',
  headers: ['If-None-Match'],
  answers: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() }), ['ETag']), 304: NOT_MODIFIED },
} satisfies Endpoint

const showDocs = {
  route: 'GET /docs',
  id: 'showDocs',
  summary: 'This document as a page',
  access: 'public',
  query: 'any',
  answers: { 200: { description: 'A page for people.', content: { 'text/html': { schema: z.string() } } } },
} satisfies Endpoint

const readFile = {
  route: 'GET /docs/:file',
  id: 'readDocsFile',
  summary: 'A script or style of that page',
  access: 'public',
  query: 'any',
  path: z.strictObject({ file: z.string().describe('Its name.') }),
  answers: {
    200: {
      description: 'The file.',
      content: { 'text/javascript': { schema: z.string() }, 'text/css': { schema: z.string() } },
    },
  },
  errors: [404],
} satisfies Endpoint

const readRobots = {
  route: 'GET /robots.txt',
  id: 'readRobots',
  summary: 'What crawlers may read: published cards, which say that they are not to be indexed',
  access: 'public',
  query: 'any',
  answers: { 200: { description: 'RFC 9309.', content: { 'text/plain': { schema: z.string() } } } },
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readDocument, showDocs, readFile, readRobots]

/** Makes the routes; none needs a key. */
export function docsRoutes(
  deps: Pick<AppDeps, 'assets' | 'publicUrl' | 'operations'>,
  loadDocument: (operations: Operations) => Promise<object>,
): Hono<Env> {
  /** Bytes that all answers share. */
  let document: { readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined
  return new Routes('/', CODED_ERRORS)
    .add(readDocument, async (c) => {
      const servers = [{ url: publicPath(deps, '/') }]
      document ??= await encode(JSON.stringify({ ...(await loadDocument(deps.operations)), servers }))
      return answerTagged(c, document.etag, document.bytes)
    })
    .add(showDocs, (c) => {
      c.header('Content-Security-Policy', POLICY)
      return c.html(PAGE)
    })
    .add(readFile, async (c) => {
      const name = c.req.valid('param').file
      const type = TYPES.get(name)
      const body = name === 'start.js' ? START : await deps.assets?.read(name)
      if (type === undefined || body === undefined || body === null) {
        throw new MillraceError('NOT_FOUND', 'There is no such file.')
      }
      return c.body(body, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' })
    })
    .add(readRobots, (c) => c.text(ROBOTS)).hono
}

async function encode(text: string) {
  const bytes = new TextEncoder().encode(text)
  return { bytes, etag: await makeTag(bytes) }
}

const PAGE = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Millrace: its API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="data:,">
</head><body><main></main><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>`
