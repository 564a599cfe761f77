/** A Hono app with a route of its own, and Millrace behind it: node server.ts */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createMillrace, defineOperation } from 'millrace'
import * as z from 'zod'

const Order = z.object({ customer: z.string(), cents: z.int().positive() })

const invoice = defineOperation({
  name: 'invoice',
  item: Order,
  input: z.object({ month: z.string() }),
  result: z.object({ number: z.string(), total: z.string() }),
  run({ customer, cents }, ctx) {
    // Counted once for each order, however often its job was tried.
    ctx.emit(cents, 'cents')
    return { number: `${ctx.input.month}-${ctx.index + 1}`, total: `${customer} owes ${(cents / 100).toFixed(2)}` }
  },
})

const millrace = await createMillrace({ operations: [invoice], dataDir: process.env.DATA_DIR ?? '.millrace' })
const app = new Hono()

app.post('/invoices/:month', async (c) => {
  const month = c.req.param('month')
  const orders = z.array(Order).safeParse(await c.req.json())
  if (!orders.success) return c.json({ error: z.prettifyError(orders.error) }, 400)
  // Sent twice, the invoices of a month are made once.
  const batch = await millrace.submit(invoice, orders.data, { input: { month }, idempotencyKey: `invoices-${month}` })
  return c.json({ ...batch, streamUrl: `/api/batch/${batch.batchId}/stream` }, batch.created ? 202 : 200)
})

// Its API, its streams, /docs. Paths that are not Millrace's stay yours.
app.route('/', millrace.app)
app.get('/', (c) => c.text('POST /invoices/2031-01'))

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 8000), hostname: '127.0.0.1' }, ({ port }) =>
  console.log(`http://127.0.0.1:${port}`),
)
process.on('SIGTERM', async () => {
  server.close()
  await millrace.close()
})
