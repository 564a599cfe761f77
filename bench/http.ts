/** Measures calls of a URL for every item, beside autocannon over as many connections, against the same service in the same run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { z } from 'zod'
import { median, shown } from './parts/report.ts'

const ROOT = join(import.meta.dirname, '..')
const ROUNDS = 3
const CONNECTIONS = 50
const PAUSES_MS = [0, 20, 100] as const
const CALLS: Readonly<Record<(typeof PAUSES_MS)[number], number>> = { 0: 20_000, 20: 10_000, 100: 5_000 }
/** Looks at a batch that is under way, in milliseconds apart. */
const LOOK_MS = 50

interface Started {
  readonly url: string
  readonly child: ChildProcess
}

async function start(script: string, env: Readonly<Record<string, string>>): Promise<Started> {
  const child = spawn(process.execPath, [join(ROOT, script)], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, LOG_LEVEL: 'error', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const text of child.stdout.setEncoding('utf8')) {
    said += text
    const url = /listens on (\S+)\n/.exec(said)?.[1]
    if (url !== undefined) return { url, child }
  }
  throw new Error(`${script} did not start: ${said}`)
}

async function end({ child }: Started): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const Seen = z.object({ calls: z.int(), keys: z.int() })
const Made = z.object({ batchId: z.string() })
const Listed = z.object({
  batches: z.tuple([z.looseObject({ id: z.string(), finishedAt: z.iso.datetime().nullable() })]),
})
const Line = z.object({
  item: z.object({ n: z.int() }),
  result: z.object({ status: z.literal(200), body: z.object({ doubled: z.int() }) }),
})

const seenBy = async (service: Started) => Seen.parse(await (await fetch(`${service.url}/seen`)).json())

function check(what: string, seen: unknown, wanted: unknown): void {
  if (seen !== wanted)
    throw new Error(`${what}: ${String(seen)} in place of ${String(wanted)}. The bench did not do its work.`)
}

/** Calls a second of autocannon, each with the same body. */
async function shoot(service: Started, pauseMs: number, calls: number): Promise<number> {
  const result = await autocannon({
    url: `${service.url}/${pauseMs}`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ n: 1 }),
    connections: CONNECTIONS,
    amount: calls,
  })
  check('answers to autocannon', result['2xx'], calls)
  check('calls of autocannon', (await seenBy(service)).calls, calls)
  return calls / ((result.finish.getTime() - result.start.getTime()) / 1_000)
}

/** Calls a second of a batch, from when it is asked for until all are completed and on disk. */
async function callForEach(server: Started, service: Started, pauseMs: number, calls: number): Promise<number> {
  const items = Array.from({ length: calls }, (_, n) => ({ n }))
  const input = { url: `${service.url}/${pauseMs}`, method: 'POST', bodyTemplate: { n: '{{n}}' } }
  const from = Date.now()
  const made = await fetch(`${server.url}/api/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ operation: 'http', input, items }),
  })
  const { batchId } = Made.parse(await made.json())
  for (;;) {
    // The list shows batches without their jobs: a look costs the server little.
    const [batch] = Listed.parse(await (await fetch(`${server.url}/api/batch?limit=1`)).json()).batches
    check('batch', batch.id, batchId)
    if (batch.finishedAt !== null) {
      await checkWork(server, service, batchId, calls)
      return calls / ((Date.parse(batch.finishedAt) - from) / 1_000)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** Each item was called for once, under a key of its own, and its answer is the result of its job. */
async function checkWork(server: Started, service: Started, batchId: string, calls: number): Promise<void> {
  const seen = await seenBy(service)
  check('calls that the service saw', seen.calls, calls)
  check('keys that it saw', seen.keys, calls)
  const text = await (await fetch(`${server.url}/api/batch/${batchId}/results?format=ndjson&set=succeeded`)).text()
  const lines = text
    .trim()
    .split('\n')
    .map((line) => Line.parse(JSON.parse(line)))
  check('results', new Set(lines.map(({ item }) => item.n)).size, calls)
  check('right results', lines.filter(({ item, result }) => result.body.doubled === 2 * item.n).length, calls)
}

/** The section of the report. */
export async function run(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const places = String(CONNECTIONS)
  const env = {
    DATA_DIR: dataDir,
    MILLRACE_ALLOW_PRIVATE_URLS: '1',
    CONCURRENCY: places,
    CONCURRENCY_RESERVE: '0',
    MAX_FETCHES_PER_OWNER: places,
  }
  const [server, service] = await Promise.all([
    start('scripts/start.js', env),
    start('bench/parts/http-service.ts', {}),
  ])
  const rows: string[] = []
  try {
    for (const pauseMs of PAUSES_MS) {
      const calls = CALLS[pauseMs]
      const rates: { ours: number; theirs: number }[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const theirs = await shoot(service, pauseMs, calls)
        const ours = await callForEach(server, service, pauseMs, calls)
        rates.push({ ours, theirs })
      }
      const ratio = median(rates.map(({ ours, theirs }) => ours / theirs))
      const ours = shown(median(rates.map((rate) => rate.ours)))
      const theirs = shown(median(rates.map((rate) => rate.theirs)))
      rows.push(`| ${pauseMs} ms | ${shown(calls)} | ${ours} | ${theirs} | **${ratio.toFixed(2)}** |`)
      console.error(rows.at(-1))
    }
  } finally {
    await Promise.all([end(server), end(service)])
    await rm(dataDir, { recursive: true, force: true })
  }
  return `## Calls of URLs

The operation \`http\` beside autocannon over ${CONNECTIONS} connections, POSTs of a small JSON body to the same service on the same machine, ${ROUNDS} rounds in turn. autocannon sends one body over and over
and keeps nothing; \`http\` fills a template for each item, claims and leases each job, and has result, counters and event of each on disk, from the request until the batch is completed. Afterwards the service
must have seen every item once, under a key of its own, and every result must be what it answered for that item.

| the service answers after | calls | \`http\`, calls/s | autocannon, calls/s | ratio by the median round |
|---|---|---|---|---|
${rows.join('\n')}
`
}
