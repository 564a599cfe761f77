/** The server that Millrace's start is measured beside: Hono on Node, with the one route that both are asked. JavaScript, so that no types are stripped. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono().get('/healthz', (c) => c.json({ status: 'ok' }))
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`Bare Hono listens on http://127.0.0.1:${port}`)
})
