/** Serves the description of the API, for programs (`/openapi.json`) and for people (`/docs`), and the rules for crawlers (`/robots.txt`). */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { answerTagged, makeTag } from '../../http/response/etag.ts'

/** Scripts, styles and requests of this server alone; the style sheet holds its pictures itself. */
const POLICY = `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Files that the page loads, with their content types; all but `start.js` are files of Swagger UI. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['start.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
])

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  domNode: document.querySelector('main'),
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
})
`

/** The robots exclusion protocol, RFC 9309. Public pages may be read, because they say themselves that they are not to be indexed. */
const ROBOTS = 'User-agent: *\nAllow: /cards/\nAllow: /results/\nDisallow: /\n'

/** `GET /openapi.json`, `GET /docs`, `GET /docs/:file`, `GET /robots.txt`. None needs a key. */
export function docsRoutes(deps: Pick<AppDeps, 'assets'>, loadDocument: () => Promise<object>): Hono<Env> {
  /** Bytes that all answers share. */
  let document: { readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string } | undefined
  return new Hono<Env>()
    .get('/openapi.json', async (c) => {
      document ??= await encode(JSON.stringify(await loadDocument()))
      return answerTagged(c, document.etag, document.bytes)
    })
    .get('/docs', (c) => {
      c.header('Content-Security-Policy', POLICY)
      return c.html(PAGE)
    })
    .get('/docs/:file', async (c) => {
      const name = c.req.param('file')
      const type = TYPES.get(name)
      const body = name === 'start.js' ? START : await deps.assets?.read(name)
      if (type === undefined || body === undefined || body === null) {
        throw new MillraceError('NOT_FOUND', 'There is no such file.')
      }
      return c.body(body, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' })
    })
    .get('/robots.txt', (c) => c.text(ROBOTS))
}

async function encode(text: string) {
  const bytes = new TextEncoder().encode(text)
  return { bytes, etag: await makeTag(bytes) }
}

const PAGE = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Millrace: its API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="data:,">
</head><body><main></main><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`
