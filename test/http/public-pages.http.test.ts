/** Public pages: the address that an export names for them, whatever a request calls the server, and who is answered when many are missed. */
import { request } from 'node:http'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const API_KEY = 'a-key-for-public-pages'
const KEYED = { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: API_KEY }
const Task = z.object({ task_id: z.string() })
const Exported = z.object({ result: z.object({ export_data: z.string() }) })
const Cards = z.array(z.looseObject({ published_url: z.string() }))

/** A request with headers that `fetch` would not send. */
function send(server: TestServer, method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const { port } = server
    const all = { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json', ...headers }
    const sent = request({ host: '127.0.0.1', port, path, method, headers: all, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Runs a task of the card surface to its end. */
async function ended(server: TestServer, path: string, body: object, headers: Record<string, string> = {}) {
  const { task_id } = Task.parse(JSON.parse((await send(server, 'POST', path, headers, JSON.stringify(body))).text))
  return until(async () => {
    const { text } = await send(server, 'GET', `/bulk/status/${task_id}`)
    return text.includes('"SUCCESS"') ? JSON.parse(text) : null
  })
}

const publish = (server: TestServer) =>
  ended(server, '/bulk/import', {
    cards: [{ title: 'Open to all', body: 'x', category: 'IDEAS', privacy_level: 'IDEAS', tags: [] }],
    publish_ideas: true,
  })

/** Where an export says that the published card is. */
async function publishedUrl(server: TestServer, headers: Record<string, string> = {}): Promise<string> {
  const { result } = Exported.parse(await ended(server, '/bulk/export', { format: 'json' }, headers))
  const data: unknown = JSON.parse(result.export_data)
  return (
    Cards.parse(Array.isArray(data) ? data : z.object({ cards: z.unknown() }).parse(data).cards)[0]?.published_url ?? ''
  )
}

const EVIL = { Host: 'evil.example.com', 'X-Forwarded-Host': 'evil.example.com', Forwarded: 'host=evil.example.com' }

it.each([{ HOST: '0.0.0.0' }, { TRUST_PROXY: '1' }])(
  'names no host in the address of a page where others reach it and none was configured: %j',
  async (env) => {
    await using server = await startServer({ env: { ...KEYED, ...env } })
    await publish(server)
    for (const headers of [EVIL, { Host: 'localhost' }]) {
      const url = await publishedUrl(server, headers)
      expect(url).toMatch(/^\/cards\/[\w-]+$/)
      expect((await send(server, 'GET', url)).status).toBe(200)
    }
  },
)

it('names its own address where one was configured, whatever a request says', async () => {
  await using server = await startServer({ env: { ...KEYED, PUBLIC_URL: 'https://mill.example.com/race/' } })
  await publish(server)
  for (const headers of [EVIL, {}]) {
    expect(await publishedUrl(server, headers)).toMatch(/^https:\/\/mill\.example\.com\/race\/cards\/[\w-]+$/)
  }
})

it('names loopback where only this machine reaches it, and no other host', async () => {
  await using server = await startServer({ env: KEYED })
  await publish(server)
  expect(await publishedUrl(server)).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${server.port}/cards/`))
  expect(await publishedUrl(server, EVIL)).toMatch(/^\/cards\//)
})

it('shows a page to everybody behind an address from which too many were missed', async () => {
  await using server = await startServer({ env: { ...KEYED, RATE_LIMITS: 'pages.miss=3' } })
  await publish(server)
  const path = new URL(await publishedUrl(server)).pathname
  const statuses: number[] = []
  for (let time = 0; time < 6; time++) statuses.push((await send(server, 'GET', `/results/none${time}`)).status)
  expect(statuses).toEqual([404, 404, 404, 429, 429, 429])
  for (let time = 0; time < 30; time++) expect((await send(server, 'GET', path)).status).toBe(200)
  // Also while somebody there goes on guessing, many at once; and who guesses comes no faster for it.
  const guesses = Promise.all(Array.from({ length: 40 }, (_, at) => send(server, 'GET', `/cards/guess-${at}`)))
  const shown = await Promise.all(Array.from({ length: 5 }, () => send(server, 'GET', path)))
  expect(shown.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  for (const { status, headers } of await guesses) {
    expect(status).toBe(429)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  }
})
