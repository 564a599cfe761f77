/**
 * The clients of a fan-out, all in one process: as cheap as they can be made, so that the server is what is measured. Each checks that it
 * gets every event, once and in order.
 */
import { connect, type Socket } from 'node:net'
import { z } from 'zod'

const Message = z.union([z.object({ connect: z.string(), clients: z.int() }), z.object({ expect: z.int() })])
const CONNECT_TOGETHER = 200
const NUMBER = Buffer.from('"n":')
const FRAME_END = Buffer.from('\n\n')
const DIGIT_0 = 48

/** Position of one client in the stream. */
interface Place {
  last: number
  /** The beginning of a frame whose end is still to come. */
  rest: Buffer | null
}

/** Follows on many connections at once. */
class Crowd {
  readonly #sockets: Socket[] = []
  /** One for all: what is read is looked at before the next read. */
  readonly #buffer = Buffer.alloc(256 * 1024)
  #faults = 0
  #left = 0
  #target = Number.POSITIVE_INFINITY
  #arrivals: number[] = []
  #done: () => void = () => {}

  async connect(address: string, clients: number): Promise<void> {
    const url = new URL(address)
    for (let made = 0; made < clients; made += CONNECT_TOGETHER) {
      const group = Math.min(CONNECT_TOGETHER, clients - made)
      await Promise.all(Array.from({ length: group }, () => this.#open(url)))
    }
  }

  #open(url: URL): Promise<void> {
    return new Promise((resolve, reject) => {
      const place: Place = { last: 0, rest: null }
      let opened = false
      const onread = {
        buffer: this.#buffer,
        callback: (length: number, buffer: Uint8Array) => {
          this.#take(place, Buffer.from(buffer.buffer, buffer.byteOffset, length))
          // A server without a first event has answered with its headers.
          if (!opened) resolve()
          opened = true
          return true
        },
      }
      const socket = connect({ host: url.hostname, port: Number(url.port), onread })
      socket.on('error', reject)
      socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: text/event-stream\r\n\r\n`)
      this.#sockets.push(socket)
    })
  }

  #take(place: Place, bytes: Buffer): void {
    const whole = place.rest === null ? bytes : Buffer.concat([place.rest, bytes])
    const end = whole.lastIndexOf(FRAME_END)
    const now = performance.timeOrigin + performance.now()
    for (let at = whole.indexOf(NUMBER); at !== -1 && at < end; at = whole.indexOf(NUMBER, at)) {
      let n = 0
      at += NUMBER.length
      for (
        let digit = whole[at];
        digit !== undefined && digit >= DIGIT_0 && digit <= DIGIT_0 + 9;
        digit = whole[++at]
      ) {
        n = n * 10 + digit - DIGIT_0
      }
      this.#arrived(place, n, now)
    }
    // A chunk's own line end may follow the frame.
    const rest = end === -1 ? whole : whole.subarray(end + FRAME_END.length)
    place.rest = rest.length <= 2 ? null : Buffer.from(rest)
  }

  #arrived(place: Place, n: number, now: number): void {
    if (place.last !== 0 && n !== place.last + 1) this.#faults++
    place.last = n
    this.#arrivals.push(now)
    if (n === this.#target && --this.#left === 0) this.#done()
  }

  /** Waits until every client has got the event `target`. */
  expect(target: number): Promise<{ arrivals: number[]; faults: number }> {
    this.#target = target
    this.#left = this.#sockets.length
    this.#arrivals = []
    return new Promise((resolve) => {
      this.#done = () => resolve({ arrivals: this.#arrivals, faults: this.#faults })
    })
  }
}

const crowd = new Crowd()
process.on('message', (raw) => {
  const message = Message.parse(raw)
  if ('connect' in message)
    void crowd.connect(message.connect, message.clients).then(() => process.send?.({ connected: true }))
  else {
    void crowd.expect(message.expect).then((report) => process.send?.(report))
    process.send?.({ ready: true })
  }
})
