/** Serves the page without Next.js: its files, its route, and Millrace under the same origin. */
import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { createMillrace } from 'millrace'
import { POST } from './app/api/words/route.ts'
import { words } from './operations.ts'

const apiKey = crypto.randomUUID()
const millrace = await createMillrace({
  operations: [words],
  dataDir: process.env.DATA_DIR ?? '.millrace',
  auth: 'keys',
  settings: { MILLRACE_API_KEY: apiKey },
})
const app = new Hono()
app.post('/api/words', (c) => POST(c.req.raw))
app.route('/', millrace.app)
app.use(serveStatic({ root: './dist' }))

const port = Number(process.env.PORT ?? 3000)
serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, ({ port }) => {
  process.env.MILLRACE_URL = `http://127.0.0.1:${port}`
  process.env.MILLRACE_API_KEY = apiKey
  console.log(process.env.MILLRACE_URL)
})
