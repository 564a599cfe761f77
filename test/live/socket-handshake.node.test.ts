/** Handshakes of WebSockets on our own listener, byte by byte. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLive } from '../support/live-app.ts'

let live: Awaited<ReturnType<typeof openLive>>

beforeAll(async () => {
  live = await openLive()
})

afterAll(() => live.close())

describe('A handshake', () => {
  it('for HTTP/2 is passed over, and the request answered', async () => {
    const socket = connect(Number(new URL(live.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n',
    )
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('may be followed by frames in the same packet', async () => {
    const id = await live.writer.begin()
    await live.db.run(sql`UPDATE batches SET operation = 'rag.process', idempotency_key = 'hasty' WHERE id = ${id}`)
    const socket = connect(Number(new URL(live.url).port), '127.0.0.1')
    await once(socket, 'connect')
    const head = [
      'GET /api/public/bulk/ws/bulk-processing/hasty HTTP/1.1',
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      '',
      '',
    ].join('\r\n')
    // A masked close frame with code 1000.
    const frame = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
    socket.write(Buffer.concat([Buffer.from(head, 'latin1'), frame]))
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString('latin1')).toMatch(/^HTTP\/1\.1 101 /)
  })
})
