/**
 * The Worker as it is, with its event loop measured: while an invocation is under way, timers of zero milliseconds follow each other, and the
 * time between two of them is a stretch in which nothing else of the isolate ran. `GET /__stretches` returns the long ones, with the times of
 * the machine's clock at which they began and ended, and forgets them; `GET /__loop` is a long one. Of workerd on one machine alone: on the platform, the clock stands
 * still while code runs.
 */
import type { ExecutionContext, MessageBatch } from '@cloudflare/workers-types'
import worker, { MillraceBatch, MillraceTimer } from '../../../src/cloudflare.ts'

type Bindings = Parameters<typeof worker.fetch>[1]

/** Shorter ones are not kept. */
const MIN_STRETCH_MS = 10

let stretches: { from: number; to: number }[] = []

/** Measures until the work has ended. */
async function measured<T>(work: () => T | Promise<T>): Promise<T> {
  let isDone = false
  let from = Date.now()
  const look = () => {
    const to = Date.now()
    if (to - from >= MIN_STRETCH_MS) stretches.push({ from, to })
    from = to
    if (!isDone) setTimeout(look, 0)
  }
  setTimeout(look, 0)
  try {
    return await work()
  } finally {
    isDone = true
    look()
  }
}

/** What goes on after the answer is measured as well. */
function measuring(ctx: ExecutionContext): ExecutionContext {
  const waitUntil: ExecutionContext['waitUntil'] = (work) => ctx.waitUntil(measured(() => work))
  return Object.assign(Object.create(ctx), { waitUntil })
}

/** Steps of a loop that takes some tenths of a second. */
const LONG_LOOP = 300_000_000

function loopLong(): number {
  let sum = 0
  for (let i = 0; i < LONG_LOOP; i++) sum += i
  return sum
}

export { MillraceBatch, MillraceTimer }

export default {
  fetch(request: Request, env: Bindings, ctx: ExecutionContext): Response | Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/__loop') return measured(() => Response.json(loopLong()))
    if (pathname !== '/__stretches') return measured(() => worker.fetch(request, env, measuring(ctx)))
    const answer = Response.json(stretches)
    stretches = []
    return answer
  },
  queue: (messages: MessageBatch, env: Bindings, ctx: ExecutionContext) =>
    measured(() => worker.queue(messages, env, ctx)),
}
