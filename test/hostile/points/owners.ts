/** Point 5: one hostile owner of three leaves the others what they have alone, five times over. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { compareSides, type Sides, TRIES } from '../../support/owners-beside.ts'
import { heatSheet } from '../../support/sheets.ts'
import { batchEnd, call, echo, KEYS, pick, textAt, timed, tokenOf, until } from '../call.ts'
import { heavyPdf } from '../heavy-pdf.ts'
import type { Point } from '../points.ts'
import { raw } from '../raw.ts'
import { demand, Fault, type Report } from '../report.ts'
import { type Server, Target } from '../server.ts'

const HOSTILE = 'mal'
const OTHERS = ['bea', 'cal'] as const
/** Pieces of work of each of the others in a round: enough for a 95th percentile, which the one start of a process does not decide. */
const PIECES = 20
/** Between looks at a batch whose time is measured, in milliseconds. */
const TIMED_LOOK_MS = 5
/** Pairs of rounds of a comparison: as many as five minutes leave room for. */
const ROUNDS = 3
/** Others may wait twice as long as alone, times what sharing the machine costs by itself. */
const FACTOR = 2

/** Ends batches of the hostile owner, so that the next probe begins with a quiet server. */
async function quiet(server: Server): Promise<void> {
  const { json } = await call(server, '/api/batch', { as: HOSTILE })
  const batches = pick(json, 'batches')
  for (const batch of Array.isArray(batches) ? batches : []) {
    await call(server, `/api/batch/${pick(batch, 'id')}/cancel`, { as: HOSTILE, method: 'POST' })
  }
}

/**
 * Compares how long the others wait alone and beside the hostile owner, in several rounds, with a control of what sharing the machine costs.
 * @throws Fault where it is more than it may be
 */
async function compared(
  server: Server,
  work: (owner: string, round: string) => Promise<unknown>,
  attack: (round: number) => Promise<unknown>,
): Promise<string> {
  const times = async (name: string) =>
    (
      await Promise.all(
        OTHERS.map(async (owner) => {
          const all: number[] = []
          for (let i = 0; i < PIECES; i++) all.push(await timed(() => work(owner, `${name}-${owner}-${i}`)))
          return all
        }),
      )
    ).flat()
  const sides: Sides = {
    times: (round) => times(round.replaceAll(' ', '-')),
    attack: async (round) => {
      await attack(round)
      return () => quiet(server)
    },
  }
  await times('warm')
  // Noise makes a ratio larger far more often than smaller, so that one comparison of three suffices.
  const found: string[] = []
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { ratio, control, rounds } = await compareSides(attempt, sides, ROUNDS)
    found.push(`${ratio.toFixed(2)} times, control ${control.toFixed(2)}: ${rounds}`)
    if (ratio <= FACTOR * Math.max(1, control)) return found.join('; ')
  }
  throw new Fault(found.join('; '))
}

/** A name server that answers for `ok…test` with this machine, and for `…never.test` not at all. */
async function nameServer() {
  const socket = createSocket('udp4')
  let silent = 0
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + size))
      at += size + 1
    }
    if (labels.join('.').endsWith('never.test')) {
      silent++
      return
    }
    const end = at + 5
    const isAddress = query.readUInt16BE(at + 1) === 1
    const head = Buffer.from(query.subarray(0, 12))
    head.writeUInt16BE(0x8580, 2)
    head.writeUInt16BE(isAddress ? 1 : 0, 6)
    head.writeUInt32BE(0, 8)
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1])
    socket.send(Buffer.concat([head, query.subarray(12, end), ...(isAddress ? [answer] : [])]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, silent: () => silent, close: () => socket.close() }
}

/** Serves a different small sheet under every path. */
async function sheetHost() {
  const server = createServer((request, response) => {
    void heatSheet({ meet: request.url ?? '' }).then((bytes) =>
      response.writeHead(200, { 'Content-Type': 'application/pdf' }).end(bytes),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const links = (urls: readonly string[]) => ({
  operation: 'heat-sheet',
  input: { swimmer: 'Ada Quill' },
  items: urls.map((url) => ({ url })),
})

async function names(report: Report): Promise<void> {
  const dns = await nameServer()
  const host = await sheetHost()
  await using target = new Target({
    env: {
      ...KEYS,
      MILLRACE_ALLOW_PRIVATE_URLS: '1',
      DNS_SERVERS: `127.0.0.1:${dns.port}`,
      LOG_LEVEL: 'warn',
    },
  })
  const options = {
    name: '100 links whose names are never answered',
    expected: `others wait ≤ ${FACTOR} × as long`,
    withinMs: 75_000,
  }
  await report.probe('5', target, options, (server) => {
    const work = async (owner: string, round: string) => {
      const body = links([`http://ok-${round}.test:${host.port}/${round}.pdf`])
      const id = textAt(await call(server, '/api/batch', { as: owner, body }), 'batchId')
      const batch = await batchEnd(server, id, { as: owner, everyMs: TIMED_LOOK_MS, ms: 30_000 })
      demand(pick(batch, 'status') === 'completed', `a download of another ended ${pick(batch, 'status')}`)
    }
    const attack = async (round: number) => {
      const before = dns.silent()
      const body = links(Array.from({ length: 100 }, (_, i) => `http://h${i}.round${round}.never.test/a.pdf`))
      await call(server, '/api/batch', { as: HOSTILE, body })
      await until('look-ups of the hostile owner', 10_000, async () => (dns.silent() > before ? true : null))
    }
    return compared(server, work, attack)
  })
  dns.close()
  host.close()
}

async function sendSheet(server: Server, owner: string, bytes: Uint8Array, name: string): Promise<string> {
  const form = new FormData()
  form.set('swimmer', 'Ada Quill')
  form.set('pdfs', new Blob([Uint8Array.from(bytes)]), name)
  return textAt(await call(server, '/api/batch/extract', { as: owner, body: form }), 'batchId')
}

/** Pieces of text in a document that takes some seconds to read. */
const SLOW_WEIGHT = 70_000

/** Ten documents that take seconds each. */
async function documents(server: Server): Promise<string> {
  const work = async (owner: string, round: string) => {
    const id = await sendSheet(server, owner, await heatSheet({ meet: round }), 'a.pdf')
    await batchEnd(server, id, { as: owner, everyMs: TIMED_LOOK_MS, ms: 60_000 })
  }
  const attack = async (round: number) => {
    const ids: string[] = []
    for (let i = 1; i <= 10; i++) {
      const bytes = heavyPdf({ pages: 1, weight: SLOW_WEIGHT, seed: 10 * round + i })
      ids.push(await sendSheet(server, HOSTILE, bytes, `${i}.pdf`))
    }
    await untilBusy(server, ids)
    // The processes that start beside long documents have started then: it is their documents that are timed, not the starts.
    await Promise.all([...OTHERS, ...OTHERS].map((owner, i) => work(owner, `start-${round}-${i}`)))
  }
  return compared(server, work, attack)
}

/** Waits until one of the hostile owner's batches is worked on. */
async function untilBusy(server: Server, ids: readonly string[]): Promise<void> {
  await until('running job of the hostile owner', 20_000, async () => {
    for (const id of ids) {
      const { json } = await call(server, `/api/batch/${id}`, { as: HOSTILE })
      if (pick(json, 'batch', 'status') === 'processing') return true
    }
    return null
  })
}

async function sleepers(server: Server): Promise<string> {
  const work = async (owner: string) =>
    batchEnd(server, await echo(server, [{ value: 1 }], { as: owner }), {
      as: owner,
      everyMs: TIMED_LOOK_MS,
      ms: 40_000,
    })
  const attack = async () => {
    const items = Array.from({ length: 200 }, () => ({ waitMs: 30_000 }))
    await untilBusy(server, [await echo(server, items, { as: HOSTILE })])
  }
  return compared(server, work, attack)
}

const MAX_STREAMS = 20

async function streams(server: Server): Promise<string> {
  const open = async (owner: string) => {
    const connection = await raw(server.port)
    const auth = `Authorization: Bearer ${await tokenOf(owner)}`
    connection.socket.write(`GET /api/batch/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n${auth}\r\n\r\n`)
    await connection.answered()
    return { connection, status: Number(connection.text.slice(9, 12)) }
  }
  const all = []
  for (let i = 0; i < MAX_STREAMS + 5; i++) all.push(await open(HOSTILE))
  const own = all.filter(({ status }) => status === 200).length
  const others = await Promise.all([...OTHERS, ...OTHERS].map(open))
  const served = others.filter(({ status }) => status === 200).length
  const refusal = all.at(-1)
  for (const { connection } of [...all, ...others]) connection.socket.destroy()
  const told = `${own} of ${MAX_STREAMS} for one, then ${refusal?.status}; others ${served} of ${others.length}`
  demand(served === others.length && refusal?.status !== 200, told)
  return told
}

/** A document each of whose stretches is within the limit of one, and which is beyond it as a whole. */
async function longDocument(server: Server): Promise<string> {
  const id = await sendSheet(server, HOSTILE, heavyPdf({ pages: 400, weight: 4_000, seed: 99 }), 'long.pdf')
  const job = await until('end of the document', 45_000, async () => {
    const { json } = await call(server, `/api/batch/${id}/jobs`, { as: HOSTILE })
    const first = pick(json, 'jobs', 0)
    return ['failed', 'completed'].includes(String(pick(first, 'status'))) ? first : null
  })
  const told = `${pick(job, 'status')} ${pick(job, 'errorCode')} ${pick(job, 'errorMessage')}`
  demand(pick(job, 'errorCode') === 'TOO_LARGE', told)
  return told
}

async function run(report: Report): Promise<void> {
  const expected = `others wait ≤ ${FACTOR} × as long`
  {
    await using node = new Target({ env: { ...KEYS, MAX_STREAMS: String(MAX_STREAMS), LOG_LEVEL: 'warn' } })
    await report.probe('5', node, { name: 'every stream there may be', expected: 'a share for others' }, streams)
    const sleeping = { name: '200 sleeping jobs', expected, withinMs: 90_000 }
    await report.probe('5', node, sleeping, sleepers)
  }
  {
    await using node = new Target({ env: { ...KEYS, LOG_LEVEL: 'warn' } })
    await report.probe('5', node, { name: 'ten slow documents', expected, withinMs: 90_000 }, documents)
  }
  await names(report)
  await using node = new Target({ env: { ...KEYS, LOG_LEVEL: 'warn', MAX_DOCUMENT_CPU_SECONDS: '3' } })
  const long = { name: '400 heavy pages, 3 s of CPU a document', expected: 'TOO_LARGE', withinMs: 60_000 }
  await report.probe('5', node, long, longDocument)
}

export const owners: Point = { point: '5', title: 'owners', lane: 'measured', run }
