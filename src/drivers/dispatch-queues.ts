/**
 * The Dispatcher port on Cloudflare Queues. A message says only that there may be work: its consumer claims the next jobs in fair order. Due times
 * are kept by the alarm of one Durable Object, of which there is only ever one: delayed messages would multiply, one a wake-up.
 */
import type { DurableObjectNamespace, DurableObjectState, Queue } from '@cloudflare/workers-types'
import type { Dispatcher, Log } from '../ports.ts'

/**
 * Wake-ups of this isolate so far. A number and nothing else, so that invocations may share it: a worker that runs hears at once of what
 * was accepted beside it, and need not wait for a message that another will get.
 */
let wakes = 0
const LISTEN_EVERY_MS = 50

/** Sends the message that wakes a worker. */
export async function sendWake(queue: Queue): Promise<void> {
  wakes++
  await queue.send('wake')
}

/** Wakes workers by a message, which the platform hands to the Worker's `queue` handler. Listeners hear of those of their own isolate. */
export function createQueueDispatcher(
  queue: Queue,
  options: { keepAlive: (work: Promise<unknown>) => void; log: Log },
): Dispatcher {
  let waking = false
  return {
    wake() {
      // Of wake-ups within one iteration of the event loop, one is enough.
      if (waking) return
      waking = true
      const sent = Promise.resolve()
        .then(() => {
          waking = false
          return sendWake(queue)
        })
        .catch((error: unknown) =>
          options.log.warn({ err: error }, 'a wake-up was not sent; the sweep finds the work within a minute'),
        )
      options.keepAlive(sent)
    },
    onWake(listener) {
      let heard = wakes
      const timer = setInterval(() => {
        if (heard === wakes) return
        heard = wakes
        listener()
      }, LISTEN_EVERY_MS)
      return () => clearInterval(timer)
    },
  }
}

/** Under this name the one timer is found. */
const TIMER = 'timer'

/** Sees to it that workers are woken at a time. */
export interface Timer {
  /** @param at milliseconds since the epoch; replaces the time that was set before. Null for never */
  set(at: number | null): Promise<void>
}

/** The timer behind a namespace of {@link TimerObject}. */
export function createTimer(namespace: DurableObjectNamespace): Timer {
  return {
    async set(at) {
      const stub = namespace.get(namespace.idFromName(TIMER))
      const answer = await stub.fetch(`https://timer/${at ?? ''}`, { method: 'PUT' })
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`The timer answered ${answer.status}.`)
    },
  }
}

/** Implements the Durable Object of a timer. Its alarm is durable, so it fires also after an eviction of the object. */
export class TimerObject {
  readonly #state: DurableObjectState
  readonly #wake: () => Promise<unknown>

  /** @param wake sends a wake-up; the platform retries it where it fails */
  constructor(state: DurableObjectState, wake: () => Promise<unknown>) {
    this.#state = state
    this.#wake = wake
  }

  /** `PUT /1700000000000` sets the time, `PUT /` none. */
  async fetch(request: Request): Promise<Response> {
    const at = Number(new URL(request.url).pathname.slice(1))
    if (at > 0) await this.#state.storage.setAlarm(at)
    else await this.#state.storage.deleteAlarm()
    return new Response()
  }

  async alarm(): Promise<void> {
    await this.#wake()
  }
}
