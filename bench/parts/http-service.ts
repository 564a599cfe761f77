/**
 * The service that the benchmark of calls calls: answers each POST with JSON that tells what it was sent, after as many milliseconds as its path says.
 * `GET /seen` tells how many calls came, and how many different keys they had, and forgets them.
 */
import { createServer } from 'node:http'

let calls = 0
let keys = new Set<string>()

const server = createServer((request, response) => {
  const say = (value: unknown) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
  if (request.url === '/seen') {
    say({ calls, keys: keys.size })
    calls = 0
    keys = new Set()
    return
  }
  calls++
  const key = request.headers['idempotency-key']
  if (typeof key === 'string') keys.add(key)
  const pauseMs = Number(request.url?.slice(1))
  let body = ''
  request.setEncoding('utf8').on('data', (part: string) => {
    body += part
  })
  request.on('end', () => {
    const { n }: { n: number } = JSON.parse(body)
    if (pauseMs > 0) setTimeout(say, pauseMs, { doubled: 2 * n })
    else say({ doubled: 2 * n })
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) console.log(`listens on http://127.0.0.1:${address.port}`)
})
