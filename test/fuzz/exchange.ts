/** HTTP/1.1 by hand over a socket of its own: sends what no well-behaved client would, and waits only so long. */
import { connect } from 'node:net'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'

/** A request as it goes out; nothing is checked or added but the framing of the body and `Connection: close`. */
export interface Sent {
  readonly method: string
  /** Path and query, written as they are (latin1). */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array | null
}

/** What came back. Of an endless answer (an event stream), the beginning. */
export interface Got {
  readonly status: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** No answer within the time that a test gives one. */
export class NoAnswer extends Error {}

/** Bytes of a request. */
export function bytesOf({ method, target, headers, body }: Sent): Buffer {
  const lines = [...headers, ['Connection', 'close'] as const]
  const framed = body === null ? lines : [...lines, ['Content-Length', String(body.byteLength)] as const]
  const head = `${method} ${target} HTTP/1.1\r\n${framed.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body ?? new Uint8Array()])
}

/**
 * Sends bytes and reads to the end of the connection, or to the first bytes of an event stream.
 * @param end whether the sender closes its side when all is sent
 * @returns null where the connection was closed without an answer
 * @throws NoAnswer after `patienceMs`
 */
export async function exchange(
  port: number,
  bytes: Uint8Array,
  { patienceMs, end = false }: { patienceMs: number; end?: boolean },
): Promise<Got | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Got | null>()
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const patience = setTimeout(
    () => reject(new NoAnswer(`No answer within ${patienceMs} ms; so far: ${received()}`)),
    patienceMs,
  )
  const pieces: Buffer[] = []
  const received = () => Buffer.concat(pieces).toString('latin1')
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    const so = received()
    const at = so.indexOf('\r\n\r\n')
    if (at !== -1 && /^content-type: text\/event-stream/im.test(so.slice(0, at)) && so.length > at + 4)
      resolve(parse(Buffer.concat(pieces)))
  })
  // A server may answer and close before it has read all; then writing fails, and what it answered counts.
  socket.on('error', () => {})
  socket.on('end', () => resolve(pieces.length === 0 ? null : parse(Buffer.concat(pieces))))
  socket.on('close', () => resolve(pieces.length === 0 ? null : parse(Buffer.concat(pieces))))
  if (end) socket.end(bytes)
  else socket.write(bytes)
  try {
    return await promise
  } finally {
    clearTimeout(patience)
    socket.destroy()
  }
}

function parse(bytes: Buffer): Got {
  const at = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes
    .subarray(0, at === -1 ? undefined : at)
    .toString('latin1')
    .split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1])
  if (Number.isNaN(status) || at === -1) throw new Error(`This is no answer: ${bytes.toString('latin1').slice(0, 200)}`)
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const rest = bytes.subarray(at + 4)
  // What came before the answer proper.
  if (status === 100 || status === 102 || status === 103) return parse(rest)
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunk(rest) : rest
  return { status, headers, body: unpack(body, headers.get('content-encoding') ?? '') }
}

/** The platform in front of a Worker packs answers where it was asked to. */
function unpack(body: Buffer, encoding: string): Buffer {
  if (body.length === 0) return body
  if (encoding === 'gzip') return gunzipSync(body)
  return encoding === 'br' ? brotliDecompressSync(body) : body
}

function unchunk(bytes: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) break
    const size = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (!(size > 0)) break
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
  return Buffer.concat(chunks)
}
