/** Sockets by hand, for what no well-behaved client does: resets, half-closed connections, answers that nobody reads. */
import { connect, type Socket } from 'node:net'
import { scaled } from './limits.ts'

/** A connection. Its errors are swallowed: they are what is probed for. */
export class Raw {
  readonly socket: Socket
  #text = ''
  #isClosed = false
  #isEnded = false
  #error: string | null = null
  readonly closed: Promise<void>

  constructor(socket: Socket, keep: boolean) {
    this.socket = socket
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message
    })
    if (keep)
      socket.on('data', (piece: Buffer) => {
        this.#text += piece.toString('latin1')
      })
    socket.on('end', () => {
      this.#isEnded = true
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true
        resolve()
      })
    })
  }

  /** What came, as latin1. */
  get text(): string {
    return this.#text
  }

  /** Whether the other side has ended its side, or the connection is gone. */
  get isOver(): boolean {
    return this.#isEnded || this.#isClosed
  }

  /** Whether the connection is gone, in both directions. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Code of the error that ended it, such as ECONNRESET; null where there was none. */
  get error(): string | null {
    return this.#error
  }

  /** Waits until `is` holds, `ms` at most. @returns whether it came to hold */
  async until(is: () => boolean, ms: number): Promise<boolean> {
    const end = Date.now() + scaled(ms)
    while (!is()) {
      if (Date.now() > end) return false
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return true
  }

  /** Waits for the first bytes of an answer, or the end. */
  answered(ms = 5_000): Promise<boolean> {
    return this.until(() => this.#text.includes('\r\n\r\n') || this.isOver, ms)
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }
}

/** Connects to a port of this machine. @param read false leaves all that comes unread */
export async function raw(port: number, { read = true, host = '127.0.0.1' } = {}): Promise<Raw> {
  const socket = connect({ port, host, allowHalfOpen: true })
  const made = new Raw(socket, read)
  if (!read) socket.pause()
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  return made
}

/** Sends text on a connection of its own and reads until the other side ends, `ms` at most. */
export async function sendRaw(port: number, text: string, ms = 5_000): Promise<Raw> {
  const made = await raw(port)
  made.socket.write(Buffer.from(text, 'latin1'))
  await made.until(() => made.isOver, ms)
  made.socket.destroy()
  return made
}
