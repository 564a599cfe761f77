import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { ChunkUpstream, type UpstreamOptions } from '../../../src/features/chunks/chunk-upstream.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A service on a real port. */
async function service(answer: (id: string, response: ServerResponse, request: IncomingMessage) => void) {
  const server = createServer((request, response) =>
    answer(decodeURIComponent(request.url?.split('/').at(-1) ?? ''), response, request),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

const json = (response: ServerResponse, body: unknown) => response.end(JSON.stringify(body))
const find = (
  url: string,
  ids: string[],
  options: Partial<UpstreamOptions> = {},
  signal = new AbortController().signal,
) => new ChunkUpstream({ url, pauseMs: 5, ...options }).find('me', ids, signal)

describe('a chunk service', () => {
  it('is asked for each reference, at the place the address names', async () => {
    const seen: (string | undefined)[] = []
    const url = await service((id, response, request) => {
      seen.push(request.url)
      json(response, { id, text: `text of ${id}`, ['__proto__']: 1 })
    })
    const found = await find(`${url}/v2/chunks/{id}`, ['k_1', 'e_$&/ü', 'k_1'])
    expect(seen.sort()).toEqual(['/v2/chunks/e_%24%26%2F%C3%BC', '/v2/chunks/k_1'])
    expect(found.get('k_1')).toEqual({ chunk: JSON.parse('{"id":"k_1","text":"text of k_1","__proto__":1}') })
    await find(`${url}/plain/`, ['k_2'])
    expect(seen.at(-1)).toBe('/plain/k_2')
  })

  it('is asked no further once an answer is full', async () => {
    let asked = 0
    const text = JSON.stringify({ text: 'x'.repeat(4_000_000) })
    const url = await service((_, response) => {
      asked++
      response.end(text)
    })
    const ids = Array.from({ length: 30 }, (_, at) => `k_${at}`)
    const found = [...(await find(url, ids, { concurrency: 2, tryMs: 60_000, totalMs: 60_000 })).values()]
    expect(found.filter((one) => 'chunk' in one)).toHaveLength(15)
    expect(found.filter((one) => 'error' in one && one.status === 503)).toHaveLength(15)
    expect(asked).toBeLessThanOrEqual(17)
  })

  it('keeps the failure of one from the others', async () => {
    const tries = new Map<string, number>()
    const url = await service((id, response, request) => {
      const nth = (tries.get(id) ?? 0) + 1
      tries.set(id, nth)
      if (id === 'k_absent') response.writeHead(404).end()
      else if (id === 'k_refused') response.writeHead(403).end('no')
      else if (id === 'k_down') response.writeHead(503).end()
      else if (id === 'k_reset') request.socket.destroy()
      else if (id === 'k_text') response.end('<html>')
      else if (id === 'k_list') json(response, [1])
      else if (id === 'k_large') json(response, { text: 'x'.repeat(2_000) })
      else if (id === 'k_shaky' && nth < 3) response.writeHead(500).end()
      else if (id === 'k_busy' && nth < 2) response.writeHead(429, { 'Retry-After': '0' }).end()
      else json(response, { id })
    })
    const ids = ['absent', 'refused', 'down', 'reset', 'text', 'list', 'large', 'shaky', 'busy', 'fine'].map(
      (id) => `k_${id}`,
    )
    const found = await find(url, ids, { maxBytes: 1_000 })
    expect(Object.fromEntries(found)).toEqual({
      k_refused: { error: 'The chunk service answered 403', status: 503 },
      k_down: { error: 'The chunk service answered 503', status: 503 },
      k_reset: { error: 'The chunk service could not be reached', status: 503 },
      k_text: { error: 'The chunk service answered with something that is no JSON object', status: 503 },
      k_list: { error: 'The chunk service answered with something that is no JSON object', status: 503 },
      k_large: { error: 'The chunk is larger than 1000 bytes', status: 503 },
      k_shaky: { chunk: { id: 'k_shaky' } },
      k_busy: { chunk: { id: 'k_busy' } },
      k_fine: { chunk: { id: 'k_fine' } },
    })
    expect(Object.fromEntries(tries)).toMatchObject({
      k_absent: 1,
      k_refused: 1,
      k_down: 3,
      k_reset: 3,
      k_text: 1,
      k_large: 1,
      k_shaky: 3,
      k_busy: 2,
      k_fine: 1,
    })
  })

  it('is given up where it hangs: a try at a time, and all of it at the end', async () => {
    let asked = 0
    const url = await service((id, response) => {
      asked++
      // Headers, half a body, and nothing more.
      if (id === 'k_slow') response.write('{"text":')
      else if (id !== 'k_hangs') json(response, { id })
    })
    const late = { error: 'The chunk service did not answer in time', status: 503 }
    const tried = await find(url, ['k_hangs', 'k_slow', 'k_fine'], { tryMs: 500 })
    expect(Object.fromEntries(tried)).toEqual({ k_hangs: late, k_slow: late, k_fine: { chunk: { id: 'k_fine' } } })
    expect(asked).toBe(3 + 3 + 1)
    const ended = await find(url, ['k_hangs', 'k_slow', 'k_fine', 'k_more'], { totalMs: 100, concurrency: 2 })
    expect(Object.fromEntries(ended)).toEqual({ k_hangs: late, k_slow: late, k_fine: late, k_more: late })
  })

  it('is asked for so many at once, over all callers, and every one of them is served', async () => {
    let open = 0
    let most = 0
    const url = await service((id, response) => {
      most = Math.max(most, ++open)
      setTimeout(() => {
        open--
        json(response, { id })
      }, 5)
    })
    const upstream = new ChunkUpstream({ url, concurrency: 4 })
    const callers = Array.from({ length: 5 }, (_, caller) =>
      upstream.find(
        'me',
        Array.from({ length: 20 }, (_, i) => `k_${caller}_${i}`),
        new AbortController().signal,
      ),
    )
    const answers = await Promise.all(callers)
    expect(answers.map((found) => found.size)).toEqual([20, 20, 20, 20, 20])
    expect(most).toBe(4)
  })

  it('is left alone once the caller is gone, and the places are free again', async () => {
    let hanging = 0
    const url = await service((id, response) => {
      if (id.startsWith('k_hangs')) hanging++
      else json(response, { id })
    })
    const upstream = new ChunkUpstream({ url, concurrency: 2 })
    const gone = new AbortController()
    const first = upstream.find('me', ['k_hangs1', 'k_hangs2', 'k_hangs3'], gone.signal)
    const second = upstream.find('me', ['k_1'], new AbortController().signal)
    while (hanging < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    gone.abort()
    expect((await first).size).toBe(3)
    expect(await second).toEqual(new Map([['k_1', { chunk: { id: 'k_1' } }]]))
    expect(hanging).toBe(2)
  })
})
