/** Two servers on one data folder, as in a rolling deploy: the one that starts leaves alone what the other has under way. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ExtractAccepted } from '../../src/features/heat-sheets/schemas.ts'
import { extract, formOf, statusOf } from '../support/batches.ts'
import { Follower } from '../support/follow.ts'
import { hasOwnProcesses, OWN_PROCESSES } from '../support/pid-namespace.ts'
import { freshFolder, type StartOptions, startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'

const env = { MILLRACE_ALLOW_PRIVATE_URLS: '1' }

let dataDir: string
const servers: TestServer[] = []
beforeEach(async () => {
  dataDir = await freshFolder()
})
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(options: StartOptions = {}): Promise<TestServer> {
  const server = await startServer({ dataDir, env, ...options })
  servers.push(server)
  return server
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 10))
const incoming = () => join(dataDir, 'blobs', '~incoming')
const database = () => createClient({ url: pathToFileURL(join(dataDir, 'millrace.db')).href })

/** The id of a process that has ended. */
const deadProcessId = () =>
  new Promise<number>((done) => {
    const child = execFile(process.execPath, ['-e', ''], () => done(child.pid ?? 0))
  })

/** Sends the first half of a form with one document, and waits until some of it is on disk. */
async function beginUpload(server: TestServer) {
  const document = { name: 'slow.pdf', bytes: await heatSheet({ meet: 'Slow Line Open' }) }
  const whole = new Response(formOf({ swimmer: SWIMMER, pdfs: [document] }))
  const bytes = new Uint8Array(await whole.arrayBuffer())
  const headers = { 'Content-Type': whole.headers.get('content-type') ?? '', 'Content-Length': bytes.length }
  const sending = request(`${server.url}/api/batch/extract`, { method: 'POST', headers })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sending.on('response', resolve).on('error', reject)
  })
  // Where nobody waits for it any more, the test has failed already.
  answered.catch(() => {})
  sending.write(bytes.subarray(0, bytes.length / 2))
  while ((await readdir(incoming())).length === 0) await pause()
  return {
    /** Sends the rest. @returns what was accepted */
    async end(): Promise<ExtractAccepted> {
      sending.end(bytes.subarray(bytes.length / 2))
      const response = await answered
      const text = (await response.toArray()).join('')
      expect([response.statusCode, text]).toEqual([202, expect.any(String)])
      return ExtractAccepted.parse(JSON.parse(text))
    },
  }
}

/** A document at a link whose answer is held back until a test lets it go: a job that runs on. */
async function heldLink() {
  const bytes = await heatSheet({ meet: 'Held Meet' })
  const waiting: ServerResponse[] = []
  const web = createServer((_, response) => waiting.push(response)).listen(0, '127.0.0.1')
  await once(web, 'listening')
  const address = web.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/held.pdf`,
    waiting,
    release() {
      for (const response of waiting) response.end(bytes)
    },
    [Symbol.dispose]() {
      web.closeAllConnections()
      web.close()
    },
  }
}

async function expectCompleted(server: TestServer, { batchId, streamUrl }: ExtractAccepted): Promise<void> {
  const follower = new Follower(server.url + streamUrl)
  await follower.completed()
  follower.close()
  expect((await statusOf(server, batchId)).batch).toMatchObject({ status: 'completed', completedJobs: 1 })
}

describe('a server that starts while another receives and works', () => {
  it('takes nothing from one whose process it does not see, and takes back what a dead one held', async () => {
    using link = await heldLink()
    const first = await start()
    const running = await extract(first, { swimmer: SWIMMER, urls: [link.url] })
    while (link.waiting.length === 0) await pause()
    const upload = await beginUpload(first)

    // As from another pid namespace under one host name: the process ids of the first server mean nothing here.
    const dead = await deadProcessId()
    const db = database()
    await db.execute({ sql: 'UPDATE workers SET pid = ?', args: [dead] })
    // And one that was killed, among the processes that the second server sees.
    await db.execute(`INSERT INTO workers SELECT 'killed', host, pid, started_at, seen_at FROM workers`)
    await db.execute(`UPDATE workers SET host = host || ' of another' WHERE id <> 'killed'`)
    await writeFile(join(incoming(), `${dead}.of-another`), 'half')
    await writeFile(join(incoming(), `${dead}.abandoned`), 'half')
    await utimes(join(incoming(), `${dead}.abandoned`), 0, 0)
    const second = await start()

    const left = await readdir(incoming())
    expect(left).toHaveLength(2)
    expect(left).toContain(`${dead}.of-another`)
    const ids = async () => (await db.execute('SELECT id FROM workers')).rows.map(({ id }) => id)
    // It has judged all that it was suspicious of.
    while ((await ids()).includes('killed')) await pause()
    expect(await ids()).toHaveLength(2)
    await expectCompleted(second, await upload.end())
    expect(link.waiting).toHaveLength(1)
    link.release()
    await expectCompleted(second, running)
    const { rows } = await db.execute('SELECT sum(losses) AS losses FROM jobs')
    expect(rows).toMatchObject([{ losses: 0 }])
    expect(second.output).not.toContain('took back jobs')
    db.close()
  })

  it.skipIf(!hasOwnProcesses)('takes nothing from one in another pid namespace, and neither does a third', async () => {
    using link = await heldLink()
    const first = await start({ runBy: OWN_PROCESSES })
    const running = await extract(first, { swimmer: SWIMMER, urls: [link.url] })
    while (link.waiting.length === 0) await pause()
    const upload = await beginUpload(first)
    // In the second container the server has the same process id as in the first; outside, none has it.
    const others = [await start({ runBy: OWN_PROCESSES }), await start()]
    const db = database()
    const hosts = async () => (await db.execute('SELECT DISTINCT host FROM workers')).rows
    // Each signs in with processes of its own.
    while ((await hosts()).length < 3) await pause()

    await expectCompleted(first, await upload.end())
    expect(link.waiting).toHaveLength(1)
    link.release()
    await expectCompleted(first, running)
    const { rows } = await db.execute('SELECT sum(losses) AS losses FROM jobs')
    expect(rows).toMatchObject([{ losses: 0 }])
    for (const other of others) expect(other.output).not.toContain('took back jobs')
    db.close()
  })
})
