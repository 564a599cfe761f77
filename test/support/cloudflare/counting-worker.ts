/** The Worker as it is, with its queries counted: `GET /__queries` tells how many requests have made so far, and how many Durable Objects. */
import type { D1Database, DurableObjectState, ExecutionContext, MessageBatch } from '@cloudflare/workers-types'
import worker, { MillraceBatch as Batch, MillraceTimer } from '../../../src/cloudflare.ts'

type Bindings = Parameters<typeof worker.fetch>[1]

const queries = { requests: 0, objects: 0 }

function counting(env: Bindings, by: keyof typeof queries): Bindings {
  const prepare: D1Database['prepare'] = (query) => {
    queries[by]++
    return env.DB.prepare(query)
  }
  const batch: D1Database['batch'] = (statements) => env.DB.batch(statements)
  return { ...env, DB: Object.assign(Object.create(env.DB), { prepare, batch }) }
}

export { MillraceTimer }
export class MillraceBatch extends Batch {
  constructor(state: DurableObjectState, env: Bindings) {
    super(state, counting(env, 'objects'))
  }
}

export default {
  fetch(request: Request, env: Bindings, ctx: ExecutionContext): Response | Promise<Response> {
    if (new URL(request.url).pathname === '/__queries') return Response.json(queries)
    return worker.fetch(request, counting(env, 'requests'), ctx)
  },
  queue: (messages: MessageBatch, env: Bindings, ctx: ExecutionContext) => worker.queue(messages, env, ctx),
}
