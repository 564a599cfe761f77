/** A client that looks at the bytes: reads a stream frame by frame, may stop reading, and comes back where it left off. */
import { get, type IncomingMessage } from 'node:http'

/** An event as it came over the wire. */
export interface WireEvent {
  readonly id: number | null
  readonly event: string
  readonly data: Record<string, unknown>
}

/** One connection to a stream. */
export class RawClient {
  readonly events: WireEvent[] = []
  status = 0
  headers: IncomingMessage['headers'] = {}
  /** Everything that came, as text. */
  text = ''
  /** Number of the last event with an id. */
  cursor: number
  /** Resolves when the response began. */
  readonly opened: Promise<void>
  /** Resolves when the stream ended, with whether it ended as a response should. */
  readonly ended: Promise<boolean>
  readonly #request: ReturnType<typeof get>
  #response: IncomingMessage | undefined
  #rest = ''
  #looks: (() => void)[] = []

  /** @param options.keep keeps all text; @param options.onEvent is called for each event, which is then not kept */
  constructor(
    url: string,
    cursor: number | string = 0,
    options: { keepText?: boolean; onEvent?: (event: WireEvent) => void } = {},
  ) {
    this.cursor = Number(cursor) || 0
    const opened = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<boolean>()
    this.opened = opened.promise
    this.ended = ended.promise
    const headers = cursor === 0 ? {} : { 'Last-Event-ID': String(cursor) }
    this.#request = get(url, { agent: false, headers }, (response) => {
      this.#response = response
      this.status = response.statusCode ?? 0
      this.headers = response.headers
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (options.keepText === true) this.text += chunk
        this.#take(chunk, options.onEvent)
      })
      response.on('error', () => {})
      response.on('close', () => ended.resolve(response.complete))
      opened.resolve()
    })
    this.#request.on('error', () => {
      opened.resolve()
      ended.resolve(false)
    })
  }

  #take(chunk: string, onEvent?: (event: WireEvent) => void): void {
    const blocks = (this.#rest + chunk).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parse(block)
      if (event === null) continue
      if (event.id !== null) this.cursor = event.id
      if (onEvent !== undefined) onEvent(event)
      else this.events.push(event)
    }
    for (const look of this.#looks) look()
  }

  /** Waits until `is` holds of what has come. */
  until(is: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!is()) return
        this.#looks = this.#looks.filter((one) => one !== look)
        resolve()
      }
      this.#looks.push(look)
      look()
    })
  }

  /** The numbers of the events that came. */
  get ids(): number[] {
    return this.events.flatMap(({ id }) => (id === null ? [] : [id]))
  }

  /** Stops reading: what comes fills the buffers on the way. */
  stall(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  /** Goes away without a word. */
  drop(): void {
    this.#request.destroy()
  }
}

function parse(block: string): WireEvent | null {
  const data: string[] = []
  let id: number | null = null
  let event = 'message'
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) data.push(line.slice(6))
    else if (line.startsWith('id: ')) id = Number(line.slice(4))
    else if (line.startsWith('event: ')) event = line.slice(7)
  }
  return data.length === 0 ? null : { id, event, data: JSON.parse(data.join('\n')) }
}

/** `1 … n`. */
export const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, index) => from + index)
