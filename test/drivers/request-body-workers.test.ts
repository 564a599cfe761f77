/** Bodies that an answer leaves unread on Workers: read to their end before the answer is handed over. */
import { expect, it } from 'vitest'
import { answerReadingOn } from '../../src/drivers/request-body-workers.ts'

const PIECE = new Uint8Array(64 * 1024)

/** A request that tells how many of its pieces were read. */
function requestOf(pieces: number) {
  const read = { pieces: 0, ended: false, cancelled: false }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (read.pieces === pieces) {
        read.ended = true
        controller.close()
      } else {
        read.pieces++
        controller.enqueue(PIECE.slice())
      }
    },
    cancel: () => {
      read.cancelled = true
    },
  })
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
  return { request: new Request('http://127.0.0.1/', init), read }
}

it.each([
  ['before it is read', async () => {}],
  ['after the first piece', async (body: ReadableStream<Uint8Array>) => void (await body.getReader().read())],
  ['with its reader cancelled', async (body: ReadableStream<Uint8Array>) => body.cancel()],
  [
    'while a piece is being read',
    async (body: ReadableStream<Uint8Array>) => {
      body
        .getReader()
        .read()
        .catch(() => {})
    },
  ],
])('an answer %s comes when the rest is read', async (_, use) => {
  const { request, read } = requestOf(40)
  const response = await answerReadingOn(request, async ({ body }) => {
    if (body !== null) await use(body)
    return new Response('no', { status: 413 })
  })
  expect(response.status).toBe(413)
  expect(read).toEqual({ pieces: 40, ended: true, cancelled: false })
})

it('hands on what is sent, as it is', async () => {
  const { request } = requestOf(40)
  const response = await answerReadingOn(request, async (readable) => {
    expect(readable.method).toBe('POST')
    return new Response(String((await readable.arrayBuffer()).byteLength))
  })
  expect(await response.text()).toBe(String(40 * PIECE.byteLength))
})

it('reads no more than 256 MB', async () => {
  const { request, read } = requestOf(100_000)
  await answerReadingOn(request, async () => new Response(null, { status: 401 }))
  expect(read.ended).toBe(false)
  expect(read.pieces).toBeLessThan(4_200)
})
