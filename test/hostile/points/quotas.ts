/** Point 9: a small body that unpacks into a large one is refused, and what an owner keeps is bounded. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { constants, crc32, deflateRawSync } from 'node:zlib'
import { call, KEYS } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, Fault, MEMORY_MB, type Report, STALL_MS } from '../report.ts'
import { type Server, startServer } from '../server.ts'
import { EDGE, MEASURED } from '../targets.ts'

const MB = 1024 * 1024
/** A body that unpacks to this many bytes. */
const UNPACKED = 1_024 * MB
/** What may stay on disk of a body that was refused, and of one that was taken. */
const KEPT_MB = 70
const ANSWER_MS = 20_000

/** Packs `unit`, repeated until it makes `bytes`, after `head`: each time as a block of its own, so that it is packed once. */
function bomb(head: string, unit: string, bytes: number): Uint8Array {
  const block = Buffer.from(unit.repeat(Math.ceil(MB / unit.length)))
  const options = { finishFlush: constants.Z_FULL_FLUSH, level: 9 }
  const packed = deflateRawSync(block, options)
  const times = Math.floor(bytes / block.length)
  const first = Buffer.from(head)
  let sum = crc32(first)
  for (let i = 0; i < times; i++) sum = crc32(block, sum)
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(sum, 0)
  tail.writeUInt32LE((first.length + times * block.length) % 2 ** 32, 4)
  const magic = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
  const blocks = Array.from({ length: times }, () => packed)
  return Buffer.concat([magic, deflateRawSync(first, options), ...blocks, deflateRawSync(''), tail])
}

/** Bytes in a folder. */
function sizeOf(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return entries.reduce((sum, { parentPath, name }) => {
    try {
      return sum + statSync(join(parentPath, name)).size
    } catch {
      return sum
    }
  }, 0)
}

/** A body that is packed. */
interface Bomb {
  readonly name: string
  readonly type: string
  readonly make: () => Uint8Array
}

const LINES = 'application/x-ndjson'
const BOMBS: readonly Bomb[] = [
  { name: 'one record of 1 GB', type: LINES, make: () => bomb('{"title":"', 'a', UNPACKED) },
  {
    name: '1 GB of records that are all too large',
    type: LINES,
    make: () => bomb('', `{"title":"${'a'.repeat(MB - 13)}"}\n`, UNPACKED),
  },
  { name: '1 GB of empty lines', type: LINES, make: () => bomb('', '\n', UNPACKED) },
  { name: '1 GB of blanks around no cards', type: 'application/json', make: () => bomb('{"cards":[', ' ', UNPACKED) },
  { name: '1 GB of cards that are none', type: 'application/json', make: () => bomb('[', '{"a":[]},', UNPACKED) },
  {
    name: '1 GB of one field',
    type: 'text/csv',
    make: () => bomb('title,body,category,privacy_level\n"', 'a', UNPACKED),
  },
]

async function unpack(server: Server, one: Bomb): Promise<string> {
  const body = one.make()
  const before = sizeOf(server.dataDir)
  const headers = { 'Content-Type': one.type, 'Content-Encoding': 'gzip' }
  const as = server.runtime === 'node' ? {} : { as: 'ann' }
  const answer = await call(server, '/bulk/import', { ...as, body, headers, withinMs: ANSWER_MS }).catch(
    (error: unknown) => {
      const kept = Math.round((sizeOf(server.dataDir) - before) / MB)
      throw new Fault(`no answer (${error instanceof Error ? error.message : error}), ${kept} MB kept`)
    },
  )
  await pause(500)
  const kept = Math.round((sizeOf(server.dataDir) - before) / MB)
  const told = `${(body.length / MB).toFixed(1)} MB: ${answer.status} ${answer.text.slice(0, 90)}; ${kept} MB kept`
  demand(answer.status >= 400 && answer.status < 500 && kept <= KEPT_MB, told)
  return told
}

const CARD = (i: number) =>
  `{"title":"t${i}","body":"${'b'.repeat(100_000)}","category":"IDEAS","privacy_level":"PRIVATE"}\n`

/** Setting of the quota, and how much of it is used up by bodies of 2 MB. */
async function quota(): Promise<string> {
  const server = await startServer({ env: { ...KEYS, MAX_BYTES_PER_OWNER: String(10 * MB) } })
  try {
    const body = Array.from({ length: 20 }, (_, i) => CARD(i)).join('')
    const headers = { 'Content-Type': LINES }
    let taken = 0
    let refusal = null
    for (let i = 0; i < 12 && refusal === null; i++) {
      const answer = await call(server, `/bulk/import?on_duplicate=skip`, { as: 'ann', body, headers })
      if (answer.status === 200) taken++
      else refusal = answer
    }
    const others = await call(server, '/bulk/import', { as: 'bob', body, headers })
    const { text } = await call(server, '/metrics', { as: 'op', scope: 'metrics:read' })
    const usage = text.split('\n').find((line) => /^millrace\w*bytes\w*\{?.*/.test(line))
    const told = `${taken} bodies of 2 MB taken, then ${refusal?.status ?? 'no refusal'} ${refusal?.text.slice(0, 110) ?? ''}`
    demand(refusal !== null && refusal.status < 500 && /byte|MB|quota|storage/i.test(refusal.text), told)
    demand(others.status === 200, `${told}; another owner is answered ${others.status}`)
    demand(usage !== undefined, `${told}; /metrics tells of no bytes`)
    return `${told}; ${usage}`
  } finally {
    await server.kill()
  }
}

async function run(report: Report): Promise<void> {
  const limits = { maxMb: MEMORY_MB, maxStallMs: STALL_MS, expected: `refused, ≤ ${KEPT_MB} MB kept` }
  for (const one of BOMBS) {
    await report.probe('9', MEASURED, { ...limits, name: `gzip: ${one.name}` }, (server) => unpack(server, one))
  }
  const owned = {
    name: 'an owner that keeps more and more',
    expected: 'an error that names the limit; others go on; /metrics tells',
  }
  await report.alone('9', owned, quota)
}

async function edgeRun(report: Report): Promise<void> {
  const limits = { maxStallMs: STALL_MS, expected: `refused, ≤ ${KEPT_MB} MB kept` }
  for (const one of BOMBS.slice(0, 2)) {
    await report.probe('9', EDGE, { ...limits, name: `gzip: ${one.name}` }, (server) => unpack(server, one))
  }
}

export const edgeQuotas: Point = { point: '9', title: 'quotas on workerd', lane: 'edge', run: edgeRun }
export const quotas: Point = { point: '9', title: 'quotas', lane: 'measured', run }
