/** A server under a path of `PUBLIC_URL`, behind a proxy that takes the path off: every address that is found in an answer leads somewhere. */
import { createServer, request, type Server } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { processBody } from '../support/documents.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const PREFIX = '/bulk-work/v2'
const KEY = 'a-key-for-the-tests-of-prefixes'
let server: TestServer
let proxy: Server
let origin: string

/** Passes on what is below the prefix, without it. What is not below it is not this server's. */
function startProxy(): Promise<number> {
  proxy = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(`${PREFIX}/`)) return void outgoing.writeHead(421).end()
    const { method, headers } = incoming
    const path = incoming.url.slice(PREFIX.length)
    const onward = request({ host: '127.0.0.1', port: server.port, method, headers, path }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  proxy.on('upgrade', (incoming, socket, head) => {
    const onward = connect(server.port, '127.0.0.1', () => {
      const lines = [`GET ${incoming.url?.slice(PREFIX.length)} HTTP/1.1`]
      for (const [name, value] of Object.entries(incoming.headers)) lines.push(`${name}: ${value}`)
      onward.write(`${lines.join('\r\n')}\r\n\r\n`)
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [onward, socket]) end.on('error', () => onward.destroy())
  })
  return new Promise((resolve) =>
    proxy.listen(0, '127.0.0.1', () => {
      const address = proxy.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    }),
  )
}

beforeAll(async () => {
  server = await startServer({
    env: { PUBLIC_URL: `https://x.example${PREFIX}/`, MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY },
  })
  origin = `http://127.0.0.1:${await startProxy()}`
})
afterAll(async () => {
  proxy.close()
  proxy.closeAllConnections()
  await server[Symbol.asyncDispose]()
})

const send = (url: string, body?: unknown) =>
  fetch(new URL(url, origin), {
    headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })

/** Every text in an answer that looks like an address of this server. */
function addressesIn(value: unknown): string[] {
  if (typeof value === 'string') return /^(\/[\w.-]|https:\/\/x\.example\/)/.test(value) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(addressesIn)
}

async function follow(address: string): Promise<[string, number]> {
  const answer = await send(address.replace('https://x.example', origin))
  await answer.body?.cancel()
  return [address, answer.status]
}

const CREATES: readonly (readonly [string, unknown])[] = [
  ['/api/batch', { operation: 'echo', items: [{ value: 1 }] }],
  ['/api/batch/stream-token', {}],
  ['/bulk/export', { format: 'json' }],
  ['/bulk/delete', { card_ids: ['none'] }],
  ['/api/v1/batch/delete', { resource_type: 'activities', ids: Array.from({ length: 101 }, (_, at) => `none-${at}`) }],
]

it.each(CREATES)('addresses that POST %s answers with keep the prefix and lead somewhere', async (path, body) => {
  const answer = await send(`${PREFIX}${path}`, body)
  const location = answer.headers.get('Location')
  const addresses = [...addressesIn(await answer.json()), ...(location === null ? [] : [location])]
  expect(addresses.length).toBeGreaterThan(0)
  expect(addresses.filter((address) => !new URL(address, origin).pathname.startsWith(`${PREFIX}/`))).toEqual([])
  for (const [address, status] of await Promise.all(addresses.map(follow))) {
    expect([address, status]).toEqual([address, 200])
  }
})

it('addresses in events and in the answer of a task keep it too', async () => {
  const made = z
    .object({ batchId: z.string(), streamUrl: z.string() })
    .parse(
      await (
        await send(`${PREFIX}/api/batch`, { operation: 'echo', items: Array.from({ length: 101 }, () => ({})) })
      ).json(),
    )
  const events = await (await send(made.streamUrl)).text()
  const [, resultsUrl = ''] = /"resultsUrl":"([^"]+)"/.exec(events) ?? []
  expect(await follow(resultsUrl)).toEqual([`${PREFIX}/api/batch/${made.batchId}/results`, 200])
  const Task = z.object({ task_id: z.string(), check_status_url: z.string(), stream_url: z.string() })
  const task = Task.parse(await (await send(`${PREFIX}/bulk/export`, { format: 'csv' })).json())
  await (await send(task.stream_url)).text()
  const addresses = addressesIn(await (await send(task.check_status_url)).json())
  expect(addresses.length).toBeGreaterThan(0)
  for (const address of addresses) expect((await follow(address))[1]).toBe(200)
})

it('the address of the rows that an import refused keeps it', async () => {
  const cards = [{ title: '', body: 'A body', category: 'NOTES', privacy_level: 'PERSONAL' }]
  const made = await (await send(`${PREFIX}/bulk/import`, { cards })).json()
  const { check_status_url } = z.object({ check_status_url: z.string() }).parse(made)
  const Ended = z.object({ result: z.object({ rejected_url: z.string() }) })
  const { result } = await until(async () => Ended.safeParse(await (await send(check_status_url)).json()).data)
  expect(result.rejected_url.startsWith(`${PREFIX}/bulk/import/`)).toBe(true)
  expect((await follow(result.rejected_url))[1]).toBe(200)
})

it('addresses of documents, of their job and of an export keep it, and the socket opens', async () => {
  const documents = `${PREFIX}/api/public/bulk`
  const document = { id: 'a', filename: 'a.txt', text: 'The water gauge stands beside the lower mill.' }
  const started = await send(`${documents}/process`, processBody('under-a-prefix', [document]))
  expect(await follow(started.headers.get('Location') ?? '')).toEqual([`${documents}/job/under-a-prefix/status`, 200])
  const { websocket_url } = z.object({ websocket_url: z.string() }).parse(await started.json())
  expect(websocket_url.startsWith(`wss://x.example${documents}/ws/bulk-processing/under-a-prefix?token=`)).toBe(true)
  const socket = new WebSocket(websocket_url.replace('wss://x.example', origin.replace('http', 'ws')))
  const code = await new Promise((resolve) => socket.addEventListener('close', (event) => resolve(event.code)))
  expect(code).toBe(1000)

  const exported = await send(`${documents}/export`, {
    export_id: 'out',
    job_id: 'under-a-prefix',
    format: 'json',
  })
  const { status_url } = z.object({ status_url: z.string() }).parse(await exported.json())
  expect([exported.headers.get('Location'), await follow(status_url)]).toEqual([status_url, [status_url, 200]])
  const Status = z.object({ download_url: z.string().nullable() })
  const file = await until(async () => Status.parse(await (await send(status_url)).json()).download_url)
  expect(await follow(file)).toEqual([`${documents}/download/out`, 200])
})

it('the page of the API loads all it names, and the document names the prefix', async () => {
  const page = await (await send(`${PREFIX}/docs`)).text()
  const named = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name = '']) => name)
  const files = named.filter((name) => !name.startsWith('data:'))
  expect(files).toHaveLength(3)
  for (const name of files) {
    const address = new URL(name, `${origin}${PREFIX}/docs`)
    expect([address.pathname, (await send(address.href)).status]).toEqual([address.pathname, 200])
  }
  const document = await (await send(`${PREFIX}/openapi.json`)).json()
  expect(document).toMatchObject({ servers: [{ url: `${PREFIX}/` }] })
})
