/** Following a batch as clients do: the `eventsource` package, and raw streams by curl. */
import { EventSource } from 'eventsource'
import { BatchEvent } from '../../src/features/batches/follow-schemas.ts'

const TYPES = [
  'batch_started',
  'job_progress',
  'job_completed',
  'job_failed',
  'budget_exceeded',
  'chain_fed',
  'batch_completed',
  'resync',
] as const

/** An event as it came. */
export interface Received {
  /** The client's last event id when it came. */
  readonly id: string
  readonly event: string
  readonly data: Record<string, unknown>
}

/** A client of the `eventsource` package and what it has received. */
export class Follower {
  readonly received: Received[] = []
  /** Resolves when the client has given up: the server answered 204, or an error. */
  readonly closed: Promise<number | undefined>
  readonly #source: EventSource
  #wanted: (() => void)[] = []
  #gaveUp = false

  /** @param url of the stream @param lastEventId is sent on the first connection, as a client that comes back would */
  constructor(url: string, lastEventId?: number) {
    let first = true
    this.#source = new EventSource(url, {
      fetch: (input, init) => {
        const headers = new Headers(init.headers)
        if (first && lastEventId !== undefined) headers.set('Last-Event-ID', String(lastEventId))
        first = false
        return fetch(input, { ...init, headers })
      },
    })
    for (const type of TYPES) {
      this.#source.addEventListener(type, (message: MessageEvent<string>) => {
        this.received.push({ id: message.lastEventId, event: message.type, data: JSON.parse(message.data) })
        for (const look of this.#wanted) look()
      })
    }
    this.closed = new Promise((resolve) => {
      this.#source.addEventListener('error', (error) => {
        if (this.#source.readyState !== EventSource.CLOSED) return
        this.#gaveUp = true
        resolve(error.code)
        for (const look of this.#wanted) look()
      })
    })
  }

  /** Waits until an event has come of which `is` holds; fails when the client gives up before. */
  until(is: (event: Received) => boolean): Promise<Received> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.received.find(is)
        if (found === undefined && !this.#gaveUp) return
        this.#wanted = this.#wanted.filter((one) => one !== look)
        if (found !== undefined) resolve(found)
        else void this.closed.then((code) => reject(new Error(`The client gave up: the server answered ${code}.`)))
      }
      this.#wanted.push(look)
      look()
    })
  }

  /** Waits for the closing event. */
  completed(): Promise<Received> {
    return this.until(({ event }) => event === 'batch_completed')
  }

  /** What is history: everything but progress. */
  get logged(): Received[] {
    return this.received.filter(({ event }) => event !== 'job_progress')
  }

  close(): void {
    this.#source.close()
  }
}

/** A frame of a stream's text: its fields, and the lines that are comments. */
export interface RawFrame {
  readonly fields: Readonly<Record<string, string>>
  readonly comments: readonly string[]
}

/** The frames of a stream as text. */
export function framesOf(text: string): RawFrame[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const lines = block.split('\n')
      const fields = lines.filter((line) => !line.startsWith(':')).map((line) => /^(\w+): ?(.*)$/.exec(line) ?? [])
      return {
        fields: Object.fromEntries(fields.map(([, name = '', value = '']) => [name, value])),
        comments: lines.filter((line) => line.startsWith(':')),
      }
    })
}

/** The events of a stream as text, each checked against its schema. */
export function eventsOf(text: string): { id: number | null; event: BatchEvent }[] {
  return framesOf(text)
    .filter(({ fields }) => fields.data !== undefined)
    .map(({ fields }) => {
      const event = BatchEvent.parse(JSON.parse(fields.data ?? ''))
      if (fields.event !== event.type) throw new Error(`An event named ${fields.event} says that it is ${event.type}.`)
      return { id: fields.id === undefined ? null : Number(fields.id), event }
    })
}
