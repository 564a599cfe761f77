/**
 * The Notifier port on a Durable Object a batch. Requests that follow the batch hold a WebSocket to it. It reads the log once for each
 * notice and sends what it read to all of them; while nothing happens it hibernates, and costs nothing, with its sockets open.
 *
 * A socket carries notices as JSON text one way, and `ping`, answered by the platform without waking the object, the other way.
 */
import type { DurableObjectNamespace, WebSocket } from '@cloudflare/workers-types'
import { backoff, sleep } from '../backoff.ts'
import { parseLossless } from '../lossless-json.ts'
import type { Log, Notice, Notifier, Progress } from '../ports.ts'
import { PING, PONG } from './notify-durable-object-batch.ts'

/** A socket that answers no ping by the next one is taken to be dead. */
const PING_EVERY_MS = 15_000
const RECONNECT = { firstMs: 250, mostMs: 15_000 }

/** Services of the Cloudflare runtime that its notifiers need. */
export interface ObjectNotifierOptions {
  /** Lets what was begun end after the request has been answered. */
  readonly keepAlive: (work: Promise<unknown>) => void
  readonly log: Log
}

/** Sends notices about batches, and subscribes to them. A subscription belongs to the request that makes it. */
export function createObjectNotifier(namespace: DurableObjectNamespace, options: ObjectNotifierOptions): Notifier {
  return {
    publish(batchId, notice) {
      options.keepAlive(
        send(namespace, batchId, [notice]).catch((error: unknown) => logUnsent(options, batchId, error)),
      )
    },
    subscribe(batchId, listener) {
      const subscription = new Subscription(namespace, batchId, listener, options.log)
      return () => subscription.close()
    },
  }
}

function logUnsent({ log }: ObjectNotifierOptions, batchId: string, error: unknown): void {
  log.warn({ err: error, batchId }, 'a notice could not be sent; followers catch up when they compare')
}

/** @returns how many sockets the object holds */
async function send(namespace: DurableObjectNamespace, batchId: string, notices: readonly Notice[]): Promise<number> {
  const answer = await namespace
    .get(namespace.idFromName(batchId))
    .fetch(`https://batch/${batchId}`, { method: 'POST', body: JSON.stringify(notices) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`The object of the batch answered ${answer.status}: ${text}`)
  return Number(text)
}

/** A batch without followers is sent no progress for this long. */
const UNWATCHED_MS = 2_000
/** Between notices about one batch: what comes meanwhile goes together. Longer when there have been many: each is a subrequest. */
const SEND_EVERY_MS = { first: 50, later: 500 }
const SWIFT_NOTICES = 100

/** Notices about one batch that are still to be sent. */
interface Gathered {
  seq: number | null
  progress: Map<string, Progress>
}

/**
 * Sends the notices of a worker: those about one batch come many a second, so at most one is under way at a time and what comes meanwhile
 * goes together with the next. For one invocation, since it keeps what is under way. It takes no subscriptions. `sent` counts its subrequests.
 */
export function createCoalescingNotifier(
  namespace: DurableObjectNamespace,
  options: ObjectNotifierOptions,
): Notifier & { readonly sent: number } {
  let sent = 0
  const batches = new Map<string, Gathered>()
  const quietUntil = new Map<string, number>()
  const sendAll = async (batchId: string, gathered: Gathered) => {
    while (gathered.seq !== null || gathered.progress.size > 0) {
      const { seq, progress } = gathered
      // Progress first: after the end of a job nothing more may be said of it.
      const notices: Notice[] = progress.size > 0 ? [{ progress: [...progress.values()] }] : []
      if (seq !== null) notices.push({ seq })
      gathered.seq = null
      gathered.progress = new Map()
      sent++
      try {
        const watchers = await send(namespace, batchId, notices)
        if (watchers === 0) quietUntil.set(batchId, Date.now() + UNWATCHED_MS)
      } catch (error) {
        logUnsent(options, batchId, error)
      }
      const pause = sent < SWIFT_NOTICES ? SEND_EVERY_MS.first : SEND_EVERY_MS.later
      await sleep(pause)
    }
    batches.delete(batchId)
  }
  return {
    get sent() {
      return sent
    },
    publish(batchId, notice) {
      if ('progress' in notice && Date.now() < (quietUntil.get(batchId) ?? 0)) return
      const known = batches.get(batchId)
      const gathered = known ?? { seq: null, progress: new Map<string, Progress>() }
      if ('seq' in notice) gathered.seq = Math.max(gathered.seq ?? 0, notice.seq)
      else for (const one of notice.progress) gathered.progress.set(one.jobId, one)
      if (known !== undefined) return
      batches.set(batchId, gathered)
      options.keepAlive(sendAll(batchId, gathered))
    },
    subscribe: () => () => {},
  }
}

/** One socket to the object of a batch, reconnected when it is lost. The object's first message has the end of the log, so no event is missed. */
class Subscription {
  readonly #namespace: DurableObjectNamespace
  readonly #batchId: string
  readonly #listener: (notice: Notice) => void
  readonly #log: Log
  #socket: WebSocket | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #answered = true
  #failures = 0
  #closed = false

  constructor(namespace: DurableObjectNamespace, batchId: string, listener: (notice: Notice) => void, log: Log) {
    this.#namespace = namespace
    this.#batchId = batchId
    this.#listener = listener
    this.#log = log
    void this.#connect()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.close(1000)
    this.#socket = null
  }

  async #connect(): Promise<void> {
    try {
      const stub = this.#namespace.get(this.#namespace.idFromName(this.#batchId))
      const answer = await stub.fetch(`https://batch/${this.#batchId}`, { headers: { Upgrade: 'websocket' } })
      const socket = answer.webSocket
      if (socket === null) throw new Error(`The object of the batch answered ${answer.status}.`)
      socket.accept()
      if (this.#closed) return socket.close(1000)
      this.#socket = socket
      this.#answered = true
      socket.addEventListener('message', ({ data }) => this.#hear(socket, String(data)))
      socket.addEventListener('close', () => this.#again(socket))
      socket.addEventListener('error', () => this.#again(socket))
      this.#timer = setTimeout(() => this.#ping(socket), PING_EVERY_MS)
    } catch (error) {
      this.#log.warn({ err: error, batchId: this.#batchId }, 'the object of a batch was not reached; tried again')
      this.#again(null)
    }
  }

  #hear(socket: WebSocket, text: string): void {
    if (socket !== this.#socket) return
    this.#answered = true
    this.#failures = 0
    if (text === PONG) return
    const notice = parseNotice(text)
    if (notice !== null) this.#listener(notice)
  }

  #ping(socket: WebSocket): void {
    if (socket !== this.#socket) return
    if (!this.#answered) {
      this.#again(socket)
      return
    }
    this.#answered = false
    socket.send(PING)
    this.#timer = setTimeout(() => this.#ping(socket), PING_EVERY_MS)
  }

  #again(lost: WebSocket | null): void {
    if (this.#closed || lost !== this.#socket) return
    this.#socket = null
    lost?.close(1000)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), backoff(++this.#failures, RECONNECT))
  }
}

/** Parses a message that our own object sent; null where it is no notice. */
function parseNotice(text: string): Notice | null {
  const value = parseLossless(text)
  if (typeof value !== 'object' || value === null) return null
  if ('seq' in value && typeof value.seq === 'number') {
    return { seq: value.seq, ...('page' in value ? { page: value.page } : {}) }
  }
  return 'progress' in value && Array.isArray(value.progress) ? { progress: value.progress } : null
}
