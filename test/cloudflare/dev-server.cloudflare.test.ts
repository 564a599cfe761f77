/** The two commands that run the Worker on this machine: `npm run dev:edge`, and `npm run keys:edge` beside it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startHranaServer } from '../contracts/hrana-server.ts'
import { type DnsAnswer, type DnsServer, startDnsServer } from '../drivers/dns-servers.ts'
import { endWithTests } from '../support/end-children.ts'
import { freshFolder } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'
import { until } from '../support/until.ts'

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts')
const LONG_MS = scaled(120_000)
/** All that some file of variables or another would take for something else. */
const OWN_KEY = ['a"b\\c$d', "'e`f#g", '{HOME}$HOME', '\\n\\$x', '\\'].join('$')
/** Names that anybody may own and point where they like. */
const NAMES: Readonly<Record<string, DnsAnswer>> = {
  'loopback.example.org': { A: ['127.0.0.1'] },
  'loopback6.example.org': { AAAA: ['::1'] },
  'network.example.org': { A: ['10.0.0.1'] },
  'metadata.example.org': { A: ['169.254.169.254'] },
  'both.example.org': { A: ['93.184.215.14', '127.0.0.1'] },
}

const Created = z.object({ batchId: z.string() })
const Batch = z.object({ batch: z.object({ status: z.string(), completedJobs: z.int() }) })
const Jobs = z.object({ jobs: z.array(z.object({ errorCode: z.string().nullable() })) })
const Deliveries = z.object({ deliveries: z.array(z.object({ error: z.string().nullable() })) })
const Page = z.object({ batches: z.array(z.object({ id: z.string() })) })

let dataDir = ''
let env: NodeJS.ProcessEnv = {}
let server: ChildProcess | null = null
let url = ''
let dns: DnsServer
beforeAll(async () => {
  dataDir = await freshFolder()
  dns = await startDnsServer((name) => NAMES[name] ?? 'unknown')
  const { PATH, HOME } = process.env
  env = {
    PATH,
    HOME,
    DATA_DIR: dataDir,
    PORT: '0',
    MILLRACE_AUTH: 'keys',
    MILLRACE_API_KEY: OWN_KEY,
    DNS_SERVERS: dns.address,
  }
}, LONG_MS)
afterAll(async () => {
  await stop()
  await dns[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

let said = ''

/** Starts the Worker; `url` is where it listens. */
async function start(more: Readonly<Record<string, string>> = {}, ...args: string[]): Promise<void> {
  said = ''
  await stop()
  const child = endWithTests(
    spawn(process.execPath, [join(SCRIPTS, 'dev-edge.ts'), ...args], {
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  server = child
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  url = await until(() => {
    if (child.exitCode !== null) throw new Error(said)
    return Promise.resolve(/Millrace listens on (http:\S+)/.exec(said)?.[1] ?? null)
  }, LONG_MS)
}

async function stop(): Promise<void> {
  if (server === null || server.exitCode !== null) return
  const ended = once(server, 'close')
  server.kill('SIGTERM')
  await ended
}

/** Starts a server on loopback that counts its requests. */
async function startCounting() {
  let requests = 0
  const web = createServer((_, response) => {
    requests += 1
    response.end('reached')
  }).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get requests() {
      return requests
    },
    async [Symbol.asyncDispose]() {
      web.close()
    },
  }
}

/** Runs the command on keys to its end. */
const keys = (...args: string[]) => run('keys-edge.ts', args)
const run = (script: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
  promisify(execFile)(process.execPath, [join(SCRIPTS, script), ...args], { env: { ...env, ...more } })
/** What a command ends with that says so on standard error. */
const refusing = (words: RegExp) => expect.objectContaining({ code: 1, stderr: expect.stringMatching(words) })
const secretIn = (text: string) => /mr_\S+/.exec(text)?.[0] ?? ''

async function call(key: string, path: string, body?: unknown): Promise<Response> {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
  return fetch(
    new URL(path, url),
    body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) },
  )
}

describe('the Worker on this machine', { timeout: LONG_MS }, () => {
  let batchId = ''

  it('starts from nothing and does work for who has the key of the environment', async () => {
    await start()
    expect((await fetch(`${url}/api/batch`)).status).toBe(401)
    const created = await call(OWN_KEY, '/api/batch', { operation: 'echo', items: [{ value: 1 }, { value: 2 }] })
    batchId = Created.parse(await created.json()).batchId
    const done = await until(async () => {
      const { batch } = Batch.parse(await (await call(OWN_KEY, `/api/batch/${batchId}`)).json())
      return batch.status === 'completed' ? batch : null
    }, LONG_MS)
    expect(done.completedJobs).toBe(2)
  })

  it.each(['/cdn-cgi/explorer/', '/cdn-cgi/explorer/api/d1/database', '/cdn-cgi/local/explorer/api/d1/database'])(
    'shows no database to whoever asks at %s',
    async (path) => {
      const response = await fetch(`${url}${path}`)
      expect([path, response.status]).toEqual([path, expect.toSatisfy((status: number) => status >= 400)])
      expect(await response.text()).not.toMatch(/uuid|<!doctype/i)
    },
  )

  it.each([...Object.keys(NAMES).map((name) => [name, 'URL_NOT_ALLOWED']), ['nowhere.example.org', 'NETWORK_ERROR']])(
    'fetches nothing from %s: %s',
    async (name, code) => {
      await using here = await startCounting()
      const form = new FormData()
      form.append('swimmer', 'Liu, Sara')
      form.append('urls', JSON.stringify([`http://${name}:${here.port}/`]))
      const created = await fetch(`${url}/api/batch/extract`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${OWN_KEY}` },
        body: form,
      })
      const { batchId: extracted } = Created.parse(await created.json())
      const found = await until(async () => {
        const { jobs } = Jobs.parse(await (await call(OWN_KEY, `/api/batch/${extracted}`)).json())
        return jobs[0]?.errorCode ?? null
      }, LONG_MS)
      expect([found, here.requests]).toEqual([code, 0])
    },
  )

  it('sends no webhook to a name that leads to this machine', async () => {
    await using here = await startCounting()
    const webhook = { url: `http://loopback.example.org:${here.port}/` }
    const created = await call(OWN_KEY, '/api/batch', { operation: 'echo', items: [{}], options: { webhook } })
    const { batchId: told } = Created.parse(await created.json())
    const tried = await until(async () => {
      const answer = await call(OWN_KEY, `/api/webhooks/deliveries?batchId=${told}`)
      const { deliveries } = Deliveries.parse(await answer.json())
      return deliveries[0]?.error ?? null
    }, LONG_MS)
    expect([tried, here.requests]).toEqual([expect.stringMatching(/private or reserved network address/), 0])
  })

  it('serves the files of its pages as it serves all else', async () => {
    const style = new URL('/docs/swagger-ui.css', url)
    const { status, headers } = await fetch(style)
    expect([status, headers.get('Content-Type')]).toEqual([200, 'text/css; charset=utf-8'])
    expect(headers.get('Cache-Control')).toBe('public, max-age=3600')
    for (const name of ['X-Request-Id', 'X-Content-Type-Options', 'Strict-Transport-Security']) {
      expect([name, headers.get(name)]).toEqual([name, expect.stringMatching(/./)])
    }
    const posted = await fetch(style, { method: 'POST' })
    expect([posted.status, posted.headers.get('Allow')]).toEqual([405, 'GET, HEAD'])
    expect((await fetch(style, { method: 'OPTIONS' })).status).toBe(204)
    expect((await fetch(new URL('/docs/swagger-ui.js', url))).status).toBe(404)
  })

  it('takes keys that are made, rotated and revoked while it runs', async () => {
    const { stdout } = await keys('create', "al'ice?", 'laptop; --', '--scopes', 'batch:read,batch:write')
    const secret = secretIn(stdout)
    const mine = await call(secret, '/api/batch', { operation: 'echo', items: [{ value: 1 }] })
    const { batchId: own } = Created.parse(await mine.json())
    // Its scopes, and rows of its own, are all that it opens.
    expect((await call(secret, '/bulk/tokens')).status).toBe(403)
    expect((await call(secret, `/api/batch/${batchId}`)).status).toBe(404)
    expect(Page.parse(await (await call(secret, '/api/batch')).json()).batches).toMatchObject([{ id: own }])

    const [id = ''] = (await keys('list')).stdout.split(' ')
    const next = secretIn((await keys('rotate', id)).stdout)
    expect((await call(secret, '/api/batch')).status).toBe(401)
    expect((await call(next, `/api/batch/${own}`)).status).toBe(200)
    const listed = (await keys('list')).stdout.trim().split('\n')
    expect(listed).toEqual([
      expect.stringMatching(/ {2}al'ice\? {2}in force {2}batch:read,batch:write .*laptop; --$/),
      expect.stringMatching(/ {2}al'ice\? {2}replaced /),
    ])
    await keys('revoke', listed[0]?.split(' ')[0] ?? '')
    expect((await call(next, '/api/batch')).status).toBe(401)
  })

  it('keeps what an owner and a name are, to the letter, whatever wrangler is told to log', async () => {
    const name = `x BEGIN TRANSACTION; y COMMIT; 'z' "?" \\ ü`
    const loud = { WRANGLER_LOG: 'debug' }
    const { stdout } = await run('keys-edge.ts', ['create', 'bob BEGIN TRANSACTION', name], loud)
    expect((await call(secretIn(stdout), '/api/batch')).status).toBe(200)
    expect((await keys('list')).stdout).toContain(`bob BEGIN TRANSACTION  in force  *  `)
    expect((await keys('list')).stdout).toContain(`  ${name}\n`)
  })

  it('says how keys are made where it was called otherwise', async () => {
    const refused = refusing(/npm run keys:edge -- create OWNER/)
    await expect(keys('create')).rejects.toEqual(refused)
    await expect(keys('create', 'bo', '--scopes', 'all')).rejects.toEqual(refused)
  })

  it('keeps what it has from one start to the next, for as long as it is told', async () => {
    await start()
    expect((await call(OWN_KEY, `/api/batch/${batchId}`)).status).toBe(200)
    await start({ RETENTION_DAYS: '0.00001' }, '--cron-seconds', '1')
    await until(async () => {
      const { status } = await call(OWN_KEY, `/api/batch/${batchId}`)
      return status === 404 ? true : null
    }, LONG_MS)
    expect(said).not.toMatch(/cron trigger/)
  })

  it('takes the first of a list of ports, and says which is taken', async () => {
    const port = Number(new URL(url).port)
    await expect(run('dev-edge.ts', [], { PORT: `${port},1` })).rejects.toEqual(refusing(/PORT=\d+ is taken/))
  })
})

describe('a libSQL server in the place of D1', { timeout: LONG_MS }, () => {
  let database: Awaited<ReturnType<typeof startHranaServer>>
  let folder = ''
  let there: Readonly<Record<string, string>> = {}
  beforeAll(async () => {
    folder = await freshFolder()
    database = await startHranaServer(join(folder, 'served.db'), 'a-token')
    there = { DATABASE_URL: database.origin, DATABASE_AUTH_TOKEN: 'a-token' }
  })
  afterAll(async () => {
    await stop()
    database.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('gets its tables, and keys that the Worker finds', async () => {
    await start(there)
    const { stdout } = await run('keys-edge.ts', ['create', 'al'], there)
    expect((await call(secretIn(stdout), '/api/batch')).status).toBe(200)
    const id = /Key (\S+) for al/.exec(stdout)?.[1] ?? ''
    await run('keys-edge.ts', ['--remote', 'revoke', id], there)
    expect((await call(secretIn(stdout), '/api/batch')).status).toBe(401)
  })

  it('is refused in a sentence where it is a file, or where nobody answers', async () => {
    for (const script of ['dev-edge.ts', 'keys-edge.ts']) {
      const file = { DATABASE_URL: 'file:/nowhere.db' }
      await expect(run(script, [], file)).rejects.toEqual(refusing(/^DATABASE_URL names a file/))
      const nobody = { DATABASE_URL: 'http://127.0.0.1:1' }
      await expect(run(script, [], nobody)).rejects.toEqual(refusing(/^The database at DATABASE_URL cannot be opened/))
    }
  })

  it('ends the start of a Worker that refuses everything', async () => {
    const refused = start(there)
    await until(() => Promise.resolve(/custom build/.test(said) ? true : null), LONG_MS)
    database.close()
    await expect(refused).rejects.toThrow(/The Worker answers 503 to everything: .*Its log says why/)
  })
})
