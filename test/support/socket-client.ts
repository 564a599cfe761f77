/** A WebSocket client that notes what it is told, and how the socket closed. */
import { WebSocket } from 'ws'

/** A message of a follower. */
export type Message = Readonly<Record<string, unknown>> & { readonly type: string }

/** A socket that is followed to its end. */
export interface Followed {
  readonly socket: WebSocket
  readonly messages: Message[]
  /** Resolves with the code that it closed with. */
  readonly closed: Promise<number>
  /** Resolves with the first message that `test` holds for. */
  until(test: (message: Message) => boolean): Promise<Message>
}

/** Connects. A handshake that is refused rejects `closed` with the status. */
export function followSocket(url: string, headers: Record<string, string> = {}): Followed {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers })
  const messages: Message[] = []
  const waiting: (() => void)[] = []
  const wake = () => {
    for (const one of waiting.splice(0)) one()
  }
  const closed = new Promise<number>((resolve, reject) => {
    socket.on('close', (code) => {
      wake()
      resolve(code)
    })
    socket.on('unexpected-response', (_, response) => {
      reject(new Error(`refused with ${response.statusCode}`))
      response.resume()
      socket.terminate()
    })
    socket.on('error', () => {})
  })
  closed.catch(() => {})
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)))
    wake()
  })
  return {
    socket,
    messages,
    closed,
    async until(test) {
      for (;;) {
        const found = messages.find(test)
        if (found !== undefined) return found
        if (socket.readyState === WebSocket.CLOSED) throw new Error('the socket closed before')
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
    },
  }
}
