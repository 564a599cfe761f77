/**
 * The Worker as it is, but that D1 and R2 answer after a turn of the event loop, as they do over a network. On one machine they answer within
 * the turn they are asked in, and for as long as a job goes from one question to the next nobody else is heard: no client, no inspector.
 */
import type { ExecutionContext, MessageBatch } from '@cloudflare/workers-types'
import worker, { MillraceBatch, MillraceTimer } from '../../../src/cloudflare.ts'

type Bindings = Parameters<typeof worker.fetch>[1]

/** What answers at once, with something that is asked in turn. */
const MAKES = new Set<string | symbol>(['prepare', 'bind'])
/** What the platform takes only as it gave it. */
const bare = new WeakMap<object, object>()

function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped)
  return (typeof value === 'object' && value !== null ? bare.get(value) : undefined) ?? value
}

function paced<T extends object>(target: T): T {
  const proxy = new Proxy(target, {
    get(_, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      const call = (args: readonly unknown[]) => Reflect.apply(method, target, args.map(unwrapped))
      if (MAKES.has(name)) return (...args: unknown[]) => paced(call(args))
      return async (...args: unknown[]) => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        const answer = await call(args)
        return name === 'createMultipartUpload' ? paced(answer) : answer
      }
    },
  })
  bare.set(proxy, target)
  return proxy
}

const pacedBindings = (env: Bindings): Bindings => ({ ...env, DB: paced(env.DB), BLOBS: paced(env.BLOBS) })

export { MillraceBatch, MillraceTimer }

export default {
  fetch: (request: Request, env: Bindings, ctx: ExecutionContext) => worker.fetch(request, pacedBindings(env), ctx),
  queue: (messages: MessageBatch, env: Bindings, ctx: ExecutionContext) =>
    worker.queue(messages, pacedBindings(env), ctx),
}
