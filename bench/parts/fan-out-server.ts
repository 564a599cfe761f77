/** One of the servers whose fan-out is compared, as a process of its own: `node fan-out-server.ts millrace|bare|hono|better-sse`. */
import { createServer, type ServerResponse } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createChannel, createSession } from 'better-sse'
import { Hono } from 'hono'
import { type SSEStreamingApi, streamSSE } from 'hono/streaming'
import { z } from 'zod'
import { openLive } from '../../test/support/live-app.ts'

/** Interface of each server: gives the URL at which it is followed, and sends events numbered on from the last. */
interface Fan {
  readonly url: string
  /** Sends the next `count` events, due together. May answer with when they were there to be told of. */
  emit(count: number): Promise<number | undefined> | undefined
}

const now = () => performance.timeOrigin + performance.now()

/** As long as an event of Millrace's own. */
function dataOf(n: number): string {
  return JSON.stringify({
    type: 'job_completed',
    batchId: '01989898-0000-7000-8000-000000000000',
    at: '2026-01-01T00:00:00.000Z',
    n,
    filler: '',
  })
}

async function millrace(): Promise<Fan> {
  let told = 0
  const live = await openLive({
    notifier: (inner) => ({
      ...inner,
      publish(batchId, notice) {
        told = now()
        inner.publish(batchId, notice)
      },
    }),
  })
  const batchId = await live.writer.begin()
  return {
    url: live.streamUrl(batchId),
    async emit(count) {
      await live.writer.write(batchId, count)
      return told
    },
  }
}

const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' }

/** The least that a server can do: one shared buffer an event, a write for each client. */
async function bare(): Promise<Fan> {
  const clients = new Set<ServerResponse>()
  let n = 1
  const server = createServer((_, response) => {
    response.writeHead(200, HEADERS)
    response.write(`id: 1\nevent: job_completed\ndata: ${dataOf(1)}\n\n`)
    clients.add(response)
    response.on('close', () => clients.delete(response))
  })
  const url = await listen(server)
  return {
    url,
    emit(count) {
      for (let sent = 0; sent < count; sent++) {
        n++
        const frame = Buffer.from(`id: ${n}\nevent: job_completed\ndata: ${dataOf(n)}\n\n`)
        for (const client of clients) client.write(frame)
      }
      return undefined
    },
  }
}

async function hono(): Promise<Fan> {
  const clients = new Set<SSEStreamingApi>()
  let n = 1
  const app = new Hono().get('/', (c) =>
    streamSSE(c, async (stream) => {
      clients.add(stream)
      stream.onAbort(() => void clients.delete(stream))
      await stream.writeSSE({ id: '1', event: 'job_completed', data: dataOf(1) })
      await new Promise(() => {})
    }),
  )
  const url = await listen(createAdaptorServer({ fetch: app.fetch }))
  return {
    url,
    async emit(count) {
      const writes: Promise<void>[] = []
      for (let sent = 0; sent < count; sent++) {
        const event = { id: String(++n), event: 'job_completed', data: dataOf(n) }
        for (const client of clients) writes.push(client.writeSSE(event))
      }
      await Promise.all(writes)
      return undefined
    },
  }
}

async function betterSse(): Promise<Fan> {
  const channel = createChannel()
  let n = 1
  const server = createServer((request, response) => {
    void createSession(request, response).then((session) => {
      session.push(JSON.parse(dataOf(1)), 'job_completed', '1')
      channel.register(session)
    })
  })
  const url = await listen(server)
  return {
    url,
    emit(count) {
      for (let sent = 0; sent < count; sent++) {
        n++
        channel.broadcast(JSON.parse(dataOf(n)), 'job_completed', { eventId: String(n) })
      }
      return undefined
    },
  }
}

function listen(server: ReturnType<typeof createServer> | ReturnType<typeof createAdaptorServer>): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', 4_096, () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(`http://127.0.0.1:${address.port}/`)
    })
  })
}

const KINDS: Readonly<Record<string, () => Promise<Fan>>> = { millrace, bare, hono, 'better-sse': betterSse }
const Message = z.union([z.object({ emit: z.int() }), z.object({ collect: z.literal(true) })])

const kind = KINDS[process.argv[2] ?? '']
if (kind === undefined) throw new Error('Which server?')
const fan = await kind()
process.on('message', (raw) => {
  const message = Message.parse(raw)
  if ('collect' in message) {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    process.send?.({ heap: heapUsed + external })
    return
  }
  const asked = now()
  void Promise.resolve(fan.emit(message.emit)).then((told) => process.send?.({ at: told ?? asked, asked }))
})
process.send?.({ url: fan.url })
