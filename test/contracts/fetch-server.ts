/** A web server that answers as the Fetcher's suite asks by path, well and badly. Runs on Node, also where the suite itself runs inside workerd. */
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { longSheet } from './long-sheet.ts'

/** The default would take seconds over a bomb, for nothing. */
const brotli = (bytes: string | Uint8Array) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
const PACKERS = { gzip: gzipSync, deflate: deflateSync, br: brotli } as const

/** As in fetcher.ts, which can't be loaded here. */
const TEXT = 'event 1, heat 2, lane 3. '.repeat(100)

function isPacker(name: string): name is keyof typeof PACKERS {
  return name in PACKERS
}

/** Writes for as long as it is read. */
function flood(response: ServerResponse, chunk: Uint8Array): void {
  const more = () => {
    while (!response.destroyed && response.write(chunk)) {}
  }
  response.on('drain', more)
  more()
}

type Answer = (response: ServerResponse, rest: string, query: URLSearchParams) => unknown

const sheets = new Map<number, Promise<Uint8Array>>()

const ANSWERS: Readonly<Record<string, Answer>> = {
  pdf(response) {
    response.setHeader('content-type', 'Application/PDF; charset=binary')
    response.setHeader('content-disposition', 'attachment; filename="Heat Sheet.pdf"')
    response.end(Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(500_000, 7)]))
  },
  hops(response, rest) {
    const left = Number(rest)
    if (left === 0) response.end('there')
    else response.writeHead(left % 2 ? 301 : 308, { location: `${left - 1}` }).end()
  },
  to: (response, _, query) => response.writeHead(302, { location: query.get('location') ?? '' }).end(),
  status: (response, rest, query) => {
    const [wait, location] = [query.get('wait'), query.get('location')]
    if (wait !== null) response.setHeader('retry-after', wait)
    if (location !== null) response.setHeader('location', location)
    response.writeHead(Number(rest)).end()
  },
  header: (response, rest) => response.writeHead(200, { 'x-told': rest, 'set-cookie': ['a=1', 'b=2'] }).end('{"a":1}'),
  bytes: (response, rest) => response.end(Buffer.alloc(Number(rest))),
  promised: (response, rest) => void response.writeHead(200, { 'content-length': rest }).write('%PDF'),
  endless: (response) => flood(response, Buffer.alloc(65_536)),
  packed(response, rest, query) {
    if (!isPacker(rest)) return response.writeHead(200, { 'content-encoding': rest }).end('x')
    const whole = PACKERS[rest](query.has('bomb') ? Buffer.alloc(50_000_000) : TEXT)
    const sent = query.has('broken') ? whole.subarray(0, 30) : query.has('wrong') ? 'not packed at all' : whole
    response.writeHead(200, { 'content-encoding': rest }).end(sent)
  },
  /** A heat sheet of so many pages. */
  sheet: async (response, rest) => {
    const pages = Number(rest)
    sheets.set(pages, sheets.get(pages) ?? longSheet(pages))
    response.setHeader('content-type', 'application/pdf')
    response.end(await sheets.get(pages))
  },
  silent() {},
  drip(response) {
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  },
  'hang-up'(response, rest) {
    const { socket } = response
    if (rest === 'head') socket?.destroy()
    else response.writeHead(200, { 'content-length': 100 }).write('only this', () => socket?.destroy())
  },
}

/**
 * The server. `GET /requests` lists as JSON all requests before it, POST bodies included, and forgets them. Suites that share the server at the
 * same time ask with `?for=NAME`, and of each only those whose own query has the same: `GET /requests?for=NAME`.
 */
export async function startFetchServer(): Promise<{ origin: string; close(): Promise<void> }> {
  const seen = new Map<string, unknown[]>()
  const listener: RequestListener = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const suite = searchParams.get('for') ?? ''
    if (pathname === '/requests') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(seen.get(suite) ?? []))
      seen.delete(suite)
      return
    }
    let body = ''
    for await (const part of request.setEncoding('utf8')) body += part
    seen.set(suite, [
      ...(seen.get(suite) ?? []),
      { method: request.method, url: request.url, headers: request.headers, body },
    ])
    const [, name = '', ...rest] = pathname.split('/')
    const answer = ANSWERS[name] ?? ((to) => to.writeHead(404).end())
    await answer(response, decodeURIComponent(rest.join('/')), searchParams)
  }
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
